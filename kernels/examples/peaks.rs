//! Checks, then times, matrix products and convolutions: one line a shape, one and two threads.
//!
//! ```text
//! cargo run --release -p consort-kernels --example peaks [filter]
//! ```

use kernels::cpu::{CpuContext, Isa};
use kernels::{DType, Device, Dims, Layout, View, ViewMut, matmul};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for n in [256, 1024, 2048] {
        for (what, a_t, b_t) in [("nn", false, false), ("nt", false, true), ("tn", true, false)] {
            let name = format!("matmul {what} {n}");
            if name.contains(&filter) {
                product(&name, 1, [n, n, n], a_t, b_t);
            }
        }
    }
    for (batch, m, k, n) in [(512, 49, 8, 49), (512, 49, 49, 8), (1, 3136, 64, 64), (1, 64, 128, 128), (1, 1, 128, 64)]
    {
        for (what, a_t, b_t) in [("nn", false, false), ("nt", false, true), ("tn", true, false)] {
            let name = format!("matmul {what} {batch}x{m}x{k}x{n}");
            if name.contains(&filter) {
                product(&name, batch, [m, k, n], a_t, b_t);
            }
        }
    }
}

fn device(threads: usize) -> Device {
    Device::Cpu(Arc::new(CpuContext::new(threads, Isa::from_env())))
}

fn numbers(count: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Best of the runs that fit into a fifth of a second, at least 5.
fn best(mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut best = f64::MAX;
    for round in 0.. {
        let before = Instant::now();
        work();
        best = best.min(before.elapsed().as_secs_f64());
        if round >= 5 && start.elapsed().as_secs_f64() > 0.2 {
            break;
        }
    }
    best
}

fn product(name: &str, batch: usize, [m, k, n]: [usize; 3], a_t: bool, b_t: bool) {
    let matrix = |rows: usize, columns: usize, transposed: bool| {
        let shape = Dims::new(&[batch, rows, columns]).unwrap();
        Layout::in_order(shape, if transposed { &[0, 2, 1] } else { &[0, 1, 2] })
    };
    let (al, bl, cl) = (matrix(m, k, a_t), matrix(k, n, b_t), matrix(m, n, false));
    let (a, b, mut c) = (numbers(al.count()), numbers(bl.count()), numbers(cl.count()));
    let flops = matmul::forward_cost(&al, &bl).flops as f64;
    print!("{name:32}");
    for threads in [1, 2] {
        let d = device(threads);
        let mut scratch = vec![0; matmul::forward_scratch(&d, &al, &bl, DType::F32)];
        let seconds = best(|| {
            let (a, b) = (View::of(&a, al).unwrap(), View::of(&b, bl).unwrap());
            matmul::forward(&d, a, b, None, ViewMut::of(&mut c, cl).unwrap(), &mut scratch).unwrap();
        });
        print!("{:8.1} GFLOP/s {:9.1} us", flops / seconds / 1e9, seconds * 1e6);
    }
    println!();
}
