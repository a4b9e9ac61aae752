//! Candle's convolutions and products on the processor, under the names of `consort bench cpu`: lines of name,ms.
//!
//!     RUSTFLAGS="-C target-cpu=native" cargo run --release --manifest-path bench/candle/Cargo.toml > candle.csv
//!     target/release/consort bench cpu --against candle.csv

use candle_core::{Device, Result, Tensor, Var};
use std::time::Instant;

const CONVOLUTIONS: [(usize, usize, usize, usize); 6] =
    [(64, 32, 32, 28), (64, 64, 64, 14), (64, 128, 128, 7), (64, 1, 32, 28), (16, 64, 64, 64), (4, 128, 128, 32)];

/// The median of at least 5 runs and 0.3 seconds.
fn time(name: &str, mut run: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..2 {
        run()?;
    }
    let (begun, mut times) = (Instant::now(), vec![]);
    while times.len() < 30 && (times.len() < 5 || begun.elapsed().as_secs_f64() < 0.3) {
        let start = Instant::now();
        run()?;
        times.push(1e3 * start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    println!("{name},{:.5}", times[times.len() / 2]);
    Ok(())
}

fn main() -> Result<()> {
    println!("name,ms");
    let device = Device::Cpu;
    for (n, c, o, side) in CONVOLUTIONS {
        let name = format!("conv {n}x{c}x{side} to {o}");
        let x = Var::randn(0f32, 1.0, (n, c, side, side), &device)?;
        let w = Var::randn(0f32, 1.0, (o, c, 3, 3), &device)?;
        let (still, fixed) = (x.detach(), w.detach());
        time(&format!("{name} forward"), || still.conv2d(&fixed, 1, 1, 1, 1).map(drop))?;
        time(&format!("{name} forward and backward"), || {
            x.conv2d(&w, 1, 1, 1, 1)?.sum_all()?.backward().map(drop)
        })?;
    }
    for size in [256, 1024, 2048] {
        let (a, b) = (Tensor::randn(0f32, 1.0, (size, size), &device)?, Tensor::randn(0f32, 1.0, (size, size), &device)?);
        time(&format!("matmul {size}"), || a.matmul(&b).map(drop))?;
    }
    Ok(())
}
