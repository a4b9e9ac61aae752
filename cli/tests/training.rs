//! Trainings from outside, on a data set of a few made-up images.

mod common;

use common::{Home, metrics};
use std::fs;

/// Killed as soon as there is a folder, before there is a checkpoint.
#[test]
fn a_run_without_a_checkpoint_begins_again() {
    let home = Home::new();
    let network = ["network.channels=[4,8]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];
    let settings = [&network[..], &["steps=30", "batch=6"]].concat();
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let begin = ["train", "mnist-score", "--data", ".", "--threads", "1"];
    home.succeed(&[&begin[..], &settings, &["--out", "whole"]].concat());
    assert!(home.killed_after(&[&begin[..], &settings, &["--out", "killed"]].concat(), &home.path("killed"), 1));
    assert!(!home.path("killed/checkpoint.safetensors").exists());
    home.succeed(&["train", "mnist-score", "--resume", "killed", "--threads", "2"]);
    let read = |run: &str| fs::read(home.path(run).join("checkpoint.safetensors")).unwrap();
    assert!(read("whole") == read("killed"));
    assert_eq!(metrics(&home.path("whole")), metrics(&home.path("killed")));
}

/// A limit on file sizes stands for a full disk: the record and the metrics fit, the weights do not.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_no_half_of_a_checkpoint() {
    let home = Home::new();
    let settings = ["steps=2", "batch=2", "network.channels=[4,8]", "network.attention=[false,true]"];
    let settings = [&settings[..], &["network.groups=2", "network.head=4"]].concat();
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let told =
        home.with_little_room(&[&["train", "mnist-score", "--data", ".", "--out", "run"], &settings[..]].concat());
    let want = "error: cannot write run/checkpoint.safetensors: File too large; raise the limit on file sizes, or give a \
                folder on another disk\n";
    assert_eq!(told, want);
    let mut left: Vec<_> = fs::read_dir(home.path("run")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["metrics.jsonl", "run.toml"]);
}

/// Image files that were cut short, and that go on.
#[test]
fn files_of_another_length_are_refused() {
    let home = Home::new();
    let images = home.path("train-images-idx3-ubyte");
    let whole = fs::read(&images).unwrap();
    for (bytes, what) in [(whole[..1000].to_vec(), "ends"), ([&whole[..], &[0]].concat(), "goes on after")] {
        fs::write(&images, bytes).unwrap();
        let told = home.fail(2, &["train", "mnist-score", "--data", ".", "--out", "run"]);
        assert!(told.contains("train-images-idx3-ubyte") && told.contains(what) && told.lines().count() == 1, "{told}");
        assert!(!home.path("run").exists());
    }
}

/// A run that is killed and resumed, with another number of threads, leaves the same bits as one that is not.
fn killed_and_resumed(job: &str, settings: &[&str]) {
    let home = Home::new();
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let begin = ["train", job, "--data", ".", "--seed", "5", "--threads", "2"];
    home.succeed(&[&begin[..], &settings, &["--out", "whole"]].concat());
    let run = home.path("killed");
    assert!(
        home.killed_after(&[&begin[..], &settings, &["--out", "killed"]].concat(), &run, 5),
        "always faster than we"
    );
    home.succeed(&["train", job, "--data", ".", "--resume", "killed", "--threads", "1"]);
    assert_eq!(metrics(&home.path("whole")), metrics(&run));
    for file in ["checkpoint.safetensors", "model/config.json", "model/diffusion_pytorch_model.safetensors"] {
        assert!(fs::read(home.path("whole").join(file)).unwrap() == fs::read(run.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_denoiser_goes_on_bit_for_bit() {
    let network = ["network.channels=[4,8]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];
    killed_and_resumed("mnist-score", &[&network[..], &["steps=40", "batch=6", "checkpoint_every=0"]].concat());
}

/// The weights of a finished model are where another training begins.
#[test]
fn a_denoiser_is_trained_on() {
    let home = Home::new();
    let network = ["network.channels=[4,8]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];
    let settings = [&network[..], &["steps=20", "batch=20", "warm_up=0", "lr=1e-2"]].concat();
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let train = ["train", "mnist-score", "--data", "."];
    let first = |run: &str| -> f64 {
        let line: serde_json::Value = serde_json::from_str(&(metrics(&home.path(run))[0].clone() + "}")).unwrap();
        line["loss"].as_f64().unwrap()
    };
    home.succeed(&[&train[..], &settings, &["--out", "a"]].concat());
    home.succeed(&[&train[..], &settings, &["--out", "b", "--from", "a", "--seed", "0"]].concat());
    assert!(first("b") < 0.9 * first("a"), "{} {}", first("a"), first("b"));
    let other = home.fail(2, &[&train[..], &["--from", "a", "--out", "c"]].concat());
    assert!(other.contains("a/model is another network than this training's") && !home.path("c").exists(), "{other}");
}

#[test]
fn classifiers_go_on_bit_for_bit() {
    let small = ["network.channels=[4,8]", "network.groups=2", "network.layers=1", "held_out=8", "steps=40", "batch=6"];
    for job in ["mnist-guide", "mnist-judge"] {
        killed_and_resumed(job, &[&small[..], &["checkpoint_every=0"]].concat());
    }
}

#[test]
fn what_cannot_be_trained_on_is_said_and_leaves_nothing() {
    let home = Home::new();
    let images = home.path("train-images-idx3-ubyte");
    let blank = fs::read(&images).unwrap().into_iter().take(16).chain(std::iter::repeat_n(9, 40 * 784));
    fs::write(&images, blank.collect::<Vec<u8>>()).unwrap();
    let told = home.fail(2, &["train", "mnist-score", "--data", ".", "--out", "run"]);
    assert_eq!(told, "error: the images are all of one grey: there is nothing to learn");
    assert!(!home.path("run").exists());
}

/// Resident bytes of a process.
#[cfg(target_os = "linux")]
fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok().map(|kilobytes: u64| kilobytes << 10)
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_flat_over_two_thousand_updates() {
    let home = Home::new();
    let network = ["network.channels=[4,4]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];
    let settings = [&network[..], &["steps=2000", "batch=1", "checkpoint_every=0.2"]].concat();
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let train = ["train", "mnist-score", "--data", ".", "--out", "run", "--threads", "1", "--quiet"];
    let mut child = home.command(&[&train[..], &settings].concat()).spawn().unwrap();
    let mut sizes = Vec::new();
    while child.try_wait().unwrap().is_none() {
        let done = metrics(&home.path("run")).len();
        sizes.extend(resident(child.id()).filter(|_| done > 200));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(metrics(&home.path("run")).len(), 2000);
    // A leak of one value of a pixel's size an update would show: 2000 x 4 bytes x 784 is 6 MB.
    let (first, most) = (sizes[0], sizes.iter().max().unwrap());
    assert!(sizes.len() > 10 && *most < first + (3 << 20), "{sizes:?}");
}
