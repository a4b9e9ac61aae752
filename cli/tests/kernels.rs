//! `consort kernels` from outside: what it lists, checks, times and refuses.

mod common;

use common::{Home, told};
use serde_json::Value;
use std::fs;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn every_family_is_listed_without_a_gpu() {
    let home = Home::new();
    let listed = home.succeed(&["kernels", "list", "--device", "cpu"]);
    for part in ["* runs on cpu", "matmul        * reference", "* cpu ", "  v3 ", "conv/cuda/v2.cu", "woodbury"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let one = json(&home.succeed(&["kernels", "list", "--device", "cpu", "--kernel", "attention", "--json"]));
    let family = &one["metrics"]["kernels"][0];
    assert_eq!((&family["kernel"], one["metrics"]["kernels"].as_array().unwrap().len()), (&"attention".into(), 1));
    let runs = |row: usize| family["versions"][row]["runs"].as_bool().unwrap();
    assert_eq!([runs(0), runs(1), runs(2), runs(3)], [true, true, false, false]);
}

#[test]
fn kernels_of_the_processor_are_checked() {
    let home = Home::new();
    let said = home.succeed(&["kernels", "verify", "--device", "cpu", "--kernel", "softmax"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("ok    softmax f32 19 x 136 ") && lines[0].ends_with(" of what is allowed"), "{said}");
    assert_eq!(lines[2], "2 checked on cpu, none wrong");
    let copies = home.succeed(&["kernels", "verify", "--device", "cpu", "--kernel", "transpose f32", "--json"]);
    let case = &json(&copies)["metrics"]["cases"][0];
    assert_eq!((case["ran"].as_str(), case["error"].as_f64()), (Some("cpu"), Some(0.0)));
    let mut portable = home.command(&["kernels", "verify", "--device", "cpu", "--kernel", "matmul"]);
    let output = portable.env("CONSORT_ISA", "portable").output().unwrap();
    assert_eq!(told(&output).0, 0, "{output:?}");
}

#[test]
fn what_is_not_there_is_refused_in_a_sentence() {
    let home = Home::new();
    for action in ["list", "verify", "bench"] {
        let said = home.fail(2, &["kernels", action, "--device", "cpu", "--kernel", "fft"]);
        assert!(said.contains("called `fft`: give one of matmul, conv, ") && said.lines().count() == 1, "{said}");
    }
    let said = home.fail(2, &["kernels", "verify", "--device", "cpu", "--version", "v2"]);
    assert!(said.contains("`cpu` has one version of each kernel"), "{said}");
    assert!(!home.path("runs").exists());
}

#[test]
fn a_bench_leaves_a_table_and_a_picture() {
    let home = Home::new();
    let said =
        home.succeed(&["kernels", "bench", "--device", "cpu", "--kernel", "reduce", "--rehearse", "--out", "run"]);
    assert!(said.starts_with("roofs of this run: copies ") && said.contains("% of the roof"), "{said}");
    let table = fs::read_to_string(home.path("run/bench.csv")).unwrap();
    assert!(table.starts_with("kernel,case,version,ms,") && table.lines().count() == 1 + 3, "{table}");
    assert!(table.contains("\nreduce,\"sum of rows f32 19 x 136\",cpu,"), "{table}");
    let picture = fs::read_to_string(home.path("run/roofline.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("sum of rows f32 19 x 136 cpu"));
    assert!(home.path("run/run.toml").exists());
}

/// On a GPU, or its stand-in (`scripts/emulated-gpu`): every version of every kernel. Without a driver nothing is tested, and
/// a line says so, unless `CONSORT_NEED_CUDA` is set.
#[test]
fn every_version_of_a_gpu_is_checked() {
    if let Some(missing) = consort::kernels::CudaContext::missing() {
        assert!(std::env::var_os("CONSORT_NEED_CUDA").is_none(), "{missing}");
        return eprintln!("NOT TESTED: {missing}");
    }
    let home = Home::new();
    let said = home.succeed(&["kernels", "verify", "--device", "cuda:0"]);
    let line = |case: &str, version: &str| {
        let found =
            said.lines().find(|line| line.contains(&format!(" {case} ")) && line.contains(&format!(" {version} ")));
        found.unwrap_or_else(|| panic!("no line of {case} {version}: {said}"))
    };
    for (case, version) in [("matmul bf16", "v1"), ("conv weight gradient f16", "v2"), ("group_norm silu f32", "v1")] {
        assert!(line(case, version).starts_with("ok "), "{said}");
    }
    assert!(line("attention f32", "v2").ends_with("v1 runs in its place"), "{said}");
    let said = home.fail(2, &["kernels", "verify", "--device", "cuda:0", "--kernel", "softmax", "--version", "v3"]);
    assert!(said.contains("there is no v3 of softmax: give `--version v1`, the newest"), "{said}");
    home.succeed(&["kernels", "bench", "--device", "cuda:0", "--kernel", "add bf16", "--rehearse", "--out", "run"]);
    assert!(fs::read_to_string(home.path("run/bench.csv")).unwrap().contains("\"add bf16 1000\",v1,"));
}
