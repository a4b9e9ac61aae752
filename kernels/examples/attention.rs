//! Attention at the sizes of a small U-Net and of a small transformer: checked against f64, then timed.
//!
//!     cargo run --release -p consort-kernels --example attention -- [threads]

use kernels::attention::{self, Attention};
use kernels::cpu::Isa;
use kernels::{CpuContext, DType, Device, Dims, Element, KernelError, Layout, View, ViewMut};
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), KernelError> {
    let threads = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2);
    let d = Device::Cpu(Arc::new(CpuContext::new(threads, Isa::from_env())));
    for [b, h, s, t, e] in
        [[64, 8, 49, 49, 8], [64, 4, 196, 196, 32], [1, 8, 49, 49, 8], [1, 4, 196, 196, 32], [4, 6, 256, 77, 64]]
    {
        let error = error(&d, [b.min(2), h, s, t, e])?;
        let mut o = Operands::<f32>::new([b, h, s, t, e]);
        let (forward, backward) = (best(|| o.forward(&d))?, best(|| o.backward(&d))?);
        let [q, k] = [o.q_at, o.k_at];
        let rate = |flops: u64, seconds: f64| flops as f64 / seconds / 1e9;
        println!(
            "attention {b}x{h} heads, {s} queries, {t} keys of {e}  max error {error:.1e}  forward {:8.1} us {:5.0} GFLOP/s  \
             backward {:8.1} us {:5.0} GFLOP/s",
            1e6 * forward,
            rate(attention::forward_cost(&q, &k, &k).flops, forward),
            1e6 * backward,
            rate(attention::backward_cost(&q, &k, &k).flops, backward),
        );
    }
    Ok(())
}

/// The shortest of many runs, in seconds.
fn best(mut run: impl FnMut() -> Result<(), KernelError>) -> Result<f64, KernelError> {
    let (mut best, start) = (f64::INFINITY, Instant::now());
    while start.elapsed().as_secs_f64() < 0.5 {
        let from = Instant::now();
        run()?;
        best = best.min(from.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The largest difference of out and dq between f32 and f64.
fn error(d: &Device, shape: [usize; 5]) -> Result<f64, KernelError> {
    let (mut single, mut double) = (Operands::<f32>::new(shape), Operands::<f64>::new(shape));
    single.forward(d)?;
    single.backward(d)?;
    double.forward(d)?;
    double.backward(d)?;
    let pairs = single.out.iter().zip(&double.out).chain(single.dq.iter().zip(&double.dq));
    Ok(pairs.map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max))
}

struct Operands<T> {
    p: Attention,
    q_at: Layout,
    k_at: Layout,
    lse_at: Layout,
    q: Vec<T>,
    k: Vec<T>,
    v: Vec<T>,
    out: Vec<T>,
    lse: Vec<T>,
    g: Vec<T>,
    dq: Vec<T>,
    dk: Vec<T>,
    dv: Vec<T>,
    scratch: Vec<u8>,
}

impl<T: Element + From<f32> + Into<f64>> Operands<T> {
    fn new([b, h, s, t, e]: [usize; 5]) -> Self {
        let wave = |speed: f32, count| -> Vec<T> { (0..count).map(|i| (i as f32 * speed).sin().into()).collect() };
        let dims = |sizes: &[usize]| Dims::new(sizes).unwrap_or(Dims::filled(0, 0));
        // Heads beside each other, as projections leave them.
        let [q_at, k_at] = [s, t].map(|positions| Layout::in_order(dims(&[b, h, positions, e]), &[0, 2, 1, 3]));
        let (queries, keys) = (q_at.count(), k_at.count());
        Operands {
            p: Attention { scale: 1.0 / (e as f64).sqrt() },
            q_at,
            k_at,
            lse_at: Layout::contiguous(dims(&[b, h, s])),
            q: wave(0.37, queries),
            k: wave(0.73, keys),
            v: wave(1.1, keys),
            out: wave(0.0, queries),
            lse: wave(0.0, b * h * s),
            g: wave(0.21, queries),
            dq: wave(0.0, queries),
            dk: wave(0.0, keys),
            dv: wave(0.0, keys),
            scratch: Vec::new(),
        }
    }

    fn forward(&mut self, d: &Device) -> Result<(), KernelError> {
        self.scratch.resize(attention::forward_scratch(d, false, &self.q_at, &self.k_at, &self.k_at, DType::F32), 0);
        let (q, k, v) = (View::of(&self.q, self.q_at)?, View::of(&self.k, self.k_at)?, View::of(&self.v, self.k_at)?);
        let (out, lse) = (ViewMut::of(&mut self.out, self.q_at)?, ViewMut::of(&mut self.lse, self.lse_at)?);
        attention::forward(d, &self.p, None, q, k, v, out, lse, (&mut self.scratch[..]).into())
    }

    fn backward(&mut self, d: &Device) -> Result<(), KernelError> {
        self.scratch.resize(attention::backward_scratch(d, false, &self.q_at, &self.k_at, &self.k_at, DType::F32), 0);
        let (q, k, v) = (View::of(&self.q, self.q_at)?, View::of(&self.k, self.k_at)?, View::of(&self.v, self.k_at)?);
        let (out, lse) = (View::of(&self.out, self.q_at)?, View::of(&self.lse, self.lse_at)?);
        let (g, dq) = (View::of(&self.g, self.q_at)?, ViewMut::of(&mut self.dq, self.q_at)?);
        let (dk, dv) = (ViewMut::of(&mut self.dk, self.k_at)?, ViewMut::of(&mut self.dv, self.k_at)?);
        attention::backward(d, &self.p, None, q, k, v, out, lse, g, dq, dk, dv, (&mut self.scratch[..]).into())
    }
}
