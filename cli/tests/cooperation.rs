//! Agents that make digits together, from outside, with models of a few made-up images.

mod common;

use common::Home;
use std::fs;

const CDPS: [&str; 10] = ["compose", "cdps", "--target", "3", "--agents", "2", "--models", "models", "--steps", "4"];
const TINY: [&str; 8] = [
    "network.channels=[8]",
    "points=4",
    "sampling_points=4",
    "sampling_count=3",
    "batch=3",
    "teaching.works=5",
    "teaching.points=4",
    "teaching.studies=3",
];

fn train(more: &[&'static str]) -> Vec<&'static str> {
    let start = ["train", "cmad", "--target", "3", "--agents", "2", "--models", "models"];
    [&start[..], &TINY.map(|set| ["--set", set]).concat(), more].concat()
}

fn same(home: &Home, a: &str, b: &str, file: &str) {
    let read = |run: &str| fs::read(home.path(run).join(file)).unwrap();
    assert!(read(a) == read(b), "{a} and {b} differ in {file}");
}

#[test]
fn one_seed_one_picture() {
    let home = Home::with_models();
    let compose = |out: &'static str, batch: &'static str, threads: &'static str| {
        let more = ["--samples", "19", "--out", out, "--batch", batch, "--threads", threads];
        home.succeed(&[&CDPS[..], &more].concat());
    };
    compose("a", "1", "1");
    for (out, batch, threads) in [("b", "8", "2"), ("c", "18", "1"), ("d", "19", "2")] {
        compose(out, batch, threads);
        for file in ["samples.safetensors", "samples.png", "scores.jsonl"] {
            same(&home, "a", out, file);
        }
    }
    let compare = home.succeed(&["compare", "a", "b", "--tilt", "5", "--out", "ab"]);
    assert!(compare.contains("runs  2"), "{compare}");
    home.succeed(&[&CDPS[..], &["--samples", "19", "--out", "other", "--seed", "1"]].concat());
    let unlike = home.fail(2, &["compare", "a", "other"]);
    assert!(unlike.contains("a and other differ in more than the method"), "{unlike}");
    let no_run = home.fail(2, &["compare", "models"]);
    assert!(no_run.contains("models/run.toml"), "{no_run}");
    let tilt = home.fail(2, &["compare", "a", "b", "--tilt", "0"]);
    assert!(tilt.contains("give a number above 0"), "{tilt}");
    fs::write(home.path("other/scores.jsonl"), "{}\n").unwrap();
    let damaged = home.fail(2, &["compare", "other"]);
    assert!(damaged.contains("other/scores.jsonl is not as `consort compose` wrote it"), "{damaged}");
    let table = fs::read_to_string(home.path("ab/compare.md")).unwrap();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.lines().nth(3).unwrap().contains("| 0 (0..0) |"), "no difference: {table}");
}

#[test]
fn what_compose_tells() {
    let home = Home::with_models();
    let line = home.succeed(&[&CDPS[..], &["--samples", "4", "--out", "a", "--json", "--quiet"]].concat());
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&told["command"], &told["method"], &told["out"]), (&"compose".into(), &"cdps".into(), &"a".into()));
    for name in [
        "guide_accuracy",
        "judge_accuracy",
        "psi_mean",
        "seam_mean",
        "energy_mean",
        "objective_mean",
        "diversity",
        "samples",
    ] {
        assert!(told["metrics"][name].is_number(), "{name} in {line}");
    }
    assert!(told["metrics"]["frechet"].is_number(), "{line}");
    let saved = consort::nn::SavedState::read(&home.path("a/samples.safetensors")).unwrap();
    let device = consort::tensor::Device::cpu(1);
    for (name, shape) in [("samples", &[4, 1, 28, 28][..]), ("agents", &[2, 4, 1, 28, 28])] {
        let saved = saved.tensor(name, &device).unwrap();
        assert_eq!((saved.shape(), saved.dtype()), (shape, consort::tensor::DType::F32));
        assert!(saved.to_f64().unwrap().iter().all(|pixel| (-1.0..=1.0).contains(pixel)), "{name}");
    }
    let report = fs::read_to_string(home.path("a/report.html")).unwrap();
    for heading in
        ["2 agents draw a 3", "Before and after", "All of them", "What each agent draws", "Over time", "To do it again"]
    {
        assert!(report.contains(heading), "{heading}");
    }
    let record = consort::Record::read(&home.path("a/run.toml")).unwrap();
    for (name, want) in [("tilt", 100.0), ("lambda_per_sample", 1.0 / 200.0), ("lambda_paper", 1568.0 / 200.0)] {
        let recorded = record.derived[name].as_float().unwrap();
        assert!((recorded - want).abs() < 1e-9 && told["metrics"][name] == recorded, "{name}: {recorded}");
    }
    assert!(!report.contains("src=\"http") && !report.contains("href="), "everything is in the file");
}

