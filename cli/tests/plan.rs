//! `--plan`, held against what the same command then does.

mod common;

use common::Home;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn files(dir: &Path) -> BTreeSet<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { [path].into() }).collect()
}

/// Plans, runs, and compares: the work within 1 %, the peak of memory within 10 %, and nothing left behind by the plan.
fn holds(home: &Home, command: &[&str], settings: &[&str]) -> Value {
    let settings = settings.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = command.iter().copied().chain(["--json", "--quiet"]).chain(settings).collect();
    let told = |more: &[&str]| serde_json::from_str(&home.succeed(&[&words[..], more].concat())).unwrap();
    let before = files(&home.path("."));
    let plan: Value = told(&["--plan"]);
    assert_eq!(files(&home.path(".")), before, "{words:?}");
    let run: Value = told(&[]);
    let metric = |told: &Value, name: &str| told["metrics"][name].as_f64().unwrap();
    let within = |name: &str, predicted: f64, measured: f64, tolerance: f64| {
        assert!((predicted / measured - 1.0).abs() < tolerance, "{words:?}, {name}: {predicted} for {measured}");
    };
    for key in ["command", "method", "device", "threads", "seed"] {
        assert_eq!(plan[key], run[key]);
    }
    assert!(plan["out"].is_null() && plan["metrics"]["seconds_predicted"].is_number());
    within("flops", metric(&plan, "flops"), metric(&run, "flops"), 0.01);
    within("bytes", metric(&plan, "bytes"), metric(&run, "bytes"), 0.05);
    within("peak", metric(&plan, "peak_bytes_predicted"), run["peak_bytes"].as_f64().unwrap(), 0.1);
    plan
}

const UNET: [&str; 4] =
    ["network.channels=[4,8]", "network.attention=[false,true]", "network.groups=2", "network.head=4"];

#[test]
fn trainings_on_digits() {
    let home = Home::new();
    holds(&home, &["train", "mnist-score", "--data", "."], &[&UNET[..], &["steps=7", "batch=6"]].concat());
    let cnn = ["network.channels=[4,8]", "network.groups=2", "network.layers=1", "held_out=8", "batch=6"];
    for job in ["mnist-guide", "mnist-judge"] {
        for steps in ["steps=1", "steps=9"] {
            holds(&home, &["train", job, "--data", "."], &[&cnn[..], &[steps]].concat());
        }
    }
}

#[test]
fn controls_under_every_choice_of_memory() {
    let home = Home::with_models();
    let train = ["train", "cmad", "--target", "3", "--agents", "2", "--models", "models"];
    let taught = ["teaching.works=5", "teaching.points=4", "teaching.studies=3"];
    let tiny =
        [&["network.channels=[8,8]", "points=7", "sampling_points=3", "sampling_count=3", "batch=2"][..], &taught]
            .concat();
    let mut peaks = vec![];
    for memory in ["memory=revolve-2", "memory=store-all"] {
        let plan = holds(&home, &train, &[&tiny[..], &[memory, "updates=2"]].concat());
        let choices = &plan["metrics"]["memory"];
        let chosen = &choices[memory.split('=').nth(1).unwrap()];
        assert_eq!(chosen["chosen"], true, "{choices}");
        peaks.push(chosen["peak_bytes"].as_f64().unwrap());
    }
    assert!(peaks[0] < peaks[1], "{peaks:?}");
    let turns = [&train[..], &["--scheme", "control-wise"]].concat();
    holds(&home, &turns, &[&tiny[..], &["inner=1", "outer=2", "mask_lr=1e-2", "order=jacobi"]].concat());
    let told = home
        .succeed(&[&train[..], &["--plan"], &tiny.iter().flat_map(|set| ["--set", set]).collect::<Vec<_>>()].concat());
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("work ") && lines[0].ends_with("FLOP") && lines[4].is_empty(), "{told}");
    assert!(lines[6].starts_with("store-all") && lines[6].ends_with("<- chosen") && lines.len() == 10, "{told}");
    let refused = home.fail(2, &["train", "cmad", "--resume", "run", "--plan"]);
    assert!(refused.contains("cannot be used with"), "{refused}");
}

