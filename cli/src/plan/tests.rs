use super::*;
use tensor::{DType, Tensor};

#[test]
fn a_loop_is_what_two_shorter_ones_say() {
    let step = |n: f64| Plan { flops: 5.0 + 3.0 * n, bytes: 7.0 * n, seconds: 0.1, peak: 100.0 + 2.0 * n };
    let ends = [(2, step(2.0)), (4, step(4.0))];
    for length in [1, 2, 3, 4, 25] {
        assert_eq!(Plan::at(length, ends), step(length as f64));
    }
    let faster = Plan { seconds: 0.05, ..step(4.0) };
    assert_eq!(Plan::at(99, [(2, step(2.0)), (4, faster)]).seconds, 0.0);
}

#[test]
fn peaks_are_not_added() {
    let plan = Plan { flops: 2.0, bytes: 3.0, seconds: 4.0, peak: 5.0 };
    assert_eq!(plan.times(2.5), Plan { flops: 5.0, bytes: 7.5, seconds: 10.0, peak: 5.0 });
    assert_eq!(plan.then(Plan { peak: 4.0, ..plan }), plan.times(2.0));
}

#[test]
fn a_part_is_measured_apart_from_what_came_before() {
    let device = Device::cpu(1);
    let x = Tensor::zeros(&device, DType::F32, &[100]).unwrap();
    drop(x.add(&x).unwrap());
    let mut rehearsal = Rehearsal::new(&device);
    let (plan, y) = rehearsal.part(|| Ok(x.scale(2.0)?)).unwrap();
    assert_eq!((plan.flops, plan.bytes, plan.peak), (100.0, 800.0, 800.0));
    assert_eq!(rehearsal.holding(5.0), Plan { peak: 805.0, ..Plan::default() });
    drop(y);
    let record = Record::new("train", "cmad", &device, 3);
    let summary = rehearsal.summary(&record, plan.times(2.0));
    assert_eq!((summary.peak_bytes, summary.seed, &summary.out), (800, 3, &None));
    assert_eq!((&summary.metrics["flops"], &summary.metrics["bytes"]), (&500.into(), &3200.into()));
    assert_eq!(summary.metrics["peak_bytes_predicted"], 800);
}

#[test]
fn units() {
    for (count, text) in [(0.0, "0 FLOP"), (999.0, "999.0 FLOP"), (3.8e8, "380.0 MFLOP"), (2e22, "20000 EFLOP")] {
        assert_eq!(flops(count), text);
    }
    assert_eq!(
        (bytes(1023.0), bytes(1024.0), bytes(3.5 * 1024f64.powi(3))),
        ("1023 B".into(), "1.000 KiB".into(), "3.500 GiB".into())
    );
}

#[test]
fn columns() {
    let rows = [["", "peak"], ["states", "1 B"], ["all", "100 B"]].map(|row| row.map(str::to_owned).to_vec());
    assert_eq!(table(&rows), "         peak\nstates    1 B\nall     100 B\n");
}
