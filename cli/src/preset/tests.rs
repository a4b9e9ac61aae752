//! Presets that load, and the sentences for those that do not.

use super::*;

fn choose(preset: Option<&str>, set: &[&str]) -> PresetChoice {
    PresetChoice { preset: preset.map(Into::into), set: set.iter().map(|&change| change.into()).collect() }
}

fn sentence<P: Preset + std::fmt::Debug>(preset: Option<&str>, set: &[&str]) -> String {
    let error = load::<P>(&choose(preset, set)).unwrap_err();
    assert!(error.is_usage() && !error.to_string().contains('\n'), "{error}");
    error.to_string()
}

/// Every preset loads, and the default spells out every key.
fn built_in<P: Preset + std::fmt::Debug + PartialEq>() {
    let default: P = load(&choose(None, &[])).unwrap();
    assert_eq!(load::<P>(&choose(Some("small"), &[])).unwrap(), default);
    let text: Table = P::BUILT_IN[0].1.parse().unwrap();
    assert_eq!(Table::try_from(&default).unwrap(), text);
    P::BUILT_IN.iter().for_each(|(name, _)| drop(load::<P>(&choose(Some(name), &[])).unwrap()));
}

#[test]
fn all_built_in_presets() {
    built_in::<MnistScore>();
    built_in::<MnistGuide>();
    built_in::<MnistJudge>();
    built_in::<CmadPreset>();
    built_in::<CdpsPreset>();
}

#[test]
fn the_published_figures() {
    let paper: CmadPreset = load(&choose(Some("paper"), &[])).unwrap();
    assert_eq!((&paper.lambda[..], paper.alpha, paper.lr, paper.clip), (&[10.0][..], 1.0, 1e-4, 1.0));
    assert_eq!((paper.updates, paper.outer, paper.inner, paper.sampling_points), (1000, 300, 5, 500));
    assert_eq!([2, 3, 28].map(|agents| paper.batch(agents)), [16, 8, 8]);
    let weights = |agents| paper.lambda_as.weights(&paper.lambda, 784, agents).unwrap();
    assert!((weights(2)[1].tilt() - 78.4).abs() < 1e-9 && (weights(3)[2].tilt() - 117.6).abs() < 1e-9);
}

#[test]
fn changes() {
    let preset: CmadPreset = load(&choose(None, &["lr=1", "batch=4", "network.channels=[8]"])).unwrap();
    assert_eq!((preset.lr, preset.batch(3), &preset.network.channels[..]), (1.0, 4, &[8][..]));
    let preset: MnistScore = load(&choose(None, &["schedule=constant", "schedule=cosine"])).unwrap();
    assert_eq!(preset.schedule, Schedule::Cosine);
}

#[test]
fn a_file_changes_the_default() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mine.toml");
    let name = path.to_str().unwrap();
    fs::write(&path, "lambda = 1\n[network]\nlayers = 2").unwrap();
    let preset: CmadPreset = load(&choose(Some(name), &["alpha=2"])).unwrap();
    assert_eq!((&preset.lambda[..], preset.alpha, preset.network.layers, preset.points), (&[1.0][..], 2.0, 2, 25));
    fs::write(&path, "lamda = 1").unwrap();
    assert_eq!(
        sentence::<CmadPreset>(Some(name), &[]),
        format!("{name}: there is no key `lamda`: did you mean `lambda`?")
    );
    fs::write(&path, "lambda = ").unwrap();
    assert!(sentence::<CmadPreset>(Some(name), &[]).starts_with(&format!("{name} is no TOML: ")));
    fs::write(&path, b"\xff").unwrap();
    assert!(sentence::<CmadPreset>(Some(name), &[]).starts_with(&format!("cannot read {name}: ")));
}

