//! `consort bench` from outside, on the processor: what it measures, predicts and refuses.

mod common;

use common::Home;
use serde_json::Value;
use std::fs;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn kernels_and_networks_are_checked_and_timed_beside_a_peer() {
    let home = Home::new();
    fs::write(home.path("peer.csv"), "name,ms\nmatmul 256,1000\nU-Net B f32 forward b64,2000\n").unwrap();
    let bench = ["bench", "cpu", "--rehearse", "--threads", "1"];
    let some = home.succeed(&[&bench[..], &["--only", "attention"]].concat());
    assert!(some.contains("none wrong") && some.contains("attention 64x8x49x8 forward") && !some.contains("conv"));
    let said = home.succeed(&[&bench[..], &["--against", "peer.csv", "--out", "run", "--json"]].concat());
    let metrics = &json(&said)["metrics"];
    for name in ["a", "b", "c"]
        .iter()
        .flat_map(|net| ["train_step", "forward_b64", "forward_b1"].map(|what| format!("unet_{net}_{what}_ms")))
    {
        assert!(metrics[&name].as_f64().is_some_and(|ms| ms > 0.0), "{name}: {metrics}");
    }
    assert!(metrics["conv_64x32x28_to_32_forward_and_backward_ms"].as_f64().unwrap() > 0.0);
    let (ratio, ms) = (&metrics["peer_over_ours"]["matmul_256_ms"], metrics["matmul_256_ms"].as_f64().unwrap());
    assert!((ratio.as_f64().unwrap() * ms / 1000.0 - 1.0).abs() < 1e-9);
    assert!(metrics["peer_over_ours"]["unet_b_forward_b64_ms"].is_number());
    let table = fs::read_to_string(home.path("run/bench.csv")).unwrap();
    assert!(table.lines().any(|line| line.starts_with("matmul 256,") && line.contains(",1000.0000,")), "{table}");

    let said = home.fail(2, &[&bench[..], &["--only", "lstm"]].concat());
    assert!(said.contains("nothing is called `lstm`: try `--only conv`"), "{said}");
    fs::write(home.path("peer.csv"), "name,ms\nmatmul 256,fast\n").unwrap();
    let said = home.fail(2, &[&bench[..], &["--against", "peer.csv"]].concat());
    assert!(said.contains("line 2 is `matmul 256,fast`"), "{said}");
}

const BPTT: [&str; 9] = ["bench", "bptt", "--rehearse", "--points", "7", "--batch", "1", "--device", "cpu"];

#[test]
fn a_gradient_takes_the_memory_that_was_predicted_and_is_the_same_under_every_choice() {
    let home = Home::new();
    let under = |memory: &str, more: &[&str]| {
        // One thread, since tests run side by side.
        let alone = if more.contains(&"--threads") { &[][..] } else { &["--threads", "1"] };
        let told = json(&home.succeed(&[&BPTT[..], &["--json", "--memory", memory], more, alone].concat()));
        let metric = |name: &str| told["metrics"][name].as_f64().unwrap();
        let (predicted, peak) = (metric("predicted_peak_bytes"), metric("peak_bytes"));
        assert!((predicted / peak - 1.0).abs() < 0.1, "{memory}: {predicted} predicted, {peak}");
        assert!(metric("seconds_per_gradient") > 0.0 && metric("resident_peak_bytes") > peak);
        (metric("gradient_norm").to_bits(), metric("objective").to_bits(), peak)
    };
    let (norm, objective, all) = under("store-all", &[]);
    let (.., states) = under("states", &[]);
    assert!(states < all / 2.5, "{states} {all}");
    for (memory, more) in
        [("revolve-3", &[][..]), ("12MiB", &[]), ("states", &["--states-in", "."]), ("states", &["--threads", "2"])]
    {
        let (same, price, peak) = under(memory, more);
        assert_eq!((same, price), (norm, objective), "{memory} {more:?}");
        assert!(memory != "12MiB" || peak <= f64::from(12 << 20), "{peak}");
    }
    let said = home.fail(2, &[&BPTT[..], &["--memory", "1MiB"]].concat());
    assert!(said.contains("too few for these controls: give "), "{said}");
    let said = home.fail(1, &[&BPTT[..], &["--states-in", "none"]].concat());
    assert!(said.contains("none") && said.contains("give a folder with room"), "{said}");
}

#[test]
fn several_gradients_leave_a_table_and_pictures() {
    let home = Home::new();
    let start = ["bench", "bptt", "--rehearse", "--batch", "1", "--device", "cpu", "--threads", "1", "--out", "run"];
    let said = home.succeed(&[&start[..], &["--points", "4,6,8", "--memory", "states,revolve-2"]].concat());
    assert_eq!(said.lines().filter(|line| line.contains(" predicted")).count(), 6, "{said}");
    let table = fs::read_to_string(home.path("run/bptt.csv")).unwrap();
    assert!(table.lines().count() == 7 && table.contains("\n2,8,revolve-2,"), "{table}");
    for picture in ["run/time.svg", "run/memory.svg"] {
        let picture = fs::read_to_string(home.path(picture)).unwrap();
        assert!(picture.starts_with("<svg ") && picture.contains("states, 2 agents"));
    }
    let said = home.fail(2, &["bench", "bptt", "--points", "4,1"]);
    assert!(said.contains("give a whole number from 2"), "{said}");
}

#[test]
fn estimators_differ_and_tell_their_spread() {
    let home = Home::new();
    let norm = |estimator: &str| {
        let told =
            json(&home.succeed(
                &[&BPTT[..], &["--json", "--threads", "1", "--draws", "2", "--estimator", estimator]].concat(),
            ));
        assert!(told["metrics"]["gradient_spread"].as_f64().is_some_and(|spread| spread > 0.0), "{told}");
        told["metrics"]["gradient_norm"].as_f64().unwrap()
    };
    let all = ["bptt", "adjoint", "matching"].map(norm);
    assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2], "{all:?}");
}
