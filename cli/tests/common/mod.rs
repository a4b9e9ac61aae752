//! The program in a folder of its own, with a data set of a few made-up images.

#![allow(dead_code)] // each test file uses what it needs

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// A temporary folder.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    /// With four files: 40 training images and 20 test images, label and brightness going together.
    pub(crate) fn new() -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        let header = |shape: &[u32]| {
            let sizes = shape.iter().flat_map(|size| size.to_be_bytes());
            [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).collect::<Vec<u8>>()
        };
        for (images, labels, n) in [
            ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 40u32),
            ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 20),
        ] {
            let pixel = |i: u32| if i % 7 < 3 { (i / 784 % 10 * 20) as u8 + 50 } else { 0 };
            let pixels = (0..n * 784).map(pixel).collect();
            fs::write(home.path(images), [header(&[n, 28, 28]), pixels].concat()).unwrap();
            fs::write(home.path(labels), [header(&[n]), (0..n).map(|i| (i % 10) as u8).collect()].concat()).unwrap();
        }
        home
    }

    /// And with the three models that make digits together, hardly trained.
    pub(crate) fn with_models() -> Home {
        let home = Home::new();
        let unet = ["network.channels=[4,8]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];
        let cnn = ["network.channels=[4,8]", "network.groups=2", "network.layers=1", "held_out=8"];
        for (model, settings) in [("mnist-score", &unet[..]), ("mnist-guide", &cnn), ("mnist-judge", &cnn)] {
            let settings: Vec<&str> =
                settings.iter().chain(&["steps=2", "batch=4", "warm_up=0"]).flat_map(|set| ["--set", set]).collect();
            home.succeed(&[&["train", model, "--data", ".", "--out", "run"], &settings[..]].concat());
            fs::create_dir_all(home.path("models")).unwrap();
            fs::rename(home.path("run/model"), home.path("models").join(model)).unwrap();
            fs::remove_dir_all(home.path("run")).unwrap();
        }
        home
    }

    /// A path within.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The program, told nothing of this machine; with one thread unless said otherwise, since tests run side by side and
    /// threads that wait for each other do not get on there.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
        let computes = ["train", "compose", "sample", "evaluate"].contains(arguments.first().unwrap_or(&""));
        let alone = (computes && !arguments.contains(&"--threads")).then_some(["--threads", "1"]);
        command
            .args(arguments)
            .args(alone.into_iter().flatten())
            .current_dir(self.0.path())
            .env_remove("CONSORT_DATA")
            .env_remove("CONSORT_MODELS");
        command
    }

    /// Runs it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs it; what it prints.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (status, stdout, stderr) = told(&output);
        assert_eq!(status, 0, "{arguments:?}: {stderr}");
        stdout.to_owned()
    }

    /// Runs it; what it refuses with: one sentence, and where weights do not fit, a list of those.
    pub(crate) fn fail(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (got, stdout, stderr) = told(&output);
        assert_eq!((got, stdout), (status, ""), "{arguments:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{arguments:?}: {stderr}");
        stderr.trim_end().to_owned()
    }

    /// Runs it where no file may grow beyond some kilobytes, as on a disk that is all but full; what it says to that.
    pub(crate) fn with_little_room(&self, arguments: &[&str]) -> String {
        let script = "trap '' XFSZ; ulimit -f 16; exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_consort")]).args(arguments).current_dir(self.0.path());
        let output = command.env_remove("CONSORT_DATA").env_remove("CONSORT_MODELS").output().unwrap();
        let (status, stdout, stderr) = told(&output);
        assert_eq!((status, stdout), (1, ""), "{arguments:?}: {stderr}");
        stderr.to_owned()
    }

    /// Runs it and kills it once its run folder has `lines` lines of metrics; false where it was faster, five times.
    pub(crate) fn killed_after(&self, arguments: &[&str], run: &Path, lines: usize) -> bool {
        for _ in 0..5 {
            let _ = fs::remove_dir_all(run);
            let mut child = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            while metrics(run).len() < lines && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            if !run.join("model").exists() {
                return true;
            }
        }
        false
    }
}

/// Exit status, standard output and error.
pub(crate) fn told(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The lines of `metrics.jsonl` without their last entry, the time.
pub(crate) fn metrics(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    text.lines().map(|line| line.split(",\"seconds\"").next().unwrap().to_owned()).collect()
}