#[test]
fn controls_are_trained_killed_resumed_and_played() {
    let home = Home::with_models();
    for (out, killed, scheme) in [
        ("joint", "joint-killed", &["--set", "updates=6"][..]),
        ("turns", "turns-killed", &["--scheme", "control-wise", "--set", "outer=3", "--set", "inner=2"]),
        (
            "jacobi",
            "jacobi-killed",
            &["--scheme", "control-wise", "--set", "outer=2", "--set", "inner=2", "--set", "order=jacobi"],
        ),
    ] {
        let settings = [scheme, &["--set", "checkpoint_every=0", "--set", "mask_lr=1e-2"]].concat();
        home.succeed(&train(&[&settings[..], &["--out", out, "--threads", "2"]].concat()));
        let run = home.path(killed);
        // The first dies while it studies the works of others, the other two later.
        let lines = if out == "joint" { 2 } else { 8 };
        assert!(home.killed_after(&train(&[&settings[..], &["--out", killed]].concat()), &run, lines));
        home.succeed(&["train", "cmad", "--resume", killed]);
        let others = home.fail(2, &["train", "cmad", "--resume", killed, "--guide", "mnist-guide"]);
        assert!(others.contains("a run goes on with the models and masks it began with"), "{others}");
        for file in ["checkpoint.safetensors", "model/config.json", "model/diffusion_pytorch_model.safetensors"] {
            same(&home, out, killed, file);
        }
        assert_eq!(common::metrics(&home.path(out)), common::metrics(&run));
    }
    let play =
        ["compose", "cmad", "--target", "3", "--agents", "2", "--models", "models", "--steps", "3", "--samples", "2"];
    for (out, batch, threads) in [("played", "1", "1"), ("again", "8", "2"), ("at-once", "36", "2")] {
        let how = ["--model", "joint", "--samples", "9", "--out", out, "--batch", batch, "--threads", threads];
        home.succeed(&[&play[..play.len() - 2], &how].concat());
        same(&home, "played", out, "samples.safetensors");
        same(&home, "played", out, "scores.jsonl");
    }
    home.succeed(&train(&["--set", "updates=1", "--set", "lambda=300", "--from", "joint/model", "--out", "steeper"]));
    home.succeed(&[&CDPS[..], &["--samples", "5", "--out", "made"]].concat());
    home.succeed(&train(&["--set", "updates=1", "--works", "made", "--from", "joint/model", "--out", "studied"]));
    // Killed between its works and its first checkpoint, a run studies them; killed after an update that it does not
    // remember, it forgets that update's line, though `--from` is done with.
    fs::remove_file(home.path("studied/checkpoint.safetensors")).unwrap();
    let line = fs::read_to_string(home.path("steeper/metrics.jsonl")).unwrap();
    fs::write(home.path("steeper/metrics.jsonl"), format!("{line}{}", line.replace("\"step\":1,", "\"step\":2,")))
        .unwrap();
    for (run, lines) in [("studied", 4), ("steeper", 1)] {
        home.succeed(&["train", "cmad", "--resume", run]);
        assert_eq!(common::metrics(&home.path(run)).len(), lines, "{run}");
    }
    let works = consort::nn::SavedState::read(&home.path("studied/works.safetensors")).unwrap();
    let kept = works.tensor("canvases.1", &consort::tensor::Device::cpu(1)).unwrap();
    assert_eq!(kept.shape(), [4, 1, 28, 28]); // three quarters of five, the last one as well
    let cut =
        (0..2).map(|agent| (format!("canvases.{agent}"), kept.narrow(0, 0, 1).unwrap().reshape(&[28, 28]).unwrap()));
    let cut = consort::nn::State { tensors: cut.collect(), ..Default::default() };
    cut.save(&home.path("studied/works.safetensors")).unwrap();
    fs::remove_file(home.path("studied/checkpoint.safetensors")).unwrap();
    let cut = home.fail(2, &["train", "cmad", "--resume", "studied"]);
    assert!(cut.contains("works.safetensors: an agent's canvases are [28, 28]"), "{cut}");
    let other = ["train", "cmad", "--target", "4", "--agents", "2", "--models", "models", "--works", "made"];
    let other = home.fail(2, &other);
    assert!(other.contains("made made a 3 by 2 agents, and controls for a 4 by 2 agents are asked for"), "{other}");
    let wrong = home.fail(
        2,
        &["compose", "cmad", "--target", "3", "--agents", "3", "--models", "models", "--model", "joint/model"],
    );
    assert!(wrong.contains("joint/model has controls of 2 agents for a 3: ask for `--target 3 --agents 2`"), "{wrong}");
    let none = home.fail(2, &play);
    assert!(none.contains("`consort train cmad --target 3 --agents 2`"), "{none}");
}

