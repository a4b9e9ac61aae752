//! Whatever becomes of a file that the program reads, it gives a value or a sentence.

use consort::args::PresetChoice;
use consort::classifier::Classifier;
use consort::cmad::Controls;
use consort::cmad::comparison::Entry;
use consort::preset::CmadPreset;
use consort::tensor::Device;
use consort::{Record, RunFolder, nn, preset};
use proptest::prelude::*;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What may happen to a file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Change(prop::sample::Index, u8),
    Insert(prop::sample::Index, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop_oneof!["[ -~]{1,6}", Just("nan".to_owned()), Just("-1e999".to_owned()), Just("\n[x]\n".to_owned())];
    prop_oneof![
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Change(at, byte)),
        (any::<prop::sample::Index>(), word).prop_map(|(at, word)| Damage::Insert(at, word)),
    ]
}

/// Damages the file, reads it by `read`, and puts it back.
fn reads<T, E: Into<anyhow::Error>>(file: &Path, damage: &Damage, read: impl FnOnce() -> Result<T, E>) {
    let sound = fs::read(file).unwrap();
    let mut bytes = sound.clone();
    match damage {
        Damage::Cut(at) => bytes.truncate(at.index(sound.len())),
        Damage::Change(at, byte) => bytes[at.index(sound.len())] = *byte,
        Damage::Insert(at, word) => {
            let at = at.index(sound.len());
            drop(bytes.splice(at..at, word.bytes()));
        }
    }
    fs::write(file, bytes).unwrap();
    if let Err(error) = read() {
        let error = error.into();
        let told = error.to_string();
        assert!(!told.is_empty() && consort::exit::status(&error) == 2, "{told}");
    }
    fs::write(file, sound).unwrap();
}

#[derive(Serialize)]
struct Cost {
    beta: f64,
    gamma: f64,
    epsilon: f64,
}

#[derive(Serialize)]
struct Asked {
    target: u8,
    agents: usize,
    samples: usize,
    steps: usize,
    score: [&'static str; 1],
    guide: &'static str,
    judge: &'static str,
    cost: Cost,
}

/// A folder of a run of two samples.
fn run(home: &Path) -> PathBuf {
    let dir = home.join("run");
    let cost = Cost { beta: 0.5, gamma: 0.025, epsilon: 1e-3 };
    let [score, guide, judge] = ["mnist-score", "mnist-guide", "mnist-judge"];
    let asked = Asked { target: 3, agents: 2, samples: 2, steps: 4, score: [score], guide, judge, cost };
    let record = Record::new("compose", "cdps", &Device::cpu(1), 7).with_arguments(&asked).unwrap();
    let mut folder = RunFolder::create(Some(&dir), &record).unwrap();
    folder.metric(&serde_json::json!({"step": 2, "frechet": 1.5, "diversity": 2.0})).unwrap();
    let line =
        "{\"psi\":0.4,\"seam\":0.1,\"energy\":0.01,\"objective\":0.5,\"guide\":3,\"judge\":3,\"own_confidence\":0.9}\n";
    folder.write("scores.jsonl", [line, line].concat().as_bytes()).unwrap();
    dir
}

/// A copy of a shipped model.
fn model(home: &Path, name: &str) -> PathBuf {
    let (from, to) = (Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models").join(name), home.join(name));
    fs::create_dir(&to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn records_and_scores_of_runs(damages in prop::collection::vec(damage(), 40)) {
        let home = tempfile::tempdir().unwrap();
        let dir = run(home.path());
        prop_assert!(Entry::read(&dir).is_ok());
        for damage in &damages {
            for file in ["run.toml", "scores.jsonl", "metrics.jsonl"] {
                reads(&dir.join(file), damage, || Entry::read(&dir));
            }
        }
    }

    #[test]
    fn presets(damage in damage()) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("preset.toml");
        fs::write(&file, include_str!("../presets/cmad/small.toml")).unwrap();
        let choice = PresetChoice { preset: Some(file.display().to_string()), set: vec![] };
        reads(&file, &damage, || preset::load::<CmadPreset>(&choice));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(8) })]

    #[test]
    fn models_of_every_kind(damages in prop::collection::vec(damage(), 12)) {
        let (home, device) = (tempfile::tempdir().unwrap(), Device::cpu(1));
        let (judge, controls) = (model(home.path(), "mnist-judge"), model(home.path(), "mnist-cmad-3-2"));
        for damage in &damages {
            for file in ["config.json", "moments.safetensors"] {
                reads(&judge.join(file), damage, || Classifier::load(&judge, &device));
            }
            reads(&controls.join("config.json"), damage, || {
                let controls: Controls = nn::load(&controls, &device)?;
                controls.terms()?;
                anyhow::Ok(controls.aggregator()?)
            });
        }
    }
}
