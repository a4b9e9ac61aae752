//! Group norm at the sizes of a small U-Net: checked against f64, then timed.
//!
//!     cargo run --release -p consort-kernels --example norms -- [threads]

use kernels::cpu::Isa;
use kernels::norm::{Affine, AffineGradients, GroupNorm};
use kernels::{CpuContext, DType, Device, Dims, Element, KernelError, Layout, View, ViewMut, norm};
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), KernelError> {
    let threads = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(2);
    let d = Device::Cpu(Arc::new(CpuContext::new(threads, Isa::from_env())));
    for (n, c, size) in [(64, 32, 28), (64, 64, 14), (64, 128, 7), (1, 32, 28), (1, 64, 14), (1, 128, 7), (4, 64, 64)] {
        for silu in [false, true] {
            let p = GroupNorm { groups: 8, eps: 1e-5, silu };
            let shape = Layout::channels_last(dims(&[n, c, size, size]));
            let error = error(&d, &p, &shape)?;
            let mut t = Tensors::<f32>::new(&shape, p.groups);
            let forward = best(|| t.forward(&d, &p))?;
            let backward = best(|| t.backward(&d, &p))?;
            let rate = |bytes: u64, seconds: f64| bytes as f64 / seconds / 1e9;
            println!(
                "group_norm {n}x{c}x{size}x{size} silu {silu:5}  max error {error:.1e}  forward {:7.1} us {:5.1} GB/s  \
                 backward {:7.1} us {:5.1} GB/s",
                1e6 * forward,
                rate(norm::group_forward_cost(&p, &shape).bytes, forward),
                1e6 * backward,
                rate(norm::group_backward_cost(&p, &shape).bytes, backward),
            );
        }
    }
    Ok(())
}

fn dims(sizes: &[usize]) -> Dims {
    Dims::new(sizes).unwrap_or(Dims::filled(0, 0))
}

/// The shortest of many runs, in seconds.
fn best(mut run: impl FnMut() -> Result<(), KernelError>) -> Result<f64, KernelError> {
    let (mut best, start) = (f64::INFINITY, Instant::now());
    while start.elapsed().as_secs_f64() < 0.3 {
        let from = Instant::now();
        run()?;
        best = best.min(from.elapsed().as_secs_f64());
    }
    Ok(best)
}

/// The largest difference of y and dx between f32 and f64.
fn error(d: &Device, p: &GroupNorm, shape: &Layout) -> Result<f64, KernelError> {
    let (mut single, mut double) = (Tensors::<f32>::new(shape, p.groups), Tensors::<f64>::new(shape, p.groups));
    single.forward(d, p)?;
    single.backward(d, p)?;
    double.forward(d, p)?;
    double.backward(d, p)?;
    let pairs = single.y.iter().zip(&double.y).chain(single.dx.iter().zip(&double.dx));
    Ok(pairs.map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max))
}

struct Tensors<T> {
    layout: Layout,
    groups: usize,
    x: Vec<T>,
    y: Vec<T>,
    g: Vec<T>,
    dx: Vec<T>,
    mean: Vec<T>,
    rstd: Vec<T>,
    weight: Vec<T>,
    dweight: Vec<T>,
    dbias: Vec<T>,
    scratch: Vec<u8>,
}

impl<T: Element + From<f32>> Tensors<T> {
    fn new(layout: &Layout, groups: usize) -> Self {
        let (count, channels) = (layout.count(), layout.shape[1]);
        let wave = |speed: f32, count| -> Vec<T> { (0..count).map(|i| (i as f32 * speed).sin().into()).collect() };
        let statistics = vec![T::from(0.0); layout.shape[0] * groups];
        Tensors {
            layout: *layout,
            groups,
            x: wave(0.37, count),
            y: wave(0.0, count),
            g: wave(0.73, count),
            dx: wave(0.0, count),
            mean: statistics.clone(),
            rstd: statistics,
            weight: wave(1.1, channels),
            dweight: wave(0.0, channels),
            dbias: wave(0.0, channels),
            scratch: Vec::new(),
        }
    }

    fn layouts(&self) -> (Layout, Layout) {
        let statistics = Layout::contiguous(dims(&[self.layout.shape[0], self.groups]));
        (statistics, Layout::contiguous(dims(&[self.layout.shape[1]])))
    }

    fn forward(&mut self, d: &Device, p: &GroupNorm) -> Result<(), KernelError> {
        let (statistics, channels) = self.layouts();
        let weight = View::of(&self.weight, channels)?;
        let affine = Affine { weight: Some(weight), bias: Some(weight), ..Default::default() };
        let (mean, rstd) = (ViewMut::of(&mut self.mean, statistics)?, ViewMut::of(&mut self.rstd, statistics)?);
        let (x, y) = (View::of(&self.x, self.layout)?, ViewMut::of(&mut self.y, self.layout)?);
        norm::group_forward(d, p, x, &affine, y, mean, rstd)
    }

    fn backward(&mut self, d: &Device, p: &GroupNorm) -> Result<(), KernelError> {
        let (statistics, channels) = self.layouts();
        self.scratch.resize(norm::group_backward_scratch(d, p, &self.layout, DType::F32), 0);
        let weight = View::of(&self.weight, channels)?;
        let affine = Affine { weight: Some(weight), bias: Some(weight), ..Default::default() };
        let gradients = AffineGradients {
            weight: Some(ViewMut::of(&mut self.dweight, channels)?),
            bias: Some(ViewMut::of(&mut self.dbias, channels)?),
            ..Default::default()
        };
        let (mean, rstd) = (View::of(&self.mean, statistics)?, View::of(&self.rstd, statistics)?);
        let (x, g) = (View::of(&self.x, self.layout)?, View::of(&self.g, self.layout)?);
        let dx = ViewMut::of(&mut self.dx, self.layout)?;
        norm::group_backward(d, p, x, &affine, mean, rstd, g, dx, gradients, (&mut self.scratch[..]).into())
    }
}