#[test]
fn masks_from_files() {
    let home = Home::with_models();
    let mask = |name: &str, size: usize, white: &dyn Fn(usize) -> bool| {
        let bytes = (0..size * size).map(|pixel| if white(pixel % size) { 255 } else { 0 }).collect();
        let colour = consort::data::png_io::Colour::Grey;
        let picture = consort::data::png_io::Picture { width: size, height: size, colour, bytes };
        fs::write(home.path(name), picture.encode().unwrap()).unwrap();
    };
    mask("left.png", 28, &|column| column < 10);
    mask("right.png", 28, &|column| column >= 10);
    mask("small.png", 20, &|column| column >= 10);
    let masks = |a: &'static str, b: &'static str| [&CDPS[..], &["--samples", "2", "--mask", a, "--mask", b]].concat();
    home.succeed(&[&masks("left.png", "right.png")[..], &["--out", "a"]].concat());
    home.succeed(&[&CDPS[..], &["--samples", "2", "--out", "stripes", "--model", "mnist-score"]].concat());
    let unlike = home.fail(2, &["compare", "a", "stripes"]);
    assert!(unlike.contains("a and stripes differ in more than the method"), "{unlike}");
    for (a, b, what) in [
        ("left.png", "small.png", "small.png has 20 x 20 pixels, expected 28 x 28"),
        ("left.png", "left.png", "masks: at row 0, column 0 the weights add up to 2"),
        ("left.png", "nowhere.png", "nowhere.png"),
        ("left.png", "models/mnist-score/config.json", "cannot be read as a PNG"),
    ] {
        let sentence = home.fail(2, &[&masks(a, b)[..], &["--out", "b"]].concat());
        assert!(sentence.contains(what) && !home.path("b").exists(), "{sentence}");
    }
    let one = home.fail(2, &[&CDPS[..], &["--mask", "left.png"]].concat());
    assert!(one.contains("--mask was given 1 times for 2 agents"), "{one}");
}

