//! Run folders that are refused, cleaned up, gone on with.

use super::*;
use serde_json::json;

fn record() -> Record {
    #[derive(Serialize)]
    struct Preset {
        batch: usize,
        lr: f64,
    }
    let record = Record::new("train", "mnist-score", &tensor::Device::cpu(1), 7)
        .with_preset(&Preset { batch: 64, lr: 2e-4 })
        .unwrap();
    record.with_derived("tilt", 78.4)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A folder with three steps and a checkpoint, whose process has ended.
fn trained(out: &Path) {
    let mut run = RunFolder::create(Some(out), &record()).unwrap();
    (1..=3).for_each(|step| run.metric(&json!({"step": step, "loss": 1.0 / f64::from(step)})).unwrap());
    run.write(CHECKPOINT, b"weights").unwrap();
}

#[test]
fn a_run_comes_back_as_it_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("runs/a");
    trained(&out);
    assert_eq!(names(&out), [CHECKPOINT, METRICS, RECORD]);
    let (run, back) = RunFolder::resume(&out).unwrap();
    assert_eq!(run.dir(), out);
    assert_eq!((back.seed, back.preset["batch"].as_integer()), (7, Some(64)));
    back.expect("train", "mnist-score").unwrap();
    let other = back.expect("train", "cmad").unwrap_err();
    assert_eq!(
        other.to_string(),
        "the folder holds a run of `consort train mnist-score`, not of `consort train cmad`: resume it with the command \
         that began it"
    );
    let unlike = back.arguments::<Record>().unwrap_err();
    assert!(unlike.is_usage() && unlike.to_string().starts_with("[arguments] of the run of train mnist-score is no"));
}

#[test]
fn a_run_that_made_nothing_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    drop(RunFolder::create(Some(&home.path().join("new/deep/run")), &record()).unwrap());
    assert!(names(home.path()).is_empty());
    fs::create_dir(home.path().join("mine")).unwrap();
    drop(RunFolder::create(Some(&home.path().join("mine")), &record()).unwrap());
    assert_eq!(names(home.path()), ["mine"]);
    let mut run = RunFolder::create(Some(&home.path().join("mine")), &record()).unwrap();
    run.metric(&json!({"step": 1})).unwrap();
    drop(run);
    assert_eq!(names(&home.path().join("mine")), [METRICS, RECORD]);
}

#[test]
fn folders_that_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let sentence = |path: &Path| {
        let error = RunFolder::create(Some(path), &record()).unwrap_err();
        (error.to_string().replace(&format!("{}/", home.path().display()), ""), error.is_usage())
    };
    fs::create_dir(home.path().join("full")).unwrap();
    fs::write(home.path().join("full/letter.txt"), b"dear").unwrap();
    let occupied = "full is not empty: give another `--out`, or clear it first".into();
    assert_eq!(sentence(&home.path().join("full")), (occupied, true));
    assert_eq!(names(&home.path().join("full")), ["letter.txt"]);

    let in_the_way = "Not a directory; a file is in the way, give another path";
    let file = home.path().join("full/letter.txt");
    assert_eq!(sentence(&file), (format!("cannot use full/letter.txt: {in_the_way}"), false));
    assert_eq!(sentence(&file.join("a/b")), (format!("cannot use full/letter.txt/a/b: {in_the_way}"), false));

    trained(&home.path().join("run"));
    let error = RunFolder::create(Some(&home.path().join("run")), &record()).unwrap_err().to_string();
    assert!(error.contains("holds an earlier run: go on with it by `--resume "), "{error}");
}

