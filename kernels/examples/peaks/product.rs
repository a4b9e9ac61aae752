//! Matrix products: square ones, those of attention and of linear layers.

use crate::measure::{best, bytes, device, dims, error, line, numbers};
use kernels::matmul::{self, reference};
use kernels::{DType, KernelError, Layout, View, ViewMut};

pub(crate) fn all(roofs: &[f64; 2], chosen: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
    for n in [256, 1024, 2048] {
        for (a_t, b_t) in [(false, false), (false, true), (true, false)] {
            product([1, n, n, n], a_t, b_t, roofs, chosen)?;
        }
    }
    for shape in [[512, 49, 8, 49], [512, 49, 49, 8], [8, 49, 8, 49]] {
        product(shape, false, true, roofs, chosen)?;
    }
    for shape in [[3136, 64, 64], [112, 512, 1024], [64, 256, 256], [64, 128, 64], [1, 128, 64]] {
        linear(shape, roofs, chosen)?;
    }
    Ok(())
}

fn matrices(batch: usize, rows: usize, columns: usize, transposed: bool) -> Layout {
    Layout::in_order(dims(&[batch, rows, columns]), if transposed { &[0, 2, 1] } else { &[0, 1, 2] })
}

fn product(
    [batch, m, k, n]: [usize; 4],
    a_t: bool,
    b_t: bool,
    roofs: &[f64; 2],
    chosen: &dyn Fn(&str) -> bool,
) -> Result<(), KernelError> {
    let letter = |transposed| if transposed { "t" } else { "n" };
    let name = format!("matmul/{}{} {batch}x{m}x{k}x{n}", letter(a_t), letter(b_t));
    if !chosen(&name) {
        return Ok(());
    }
    let (al, bl, cl) = (matrices(batch, m, k, a_t), matrices(batch, k, n, b_t), matrices(batch, m, n, false));
    let (a, b, mut c) = (numbers(al.count()), numbers(bl.count()), numbers(cl.count()));
    let mut seconds = [0.0; 2];
    for threads in [1, 2] {
        let d = device(threads);
        let mut scratch = bytes(matmul::forward_scratch(&d, &al, &bl, DType::F32));
        seconds[threads - 1] = best(|| {
            matmul::forward(
                &d,
                View::of(&a, al)?,
                View::of(&b, bl)?,
                Default::default(),
                ViewMut::of(&mut c, cl)?,
                (&mut scratch[..]).into(),
            )
        })?;
    }
    let worst = check(&a, &al, &b, &bl, &c, [m, k, n])?;
    line(&name, worst, matmul::forward_cost(&al, &bl).flops, seconds, roofs);
    Ok(())
}

fn linear([m, k, n]: [usize; 3], roofs: &[f64; 2], chosen: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
    let name = format!("matmul/packed {m}x{k}x{n}");
    if !chosen(&name) {
        return Ok(());
    }
    let (al, bl, cl) = (matrices(1, m, k, false), Layout::contiguous(dims(&[k, n])), matrices(1, m, n, false));
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), numbers(m * n));
    let mut seconds = [0.0; 2];
    for threads in [1, 2] {
        let d = device(threads);
        let mut packed = numbers(matmul::packed_len(k, n));
        matmul::pack(&d, View::of(&b, bl)?, &mut packed)?;
        seconds[threads - 1] = best(|| {
            matmul::forward_packed(&d, View::of(&a, al)?, &packed, n, Default::default(), ViewMut::of(&mut c, cl)?)
        })?;
    }
    let worst = check(&a, &al, &b, &bl, &c, [m, k, n])?;
    line(&name, worst, matmul::forward_cost(&al, &bl).flops, seconds, roofs);
    Ok(())
}

/// The error of the first rows of the first matrix.
fn check(a: &[f32], al: &Layout, b: &[f32], bl: &Layout, c: &[f32], [m, k, n]: [usize; 3]) -> Result<f64, KernelError> {
    let rows = m.min(20);
    let some = |layout: &Layout, rows| {
        let rank = layout.rank();
        Layout { shape: dims(&[rows, layout.shape[rank - 1]]), strides: dims(&layout.strides[rank - 2..]), offset: 0 }
    };
    let product = |f: fn(f32) -> f64| {
        let [a, b] = [a, b].map(|from| from.iter().map(|&x| f(x)).collect::<Vec<f64>>());
        let mut out = vec![0.0; rows * n];
        let c = ViewMut::of(&mut out, Layout::contiguous(dims(&[rows, n])))?;
        reference::forward::<f64>(View::of(&a, some(al, rows))?, View::of(&b, some(bl, k))?, None, c)?;
        Ok::<_, KernelError>(out)
    };
    Ok(error(c, &product(f64::from)?, &product(|x| f64::from(x.abs()))?, k))
}