#[test]
fn what_is_refused() {
    let home = Home::with_models();
    let compose = |more: &[&'static str]| {
        let start = ["compose", "cdps", "--models", "models", "--out", "out"];
        let rest = if more.contains(&"--target") { &[][..] } else { &["--target", "3"] };
        [&start[..], rest, more].concat()
    };
    for (more, what) in [
        (&["--agents", "0"][..], "--agents 0: give a whole number from 1 to 28"),
        (&["--agents", "40"], "--agents 40: give a whole number from 1 to 28"),
        (&["--target", "12"], "--target 12: give a whole number from 0 to 9"),
        (&["--steps", "0"], "--steps 0: give a whole number from 1"),
        (&["--samples", "0"], "--samples 0: give a whole number from 1"),
        (&["--set", "scail=3"], "there is no key `scail`: did you mean `scale`?"),
        (&["--set", "scale=-3"], "`scale` is -3, give 0 or a number above"),
        (&["--set", "lambda=[1,2]"], "`lambda` has 2 figures, give one, or one for each of 3"),
        (&["--device", "cuda:7"], "--device cpu"),
        (&["--score", "mnist-guide"], "mnist-guide"),
        (&["--guide", "mnist-score"], "mnist-score"),
        (&["--judge", "mnist-guide"], "who steers cannot judge"),
        (&["--judge", "nothing"], "there is no model `nothing` in models"),
        (&["--score", "mnist-score", "--score", "mnist-score"], "--score was given 2 times"),
    ] {
        let sentence = home.fail(2, &compose(more));
        assert!(sentence.contains(what), "{more:?}: {sentence}");
        assert!(!home.path("out").exists(), "{more:?} left a folder");
    }
    fs::write(home.path("file"), "").unwrap();
    let sentence = home.fail(1, &[&CDPS[..], &["--samples", "1", "--out", "file/out"]].concat());
    assert!(sentence.contains("a file is in the way"), "{sentence}");
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_no_half_of_a_result() {
    let home = Home::with_models();
    let told = home.with_little_room(&[&CDPS[..], &["--samples", "9", "--out", "out"]].concat());
    assert!(told.starts_with("error: cannot write out/") && told.contains("another disk"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(!home.path("out").exists(), "nothing was made, and nothing is left");
}

#[test]
fn weights_that_are_not_to_be_trusted() {
    let home = Home::with_models();
    let weights = home.path("models/mnist-score/diffusion_pytorch_model.safetensors");
    let sound = fs::read(&weights).unwrap();
    let header = 8 + u64::from_le_bytes(sound[..8].try_into().unwrap()) as usize;
    let mut lying = sound.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut not_a_number = sound.clone();
    not_a_number[header..header + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let text = String::from_utf8(sound[8..header].to_vec()).unwrap().replace("conv_in.bias", "conv_on.bias");
    let renamed = [&sound[..8], text.as_bytes(), &sound[header..]].concat();
    for (bytes, what) in [
        (lying, "header"),
        (sound[..sound.len() - 3].to_vec(), "diffusion_pytorch_model.safetensors"),
        (sound[..4].to_vec(), "diffusion_pytorch_model.safetensors"),
        (not_a_number, "conv_in"),
        (renamed, "conv_in.bias"),
    ] {
        fs::write(&weights, bytes).unwrap();
        let sentence = home.fail(2, &[&CDPS[..], &["--out", "out"]].concat());
        assert!(sentence.contains(what) && !home.path("out").exists(), "{sentence}");
    }
    fs::write(&weights, sound).unwrap();
    let config = home.path("models/mnist-score/config.json");
    let text = fs::read_to_string(&config).unwrap();
    for (from, to, what) in [
        ("\"sample_size\": 28", "\"sample_size\": 32", "1 x 32 x 32"),
        ("\"layers_per_block\": 1", "\"layers_per_block\": 2", "missing"),
        ("\"preconditioned\"", "\"magic\"", "what it was trained as"),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(&config, text.replace(from, to)).unwrap();
        let sentence = home.fail(2, &[&CDPS[..], &["--out", "out"]].concat());
        assert!(sentence.contains(what), "{sentence}");
    }
}

#[test]
fn samples_and_evaluations() {
    let home = Home::with_models();
    let line = home.succeed(&[
        "sample",
        "mnist-score",
        "--models",
        "models",
        "--samples",
        "3",
        "--steps",
        "3",
        "--out",
        "s",
        "--json",
    ]);
    assert!(line.contains("\"evaluations\":4"), "{line}");
    assert!(home.path("s/samples.png").exists());
    let evaluate = ["evaluate", "mnist-score", "--models", "models", "--data", ".", "--samples", "12", "--steps", "2"];
    let line = home.succeed(&[&evaluate[..], &["--out", "e", "--json"]].concat());
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    for name in ["frechet", "frechet_floor", "frechet_ratio", "chi_square_p", "confident", "diversity"] {
        assert!(told["metrics"][name].is_number(), "{name} in {line}");
    }
    let line = home.succeed(&["evaluate", "mnist-judge", "--models", "models", "--data", ".", "--out", "j"]);
    assert!(line.contains("accuracy") && line.contains("temperature"), "{line}");
    let many = home.fail(2, &["evaluate", "mnist-score", "--models", "models", "--data", ".", "--samples", "41"]);
    assert!(many.contains("--samples 41: give 2 to 40"), "{many}");
    let classifier = home.fail(2, &["sample", "mnist-judge", "--models", "models"]);
    assert!(classifier.contains("cnn"), "{classifier}");
}
