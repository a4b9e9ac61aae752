//! Checks, then times, matrix products and convolutions: one line a shape, one and two threads.
//!
//! ```text
//! cargo run --release -p consort-kernels --example peaks [filter]
//! ```

use kernels::conv::{self, Conv, Packed, Role};
use kernels::cpu::{CpuContext, Isa};
use kernels::{DType, Device, Dims, Layout, View, ViewMut, matmul};
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for [n, c, o, size, k, stride] in [
        [64, 32, 32, 28, 3, 1],
        [64, 64, 64, 14, 3, 1],
        [64, 128, 128, 7, 3, 1],
        [64, 64, 64, 7, 3, 1],
        [64, 64, 32, 28, 3, 1],
        [64, 1, 32, 28, 3, 1],
        [64, 32, 1, 28, 3, 1],
        [64, 32, 32, 28, 3, 2],
        [64, 96, 32, 28, 1, 1],
        [16, 64, 64, 64, 3, 1],
        [4, 128, 128, 32, 3, 1],
        [1, 32, 32, 28, 3, 1],
        [1, 64, 64, 14, 3, 1],
        [1, 64, 64, 7, 3, 1],
        [8, 16, 16, 28, 3, 1],
        [8, 32, 32, 28, 3, 1],
        [8, 64, 64, 14, 3, 1],
        [8, 128, 128, 7, 3, 1],
        [1, 64, 64, 64, 3, 1],
        [2, 96, 32, 28, 1, 1],
        [1, 64, 64, 7, 1, 1],
        [4, 1, 32, 28, 3, 1],
        [4, 32, 1, 28, 3, 1],
    ] {
        let name = format!("conv N{n} C{c}->{o} {size}x{size} k{k} s{stride}");
        if name.contains(&filter) {
            convolution(&name, [n, c, size, size], [o, c, k, k], stride);
        }
    }
    for [m, k, n] in [
        [112, 1024, 512],
        [112, 512, 1024],
        [112, 1040, 512],
        [112, 528, 1024],
        [3136, 64, 64],
        [64, 256, 256],
        [1, 128, 128],
    ] {
        let name = format!("linear {m}x{k}x{n}");
        if name.contains(&filter) {
            linear(&name, [m, k, n]);
        }
    }
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
    let mut numbers = Vec::with_capacity(count);
    large_pages(numbers.as_mut_ptr(), count);
    numbers.extend((0..count).map(|_| next()));
    numbers
}

fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    large_pages(bytes.as_mut_ptr(), count);
    bytes.resize(count, 0);
    bytes
}

/// Asks for large pages under fresh memory, as the engine's pool does.
fn large_pages<T>(start: *mut T, count: usize) {
    #[cfg(target_os = "linux")]
    if size_of::<T>() * count >= 2 << 20 {
        let skip = start.align_offset(4096);
        // SAFETY: whole pages inside one allocation; the advice changes no contents.
        unsafe {
            libc::madvise(start.add(skip).cast(), (size_of::<T>() * (count - skip)) & !4095, libc::MADV_HUGEPAGE)
        };
    }
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
        let mut scratch = bytes(matmul::forward_scratch(&d, &al, &bl, DType::F32));
        let seconds = best(|| {
            let (a, b) = (View::of(&a, al).unwrap(), View::of(&b, bl).unwrap());
            matmul::forward(&d, a, b, None, ViewMut::of(&mut c, cl).unwrap(), &mut scratch).unwrap();
        });
        print!("{:8.1} GFLOP/s {:9.1} us", flops / seconds / 1e9, seconds * 1e6);
    }
    println!();
}

fn convolution(name: &str, x: [usize; 4], w: [usize; 4], stride: usize) {
    let p = Conv { stride: [stride; 2], ..Conv::padded(w[2] / 2) };
    let y = p.output_shape(&x, &w).unwrap();
    let images = |shape: &[usize]| Layout::channels_last(Dims::new(shape).unwrap());
    let (xl, wl, yl) = (images(&x), Layout::contiguous(Dims::new(&w).unwrap()), Layout::channels_last(y));
    let (mut x, mut dw, mut y) = (numbers(xl.count()), numbers(wl.count()), numbers(yl.count()));
    let flops = conv::cost(&p, &xl, &wl).flops as f64;
    for threads in [1, 2] {
        let d = device(threads);
        print!("{name:32} {threads}:");
        for role in [Role::Forward, Role::InputGradient] {
            let mut packed = vec![0.0; conv::packed_len(&p, role, &wl)];
            conv::pack(&d, &p, role, View::of(&numbers(wl.count()), wl).unwrap(), &mut packed).unwrap();
            let weights = Packed { data: &packed, shape: w };
            let mut scratch = bytes(conv::packed_scratch(&d, &p, role, &xl, &wl));
            let seconds = best(|| match role {
                Role::Forward => {
                    let (x, y) = (View::of(&x, xl).unwrap(), ViewMut::of(&mut y, yl).unwrap());
                    conv::forward_packed(&d, &p, x, weights, None, y, &mut scratch).unwrap();
                }
                Role::InputGradient => {
                    let (g, dx) = (View::of(&y, yl).unwrap(), ViewMut::of(&mut x, xl).unwrap());
                    conv::input_gradient_packed(&d, &p, g, weights, dx, &mut scratch).unwrap();
                }
            });
            print!("{:7.1} GFLOP/s {:8.1} us ", flops / seconds / 1e9, seconds * 1e6);
        }
        let mut scratch = bytes(conv::weight_gradient_scratch(&d, &p, &xl, &wl, DType::F32));
        let seconds = best(|| {
            let (x, g) = (View::of(&x, xl).unwrap(), View::of(&y, yl).unwrap());
            conv::weight_gradient(&d, &p, x, g, ViewMut::of(&mut dw, wl).unwrap(), &mut scratch).unwrap();
        });
        println!("{:7.1} GFLOP/s {:8.1} us", flops / seconds / 1e9, seconds * 1e6);
    }
}

fn linear(name: &str, [m, k, n]: [usize; 3]) {
    let matrix = |rows: usize, columns: usize| Layout::contiguous(Dims::new(&[rows, columns]).unwrap());
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), numbers(m * n));
    print!("{name:32}");
    for threads in [1, 2] {
        let d = device(threads);
        let mut packed = numbers(matmul::packed_len(k, n));
        matmul::pack(&d, View::of(&b, matrix(k, n)).unwrap(), &mut packed).unwrap();
        let seconds = best(|| {
            let (a, c) = (View::of(&a, matrix(m, k)).unwrap(), ViewMut::of(&mut c, matrix(m, n)).unwrap());
            matmul::forward_packed(&d, a, &packed, n, None, c).unwrap();
        });
        print!("{:8.1} GFLOP/s {:9.1} us", (2 * m * k * n) as f64 / seconds / 1e9, seconds * 1e6);
    }
    println!();
}
