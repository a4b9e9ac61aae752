//! The models that come with the program.

mod common;

use common::Home;
use std::fs;
use std::path::{Path, PathBuf};

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models")
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { size(&path) } else { fs::metadata(path).unwrap().len() }).sum()
}

#[test]
fn every_model_has_a_card_and_all_are_small() {
    let cards = fs::read_to_string(models().join("README.md")).unwrap();
    for entry in fs::read_dir(models()).unwrap().map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(cards.contains(&format!("\n## {name}\n")), "{name} has no card");
    }
    assert!(size(&models()) < 8 << 20, "{} bytes", size(&models()));
}

/// Found without being told where they are, each for what it is.
#[test]
fn they_work_as_they_stand() {
    let home = Home::new();
    let play = ["compose", "cdps", "--target", "3", "--agents", "2", "--samples", "2", "--steps", "3", "--json"];
    let line = home.succeed(&[&play[..], &["--out", "out", "--quiet"]].concat());
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(told["metrics"]["frechet"].is_number(), "{line}");
    for agents in ["2", "3"] {
        let play = ["compose", "cmad", "--target", "3", "--agents", agents, "--samples", "3", "--steps", "2"];
        let samples = ["1", "8"].map(|batch| {
            let out = format!("cmad-{agents}-{batch}");
            let threads = if batch == "1" { "2" } else { "1" };
            let how = ["--batch", batch, "--threads", threads, "--out", &out, "--json", "--quiet"];
            let told: serde_json::Value = serde_json::from_str(&home.succeed(&[&play[..], &how].concat())).unwrap();
            assert!(told["metrics"]["objective_mean"].is_number(), "{told}");
            fs::read(home.path(&out).join("samples.safetensors")).unwrap()
        });
        assert!(samples[0] == samples[1], "{agents} agents: the batch and the threads change no bit");
    }
    let forward = home.fail(2, &["forward", "mnist-score", "--input", "nothing.safetensors", "--output", "out2"]);
    assert!(forward.contains("nothing.safetensors"), "{forward}");
}