#[test]
fn sentences() {
    let told = |set: &[&str]| sentence::<CmadPreset>(None, set);
    assert_eq!(told(&["bacth=3"]), "--set bacth=3: there is no key `bacth`: did you mean `batch`?");
    assert_eq!(
        told(&["network.layer=3"]),
        "--set network.layer=3: there is no key `network.layer`: did you mean `network.layers`?"
    );
    assert_eq!(told(&["network=3"]), "--set network=3: `network` is a group of keys, set them one by one");
    assert_eq!(told(&["lr"]), "--set lr: give KEY=VALUE");
    assert_eq!(told(&["lambda=[1, 0]"]), "preset: `lambda` is 0, give a number above 0");
    assert_eq!(told(&["batch=9000000000000000"]), "preset: `batch` is 9000000000000000, give 65536 or less");
    assert_eq!(told(&["sampling_points=2000000"]), "preset: `sampling_points` is 2000000, give 100001 or fewer");
    assert_eq!(told(&["lr=-1"]), "preset: `lr` is -1, give a number above 0");
    assert_eq!(told(&["lr=nan"]), "preset: `lr` is NaN, give a number above 0");
    assert_eq!(told(&["points=1"]), "preset: `points` is 1, give 2 or more: a step has two ends");
    assert_eq!(
        told(&["network.channels=[12]"]),
        "preset: `network.channels` has 12, give multiples of the 8 groups of the norms"
    );
    assert_eq!(told(&["lr=fast"]), "preset: invalid type: string \"fast\", expected f64 in `lr`");
    assert_eq!(told(&["updates=-1"]), "preset: invalid value: integer `-1`, expected u64 in `updates`");
    assert_eq!(told(&["batch=x"]), "preset: a number or a list of them in `batch`");
    assert_eq!(
        sentence::<CmadPreset>(Some("papre"), &[]),
        "there is no preset `papre`: take one of `small`, `paper`, or a file's name with .toml"
    );
    assert_eq!(
        sentence::<CmadPreset>(Some("nowhere.toml"), &[]),
        "cannot read nowhere.toml: No such file or directory; look for a slip in the path"
    );
}

#[test]
fn one_lambda_for_all_or_one_for_each() {
    let preset: CmadPreset = load(&choose(None, &["lambda=[5, 20]"])).unwrap();
    let tilts = |agents| {
        let weights = preset.lambda_as.weights(&preset.lambda, 784, agents)?;
        Ok(weights.iter().map(|weights| weights.tilt().round()).collect::<Vec<_>>())
    };
    assert_eq!(tilts(2).map_err(|error: Error| error.to_string()), Ok(vec![5.0, 20.0]));
    let refused = "preset: `lambda` has 2 figures, give one, or one for each of 3";
    assert_eq!(tilts(3).map_err(|error| error.to_string()), Err(refused.into()));
}

#[test]
fn networks_that_can_be_built() {
    let paper: MnistScore = load(&choose(Some("paper"), &[])).unwrap();
    let config = paper.network.config();
    assert_eq!(config.up_block_types, ["UpBlock2D"; 3]);
    let small: MnistScore = load(&choose(None, &[])).unwrap();
    assert_eq!(small.network.config().up_block_types, ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"]);
    let one: CmadPreset = load(&choose(None, &["network.channels=[8]"])).unwrap();
    let mut init = nn::Init::seeded(&tensor::Device::cpu(1), 0);
    assert!(nn::UNet2D::new(one.network.config(), &mut init).is_ok());
    let guide: MnistGuide = load(&choose(None, &[])).unwrap();
    let judge: MnistJudge = load(&choose(None, &[])).unwrap();
    for (classifier, classes) in [(guide.0, 11), (judge.0, 10)] {
        assert_eq!(classifier.config().classes, classes);
        assert!(nn::Cnn::new(classifier.config(), &mut init).is_ok());
    }
    assert!(
        sentence::<MnistScore>(None, &["network.head=1000"]).starts_with("preset: network: `attention_head_dim`: 1000")
    );
}
