//! Trainings from outside, on a data set of a few made-up images.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Four files: 40 training images and 20 test images, label and brightness going together.
fn data(dir: &Path) {
    let header = |shape: &[u32]| {
        let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).collect::<Vec<u8>>()
    };
    for (images, labels, n) in [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 40u32),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 20),
    ] {
        let pixel = |i: u32| if i % 7 < 3 { (i / 784 % 10 * 20) as u8 + 50 } else { 0 };
        fs::write(dir.join(images), [header(&[n, 28, 28]), (0..n * 784).map(pixel).collect()].concat()).unwrap();
        fs::write(dir.join(labels), [header(&[n]), (0..n).map(|i| (i % 10) as u8).collect()].concat()).unwrap();
    }
}

fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    command.args(arguments).current_dir(home).env_remove("CONSORT_DATA").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The lines of `metrics.jsonl` without their last entry, the time.
fn metrics(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().map(|line| line.split(",\"seconds\"").next().unwrap().to_owned()).collect()
}

/// A run that is killed and resumed, with another number of threads, leaves the same bits as one that is not.
fn killed_and_resumed(job: &str, settings: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    data(home);
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["--set", set]).collect();
    let train = |arguments: &[&str]| command(home, &[&["train", job, "--data", "."], arguments].concat());
    let begin = |out: &str| train(&[&["--out", out, "--seed", "5", "--threads", "2"][..], &settings].concat());
    assert!(begin("whole").status().unwrap().success());
    let files = ["checkpoint.safetensors", "model/config.json", "model/diffusion_pytorch_model.safetensors"];
    for attempt in 0..5 {
        let out = format!("killed-{attempt}");
        let run = home.join(&out);
        let mut child = begin(&out).spawn().unwrap();
        while metrics(&run).len() < 5 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if run.join(files[2]).exists() {
            continue; // it was faster than we
        }
        assert!(train(&["--resume", &out, "--threads", "1"]).status().unwrap().success());
        assert_eq!(metrics(&home.join("whole")), metrics(&run));
        for file in files {
            assert!(fs::read(home.join("whole").join(file)).unwrap() == fs::read(run.join(file)).unwrap(), "{file}");
        }
        return;
    }
    panic!("the run always ended before it could be killed");
}

#[test]
fn a_denoiser_goes_on_bit_for_bit() {
    let network = ["network.channels=[4,8]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];
    killed_and_resumed("mnist-score", &[&network[..], &["steps=40", "batch=6", "checkpoint_every=0"]].concat());
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
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    data(home);
    let images = home.join("train-images-idx3-ubyte");
    let blank = fs::read(&images).unwrap().into_iter().take(16).chain(std::iter::repeat_n(9, 40 * 784));
    fs::write(&images, blank.collect::<Vec<u8>>()).unwrap();
    let output = command(home, &["train", "mnist-score", "--data", ".", "--out", "run"])
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), &*told),
        (Some(2), "error: the images are all of one grey: there is nothing to learn\n")
    );
    assert!(!home.join("run").exists());
}