#[test]
fn a_budget_is_obeyed_or_refused_and_changes_no_bit() {
    let home = Home::with_models();
    let tiny = ["network.channels=[8,8]", "points=10", "sampling_points=3", "sampling_count=2", "batch=2", "updates=2"];
    let train = |memory: &str, out: &str, more: &[&str]| {
        let mut words =
            vec!["train", "cmad", "--target", "3", "--agents", "2", "--models", "models", "--json", "--quiet"];
        words.extend(tiny.iter().chain(&["teaching.works=0"]).flat_map(|set| ["--set", set]));
        words.extend(["--memory", memory]);
        let place = ["--out", out];
        words.extend(if more.is_empty() { &place[..] } else { more });
        words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>()
    };
    let run = |words: Vec<String>| -> Value {
        serde_json::from_str(&home.succeed(&words.iter().map(String::as_str).collect::<Vec<_>>())).unwrap()
    };
    let plan = run(train("states", "", &["--plan"]));
    let peak = |choice: &str| plan["metrics"]["memory"][choice]["peak_bytes"].as_f64().unwrap();
    assert!(peak("revolve-1") < peak("revolve-5") && peak("revolve-5") < peak("states"), "{plan}");

    run(train("store-all", "all", &[]));
    let budget = (peak("revolve-5") + 1.0) as u64;
    let obeyed = run(train(&format!("{budget}B"), "budget", &[]));
    assert!(obeyed["peak_bytes"].as_u64().unwrap() <= budget, "{obeyed}, {budget}");
    let weights = |run: &str| std::fs::read(home.path(run).join("model/diffusion_pytorch_model.safetensors")).unwrap();
    assert!(weights("all") == weights("budget"));
    run(train("states", "", &["--out", "away", "--states-in", "."]));
    assert!(weights("all") == weights("away"));
    run(train("states", "", &["--out", "matched", "--estimator", "matching"]));
    assert!(weights("all") != weights("matched"));
    let record = std::fs::read_to_string(home.path("matched/run.toml")).unwrap();
    assert!(record.contains("estimator = \"matching\""), "{record}");

    let few = train("1MiB", "few", &[]);
    let refused = home.fail(2, &few.iter().map(String::as_str).collect::<Vec<_>>());
    let least = refused.split("give ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    assert!(!home.path("few").exists());
    run(train(&least, "least", &[]));
    let wrong = train("revolve-0", "wrong", &[]);
    assert!(home.fail(2, &wrong.iter().map(String::as_str).collect::<Vec<_>>()).contains("revolve-20"));
}

#[test]
fn digits_made_together() {
    let home = Home::with_models();
    let cdps = ["compose", "cdps", "--target", "3", "--agents", "2", "--models", "models"];
    for more in
        [["--samples", "11", "--batch", "4", "--steps", "6"], ["--samples", "20", "--batch", "36", "--steps", "1"]]
    {
        holds(&home, &[&cdps[..], &more].concat(), &[]);
    }
    let train = ["train", "cmad", "--target", "3", "--agents", "2", "--models", "models", "--out", "run"];
    let tiny = [
        "network.channels=[8,8]",
        "points=3",
        "sampling_points=2",
        "sampling_count=2",
        "batch=2",
        "updates=1",
        "teaching.works=0",
    ];
    home.succeed(&[&train[..], &tiny.map(|set| ["--set", set]).concat()].concat());
    let cmad = ["compose", "cmad", "--target", "3", "--agents", "2", "--models", "models", "--model", "run/model"];
    holds(&home, &[&cmad[..], &["--samples", "9", "--batch", "5", "--steps", "7"]].concat(), &[]);
}

#[test]
fn samples() {
    let home = Home::with_models();
    for (rule, batch) in [("euler-maruyama", "64"), ("heun", "3"), ("ddim", "1")] {
        let sample = ["sample", "mnist-score", "--models", "models", "--samples", "8", "--steps", "6"];
        holds(&home, &[&sample[..], &["--sampler", rule, "--batch", batch]].concat(), &[]);
    }
}

#[test]
fn evaluations() {
    let home = Home::with_models();
    let of = |model| ["evaluate", model, "--models", "models", "--data", "."];
    holds(&home, &[&of("mnist-score")[..], &["--samples", "12", "--steps", "3"]].concat(), &[]);
    holds(&home, &of("mnist-judge"), &[]);
}