#[test]
fn folders_that_cannot_be_resumed() {
    let home = tempfile::tempdir().unwrap();
    let sentence = |path: &Path| {
        let error = RunFolder::resume(path).unwrap_err();
        assert!(error.is_usage());
        error.to_string().replace(&format!("{}/", home.path().display()), "")
    };
    let out = home.path().join("run");
    assert_eq!(sentence(&out), "cannot read run/run.toml: No such file or directory; look for a slip in the path");
    trained(&out);
    let (run, _) = RunFolder::resume(&out).unwrap();
    let busy = "another process is writing run/metrics.jsonl: wait for it to end";
    assert_eq!(sentence(&out), busy);
    drop(run);
    fs::remove_file(out.join(CHECKPOINT)).unwrap();
    assert!(!RunFolder::resume(&out).unwrap().0.has_checkpoint(), "it begins again");
    let record = fs::read_to_string(out.join(RECORD)).unwrap();
    fs::write(out.join(RECORD), record.replace("command = \"train\"", "command = \"compose\"")).unwrap();
    assert!(sentence(&out).starts_with("run holds a run of `consort compose`, which is no training"));
    fs::write(out.join(RECORD), b"command = 3").unwrap();
    assert!(
        sentence(&out).starts_with("run/run.toml is no record of a run (invalid type: integer `3`, expected a string")
    );
}

#[test]
fn metrics_are_cut_back_to_a_step() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("run");
    trained(&out);
    let file = out.join(METRICS);
    let whole = fs::read_to_string(&file).unwrap();
    assert_eq!(
        whole,
        "{\"loss\":1.0,\"step\":1}\n{\"loss\":0.5,\"step\":2}\n{\"loss\":0.3333333333333333,\"step\":3}\n"
    );
    let line_two = whole.match_indices('\n').nth(1).unwrap().0 + 1;
    // Every way a last write can be torn, every step to go on from: each line up to the step that is whole stays.
    for end in 0..=whole.len() {
        for step in [0, 2, 4] {
            fs::write(&file, &whole[..end]).unwrap();
            let (mut run, _) = RunFolder::resume(&out).unwrap();
            run.cut_back(step).unwrap();
            run.metric(&json!({"step": 9})).unwrap();
            let lines = Metrics::read(&file).unwrap();
            let complete = whole.match_indices("}").filter(|&(at, _)| at < end).count().min(step as usize);
            assert_eq!(lines.len(), complete + 1, "{end} {step}");
            assert_eq!(lines[complete]["step"], 9);
        }
    }
    fs::write(&file, [&whole.as_bytes()[..line_two], b"\0\0\0\0"].concat()).unwrap(); // a crash of the system
    let (mut run, _) = RunFolder::resume(&out).unwrap();
    run.cut_back(3).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), whole[..line_two]);
}

#[test]
fn series_skip_what_is_no_number() {
    let home = tempfile::tempdir().unwrap();
    let mut run = RunFolder::create(Some(&home.path().join("run")), &record()).unwrap();
    run.metric(&json!({"step": 1, "loss": 2.0})).unwrap();
    run.metric(&json!({"step": 2, "loss": f64::NAN})).unwrap();
    run.metric(&json!({"step": 3, "psi": 1, "loss": 1})).unwrap();
    let lines = run.metrics().unwrap();
    assert_eq!(Metrics::series(&lines, "loss"), [(1.0, 2.0), (3.0, 1.0)]);
    assert_eq!(Metrics::series(&lines, "psi"), [(3.0, 1.0)]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_the_machines_fault() {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("run");
    trained(&out);
    let (mut run, _) = RunFolder::resume(&out).unwrap();
    run.metrics = Metrics::open(Path::new("/dev/full")).unwrap();
    let error = run.metric(&json!({"step": 4})).unwrap_err();
    assert!(!error.is_usage());
    assert_eq!(
        error.to_string(),
        "cannot write /dev/full: No space left on device; free some space, or give a folder on another disk"
    );
}

#[test]
fn folders_are_named_by_command_and_time() {
    let path = vacant("compose").into_os_string().into_string().unwrap();
    let digits = path.strip_prefix("runs/compose-").unwrap();
    assert!(digits.len() == 15 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'), "{path}");
}
