//! The program from outside: what is typed, what is told, the exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The four files of a small data set that is not MNIST: what is asked for is there, the checksums are not.
fn forged(dir: &Path) {
    for name in
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    {
        fs::write(dir.join(name), [0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap();
    }
}

fn consort(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    command.args(arguments).current_dir(folder).env_remove("CONSORT_DATA").output().unwrap()
}

fn told(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn help_and_version() {
    let here = Path::new(".");
    let (help, version) = (consort(&["--help"], here), consort(&["--version"], here));
    let (status, stdout, stderr) = told(&help);
    assert_eq!((status, stderr), (0, ""));
    assert!(stdout.contains("Usage: consort <COMMAND>") && stdout.contains("data"), "{stdout}");
    assert_eq!(told(&version), (0, concat!("consort ", env!("CARGO_PKG_VERSION"), "\n"), ""));
}

#[test]
fn what_cannot_be_understood() {
    for arguments in [&["compote"][..], &[], &["data"], &["data", "mnits"], &["data", "mnist", "--form", "a"]] {
        let output = consort(arguments, Path::new("."));
        let (status, stdout, stderr) = told(&output);
        assert_eq!((status, stdout), (2, ""), "{arguments:?}");
        assert!(stderr.contains("Usage: consort"), "{stderr}");
    }
}

#[test]
fn a_folder_without_the_data() {
    let home = tempfile::tempdir().unwrap();
    let output = consort(&["data", "mnist", "--from", "nowhere", "--json"], home.path());
    let sentence = "error: no train-images-idx3-ubyte or train-images-idx3-ubyte.gz in nowhere: get MNIST with `consort \
                    data mnist`, or name the folder that has its four files\n";
    assert_eq!(told(&output), (2, "", sentence));
}

#[test]
fn damaged_data_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let from = home.path().join("from");
    fs::create_dir(&from).unwrap();
    forged(&from);
    let output = consort(&["data", "mnist", "--from", "from", "--out", "to"], home.path());
    let (status, stdout, stderr) = told(&output);
    assert_eq!((status, stdout), (2, ""));
    assert!(
        stderr.starts_with("error: from/train-images-idx3-ubyte has md5 ") && stderr.lines().count() == 1,
        "{stderr}"
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "only `from`");
}

#[test]
fn a_folder_that_cannot_be_made() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), b"").unwrap();
    let output = consort(&["data", "mnist", "--from", ".", "--out", "file/mnist"], home.path());
    let (status, stdout, stderr) = told(&output);
    assert_eq!((status, stdout), (1, ""));
    assert!(stderr.starts_with("error: cannot create ") && stderr.lines().count() == 1, "{stderr}");
}

/// With the real files, where they are: `CONSORT_TEST_MNIST` names their folder.
#[test]
fn the_real_data() {
    let Some(from) = std::env::var_os("CONSORT_TEST_MNIST") else { return };
    let home = tempfile::tempdir().unwrap();
    let arguments = ["data", "mnist", "--json", "--from", from.to_str().unwrap()];
    for _twice in 0..2 {
        let output = consort(&arguments, home.path());
        let (status, stdout, stderr) = told(&output);
        assert_eq!((status, stderr), (0, ""));
        let end = r#""peak_bytes":0,"metrics":{"test_images":10000,"train_images":60000},"out":"data-cache/mnist"}"#;
        assert!(stdout.starts_with(r#"{"command":"data","method":"mnist","device":"cpu","#), "{stdout}");
        assert!(stdout.ends_with(&format!("{end}\n")) && stdout.lines().count() == 1, "{stdout}");
    }
    let people = consort(&["data", "mnist"], home.path());
    assert!(told(&people).1.starts_with("test_images   10000\ntrain_images  60000\nin data-cache/mnist after "));
    #[cfg(target_os = "linux")]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
        let output = command.args(["data", "mnist", "--json"]).current_dir(home.path()).stdout(full).output().unwrap();
        let sentence = "error: cannot write standard output: No space left on device; free some space, or give a folder on \
                        another disk\n";
        assert_eq!(told(&output), (1, "", sentence));
    }
}

#[test]
fn a_bench_of_a_gpu_needs_one() {
    let output = consort(&["bench", "cuda", "--device", "cpu"], Path::new("."));
    let (status, stdout, stderr) = told(&output);
    assert_eq!((status, stdout), (2, ""));
    assert!(stderr.contains("`cpu` is no GPU") && stderr.contains("--device cuda:0"), "{stderr}");
}
