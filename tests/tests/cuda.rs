//! Everything that runs on a GPU, on whatever CUDA driver there is: a GPU's, or the stand-in of `scripts/emulated-gpu`.
//!
//! Without a driver nothing is tested, and a line says so, unless `CONSORT_NEED_CUDA` is set.

use autograd::ops::registry;
use consort_tests::gpu;
use tensor::ops::norm::{GroupNorm, LayerNorm, Norm};
use tensor::ops::optim::{self, Adam, AdamStep, Numbers, Rate, Slot};
use tensor::ops::{attention::Attention, random::Stream};
use tensor::{DType, Device, Result, Tensor};

fn check_registry(dtype: DType) {
    let Some(gpu) = gpu() else { return };
    for (name, cases) in registry() {
        for case in cases {
            autograd::check::check_op_on(&gpu, dtype, name, &case);
        }
    }
}

#[test]
fn every_op_passes_its_rows_in_f32() {
    check_registry(DType::F32);
}

#[test]
fn every_op_passes_its_rows_in_bf16() {
    check_registry(DType::BF16);
}

#[test]
fn every_op_passes_its_rows_in_f16() {
    check_registry(DType::F16);
}

#[test]
fn random_numbers_have_the_bits_of_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let stream = Stream { seed: 0x1234_5678_9ABC_DEF0, purpose: 3, step: 7 };
    for shape in [&[3, 5][..], &[2, 3, 4, 5], &[1, 1], &[4, 0], &[2, 1000]] {
        for dtype in [DType::F32, DType::F64] {
            let normal = |d: &Device| Tensor::normal(d, dtype, shape, &stream, 11)?.to_f64();
            assert_eq!(normal(&gpu)?, normal(&cpu)?, "normal {shape:?} {dtype}");
            let uniform = |d: &Device| Tensor::uniform(d, dtype, shape, &stream, 11)?.to_f64();
            assert_eq!(uniform(&gpu)?, uniform(&cpu)?, "uniform {shape:?} {dtype}");
        }
    }
    Ok(())
}

#[test]
fn casts_and_copies_have_the_bits_of_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let numbers = [0.0, -0.0, 1.0, -1.5, 255.0, 256.7, -3.9, 65504.0, 65520.0, 1e-8, 6e-8, 3.39e38, 1e300, -1e300];
    let special = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0 + f64::EPSILON, 1.000_000_059_604_644_8, 0.1];
    let numbers: Vec<f64> = numbers.into_iter().chain(special).collect();
    let all = [DType::F32, DType::F64, DType::BF16, DType::F16, DType::U8, DType::I64];
    let same =
        |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan());
    for from in all {
        for to in all {
            let through = |d: &Device| {
                let x = Tensor::from_slice(&cpu, &[numbers.len()], &numbers)?.cast(from)?.to_device(d)?;
                x.cast(to)?.to_device(&cpu)?.to_f64()
            };
            let (got, want) = (through(&gpu)?, through(&cpu)?);
            assert!(same(&got, &want), "{from} to {to}: {got:?}, expected {want:?}");
        }
        let turned = |d: &Device| {
            let x = Tensor::from_slice(&cpu, &[4, 5], &numbers)?.cast(from)?.to_device(d)?;
            x.transpose(0, 1)?.contiguous()?.pad(&[7, 6], &[1, 2])?.to_device(&cpu)?.to_f64()
        };
        assert!(same(&turned(&gpu)?, &turned(&cpu)?), "{from} turned");
    }
    Ok(())
}

#[test]
fn copies_and_casts_of_every_path_have_the_bits_of_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16, DType::U8, DType::I64] {
        for shape in [[2, 70, 9, 13], [1, 64, 8, 16], [3, 16, 5, 1], [2, 24, 1, 67]] {
            let x = Tensor::normal(&cpu, DType::F32, &shape, &Stream { seed: 2, purpose: 0, step: 0 }, 0)?;
            let x = Tensor::combine(&[(40.0, &x)])?.cast(dtype)?;
            let results = |x: &Tensor| -> Result<Vec<Vec<f64>>> {
                let last = x.channels_last()?; // transposes
                let turned = x.transpose(2, 3)?.contiguous()?;
                let slices = [x.narrow(1, 3, 8)?, last.narrow(1, 8, 8)?, last.narrow(1, 5, 6)?, x.narrow(0, 0, 1)?];
                let mut all = vec![last.contiguous()?, last.clone(), turned];
                for slice in &slices {
                    all.push(slice.contiguous()?);
                    all.push(slice.channels_last()?);
                }
                for to in [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64] {
                    all.push(x.cast(to)?); // vectors and a rest
                    all.push(slices[1].cast(to)?);
                    all.push(slices[2].cast(to)?);
                }
                all.iter().map(|x| x.to_device(&cpu)?.to_f64()).collect()
            };
            for (i, (got, want)) in results(&x.to_device(&gpu)?)?.iter().zip(&results(&x)?).enumerate() {
                assert_eq!(got, want, "result {i} of {shape:?} in {dtype}");
            }
        }
    }
    Ok(())
}

#[test]
fn functions_have_the_same_bits_by_vectors_and_one_by_one() -> Result<()> {
    use tensor::ops::pointwise::Function::*;
    let Some(gpu) = gpu() else { return Ok(()) };
    let count = 10_000;
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let draw = |step| Tensor::normal(&gpu, DType::F32, &[count], &Stream { seed: 2, purpose: 0, step }, 0);
        let (x, g) = (draw(0)?.cast(dtype)?, draw(1)?.cast(dtype)?);
        for f in [Exp, Square, Sigmoid, Silu, Tanh, Gelu, GeluTanh, Relu, Softplus, Clamp { min: -0.5, max: 0.5 }] {
            for order in 0..3 {
                let all = [x.map(f, order)?, x.map_scaled(f, order, &g)?];
                // The rest of x starts between two vectors.
                let (x, g) = (x.narrow(0, 1, count - 1)?, g.narrow(0, 1, count - 1)?);
                for (all, rest) in all.iter().zip([x.map(f, order)?, x.map_scaled(f, order, &g)?]) {
                    assert_eq!(all.to_f64()?[1..], rest.to_f64()?, "{f:?} of order {order} in {dtype}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn functions_in_16_bits_are_good_to_their_rounding() -> Result<()> {
    use tensor::ops::pointwise::Function::*;
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let numbers: Vec<f64> = (-1000..1000).map(|i| f64::from(i) * 0.0123).collect();
    for dtype in [DType::BF16, DType::F16] {
        let x = Tensor::from_slice(&cpu, &[numbers.len()], &numbers)?.cast(dtype)?;
        for f in [Sigmoid, Silu, Gelu, GeluTanh] {
            for order in 0..2 {
                let got = x.to_device(&gpu)?.map(f, order)?.to_f64()?;
                let want = x.cast(DType::F64)?.map(f, order)?.to_f64()?;
                // Rounding is half of epsilon; below the normal numbers it is absolute. Slopes cross 0 as a difference
                // of terms of size 1.
                let crossing = if order == 1 { 2f64.powi(-13) } else { 0.0 };
                let least = if dtype == DType::F16 { 2f64.powi(-24) } else { 2f64.powi(-126) };
                for ((got, want), x) in got.iter().zip(&want).zip(x.to_f64()?) {
                    let allowed = (0.5 * dtype.epsilon() + 2f64.powi(-13)) * want.abs() + least + crossing;
                    assert!((got - want).abs() <= allowed, "{f:?} of order {order} at {x} in {dtype}: {got}, {want}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn sums_of_many_terms_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for (shape, axes) in [
        (&[3, 10_000][..], &[1][..]),
        (&[10_000, 3], &[0]),
        (&[50, 200, 3], &[0, 1]),
        (&[9, 30, 40], &[0, 1, 2]),
        (&[2, 5000, 4], &[1]),
        (&[70_000], &[0]), // more chunks than a block joins
    ] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let x =
                Tensor::normal(&cpu, DType::F32, shape, &Stream { seed: 5, purpose: 0, step: 0 }, 0)?.cast(dtype)?;
            let got = x.to_device(&gpu)?.sum_keep(axes)?.to_f64()?;
            let (wide, terms) = (x.cast(DType::F64)?, axes.iter().map(|&axis| shape[axis]).product::<usize>());
            // Of n terms of size 1, in a tree: some lg n roundings of a sum of sqrt(n), and that of the result.
            let accumulated = dtype.wide().epsilon() * 16.0 * (terms as f64).sqrt();
            for (got, want) in got.iter().zip(wide.sum_keep(axes)?.to_f64()?) {
                let allowed = accumulated + dtype.epsilon() * want.abs();
                assert!((got - want).abs() <= allowed, "{shape:?} over {axes:?} in {dtype}: {got}, expected {want}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_sum_depends_on_its_terms_and_not_on_where_they_lie() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    for (shape, axis) in [([3, 40, 2500], 2), ([2, 17, 1031], 2), ([1, 64, 999], 1), ([5, 48, 8], 2), ([2, 9, 11], 2)] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let x =
                Tensor::normal(&gpu, DType::F32, &shape, &Stream { seed: 5, purpose: 0, step: 0 }, 0)?.cast(dtype)?;
            let along = x.sum_keep(&[axis])?.to_f64()?;
            // Results, or terms, side by side in memory; and neither.
            let turned = x.transpose(1, 2)?.contiguous()?.transpose(1, 2)?;
            let outermost = x.permute(&[2, 1, 0])?.contiguous()?.permute(&[2, 1, 0])?;
            let shifted = Tensor::concat(&[&x, &x], 2)?.narrow(2, 1, shape[2])?;
            let first = x.narrow(2, 1, shape[2] - 1)?;
            assert_eq!(turned.sum_keep(&[axis])?.to_f64()?, along, "{shape:?} turned, over {axis} in {dtype}");
            assert_eq!(outermost.sum_keep(&[axis])?.to_f64()?, along, "{shape:?} apart, over {axis} in {dtype}");
            let rest = shifted.narrow(2, 0, shape[2] - 1)?;
            let (rest, first) = (rest.sum_keep(&[axis])?.to_f64()?, first.contiguous()?.sum_keep(&[axis])?.to_f64()?);
            assert_eq!(rest, first, "{shape:?} shifted, over {axis} in {dtype}");
        }
    }
    Ok(())
}

#[test]
fn softmax_of_every_width_agrees_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for width in [1, 8, 40, 255, 256, 264, 512, 1000, 1024, 1032, 1033, 4096, 8192, 9000] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let draw = |purpose| -> Result<Tensor> {
                let stream = Stream { seed: 4, purpose, step: 0 };
                Tensor::normal(&cpu, DType::F32, &[11, width], &stream, 0)?.cast(dtype)
            };
            let (x, g) = (draw(0)?, draw(1)?);
            let y = x.to_device(&gpu)?.softmax()?;
            let dx = y.softmax_backward(&g.to_device(&gpu)?)?;
            let want = x.cast(DType::F64)?.softmax()?;
            // The backward of the result as it was rounded.
            let rounded = y.to_device(&cpu)?.cast(DType::F64)?;
            let want_dx = rounded.softmax_backward(&g.cast(DType::F64)?)?;
            for (what, got, want) in [("y", &y, &want), ("dx", &dx, &want_dx)] {
                let want = want.to_f64()?;
                let most = want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                let allowed = (dtype.epsilon() + 16.0 * dtype.wide().epsilon()) * most;
                for (got, want) in got.to_f64()?.iter().zip(&want) {
                    assert!(
                        (got - want).abs() <= allowed,
                        "{what} of width {width} in {dtype}: {got}, expected {want}"
                    );
                }
            }
        }
    }
    Ok(())
}

/// out, dq, dk and dv of an attention, whose fourth operand is the cotangent of out.
fn attention([q, k, v, g]: &[Tensor; 4]) -> Result<[Tensor; 4]> {
    let p = Attention { scale: 0.3 };
    let (out, lse) = q.attention(k, v, &p)?;
    let [dq, dk, dv] = Tensor::attention_backward([q, k, v], [&out, &lse], g, &p)?;
    Ok([out, dq, dk, dv])
}

#[test]
fn attention_over_several_tiles_agrees_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for [s, t, e, f] in [[65, 7, 8, 8], [7, 130, 64, 40], [66, 70, 24, 96], [1, 33, 128, 128], [40, 40, 36, 36]] {
        for dtype in [DType::F32, DType::BF16, DType::F16] {
            let draw = |purpose, shape: [usize; 4]| {
                Tensor::normal(&cpu, DType::F32, &shape, &Stream { seed: 3, purpose, step: 0 }, 0)?.cast(dtype)
            };
            let x = [draw(0, [2, 2, s, e])?, draw(1, [2, 2, t, e])?, draw(2, [2, 2, t, f])?, draw(3, [2, 2, s, f])?];
            let each = |of: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<[Tensor; 4]> {
                Ok([of(&x[0])?, of(&x[1])?, of(&x[2])?, of(&x[3])?])
            };
            let got = attention(&each(&|x| x.to_device(&gpu))?)?;
            let want = attention(&each(&|x| x.cast(DType::F64))?)?;
            let alone = attention(&each(&|x| x.to_device(&gpu)?.narrow(0, 1, 1))?)?;
            for (what, i) in [("out", 0), ("dq", 1), ("dk", 2), ("dv", 3)] {
                let (got, want, alone) = (got[i].to_f64()?, want[i].to_f64()?, alone[i].to_f64()?);
                let what = format!("{what} of {s} x {t}, heads of {e} and {f}, {dtype}");
                assert_eq!(got[got.len() / 2..], alone, "{what}: a sample in a batch and alone");
                // Weights, slopes and results are rounded; so are scores of some ten, whose errors exponentials keep.
                let rounded = 4.0 * dtype.epsilon() + 32.0 * dtype.wide().epsilon();
                let allowed = rounded * want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for (got, want) in got.iter().zip(&want) {
                    assert!((got - want).abs() <= allowed, "{what}: {got}, expected {want}, allowed {allowed}");
                }
            }
        }
    }
    Ok(())
}

/// y, and the gradients of x, weight, bias, scale and shift, of a norm whose last operand is the cotangent of y.
fn norm(p: &Norm, [x, weight, bias, scale, shift, g]: &[Tensor; 6]) -> Result<[Tensor; 6]> {
    let affine = [Some(weight), Some(bias), Some(scale), Some(shift)];
    let normed = x.norm(p, affine)?;
    let gradients = x.norm_backward(p, affine, [&normed.mean, &normed.rstd], g, [true; 4])?;
    let [Some(dx), Some(weight), Some(bias), Some(scale), Some(shift)] = gradients else { panic!("all are wanted") };
    Ok([normed.y, dx, weight, bias, scale, shift])
}

#[test]
fn norms_of_every_tiling_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let group = |groups, silu| Norm::Group(GroupNorm { groups, eps: 1e-5, silu });
    let layer = |silu| Norm::Layer(LayerNorm { eps: 1e-5, silu });
    let cases = [
        (group(8, true), &[2, 32, 8, 9][..]),
        (group(4, true), &[2, 40, 5, 5]), // ten channels a group: vectors of two groups
        (group(16, false), &[2, 336, 3, 3]), // the last span is narrower
        (group(4, true), &[2, 12, 5, 5]), // no vectors in 16 bits
        (group(1, true), &[2, 264, 9, 9]),
        (group(8, true), &[2, 32, 61, 61]), // a sector of each position
        (group(4, true), &[2, 16, 97, 97]), // chunks
        (group(1, false), &[2, 8, 130, 131]),
        (layer(true), &[2, 5, 64]),
        (layer(false), &[2, 3, 1000]),
        (layer(true), &[2, 3, 2056]), // a block a row
        (layer(false), &[2, 1, 60_000]),
        (layer(true), &[2, 700, 8]),
        (layer(true), &[2, 21, 520]), // chunks, of a block a row
        (layer(false), &[2, 18, 4096]),
        (layer(true), &[2, 3, 8192]),
    ];
    for (p, shape) in cases {
        for dtype in [DType::F32, DType::BF16, DType::F16] {
            let (n, c) = (shape[0], if let Norm::Group(_) = p { shape[1] } else { shape[2] });
            let draw = |purpose, shape: &[usize]| -> Result<Tensor> {
                let x = Tensor::normal(&cpu, DType::F32, shape, &Stream { seed: 8, purpose, step: 0 }, 0)?;
                // x is far from 0, so that a variance without its mean would show.
                let away = Tensor::full(&cpu, DType::F32, shape, if purpose == 0 { 4.0 } else { 0.0 })?;
                Tensor::combine(&[(1.0, &x), (1.0, &away)])?.cast(dtype)
            };
            let x = draw(0, shape)?;
            let x = if shape.len() == 4 { x.channels_last()? } else { x };
            let x = [x, draw(1, &[c])?, draw(2, &[c])?, draw(3, &[n, c])?, draw(4, &[n, c])?, draw(5, shape)?];
            let each = |of: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<[Tensor; 6]> {
                Ok([of(&x[0])?, of(&x[1])?, of(&x[2])?, of(&x[3])?, of(&x[4])?, of(&x[5])?])
            };
            let got = norm(&p, &each(&|x| x.to_device(&gpu))?)?;
            let want = norm(&p, &each(&|x| x.cast(DType::F64))?)?;
            let second =
                |x: &Tensor| if x.rank() == 1 { x.to_device(&gpu) } else { x.to_device(&gpu)?.narrow(0, 1, 1) };
            let alone = norm(&p, &each(&second)?)?;
            for (i, name) in ["y", "dx", "dweight", "dbias", "dscale", "dshift"].into_iter().enumerate() {
                let (got, want, alone) = (got[i].to_f64()?, want[i].to_f64()?, alone[i].to_f64()?);
                let what = format!("{name} of {p:?} over {shape:?}, {dtype}");
                if !["dweight", "dbias"].contains(&name) {
                    assert_eq!(got[got.len() / 2..], alone, "{what}: a sample in a batch and alone");
                }
                // The result is rounded; x - mean was, at the size of x, and slopes and sums keep that.
                let rounded = dtype.epsilon() + 128.0 * dtype.wide().epsilon();
                let allowed = rounded * want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for (got, want) in got.iter().zip(&want) {
                    assert!((got - want).abs() <= allowed, "{what}: {got}, expected {want}, allowed {allowed}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn updates_of_parameters_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    // More tensors than a launch takes, some of several blocks, one of nothing.
    let sizes: Vec<usize> = [10_003, 0, 4096].into_iter().chain(1..70).collect();
    let draw = |d: &Device, dtype, purpose, count| {
        Tensor::normal(d, dtype, &[count], &Stream { seed: 1, purpose, step: count as u32 }, 0)
    };
    for (dtype, eps) in [(DType::F32, f64::from(f32::EPSILON)), (DType::F64, f64::EPSILON)] {
        let run = |d: &Device, by_table: bool| -> Result<[Vec<f64>; 6]> {
            let slot = |&count: &usize| {
                let v = draw(d, dtype, 3, count)?.map(tensor::ops::pointwise::Function::Square, 0)?;
                let [param, gradient, m] = [0, 1, 2].map(|purpose| draw(d, dtype, purpose, count));
                Ok(Slot { param: param?, gradient: gradient?, m: m?, v })
            };
            let slots = sizes.iter().map(slot).collect::<Result<Vec<Slot>>>()?;
            let gradients: Vec<&Tensor> = slots.iter().map(|slot| &slot.gradient).collect();
            let squares = optim::squares(&gradients)?;
            let adam = Adam { weight_decay: 0.1, ..Adam::default() };
            let numbers = |scale| AdamStep::new(&adam, 1e-2, 3, scale).array();
            let table = Tensor::from_slice(d, &[8], &numbers(1.0))?;
            let norm = optim::clip(&squares, 2.0, 1e-6, &table.narrow(0, 0, 1)?)?;
            let scale = (2.0 / (squares.to_f64()?.iter().sum::<f64>().sqrt() + 1e-6)).min(1.0);
            let (given, rate) = (AdamStep::new(&adam, 1e-2, 3, scale), Tensor::from_slice(d, &[1], &[0.1])?);
            optim::adam(if by_table { Numbers::Table(&table) } else { Numbers::Given(&given) }, &slots)?;
            let averages = slots.iter().map(|slot| Ok((slot.gradient.copy()?, slot.param.clone())));
            let averages = averages.collect::<Result<Vec<_>>>()?;
            optim::ema(if by_table { Rate::Table(&rate) } else { Rate::Given(0.1) }, &averages)?;
            let all = |of: fn(&Slot) -> &Tensor| -> Result<Vec<f64>> {
                Ok(slots.iter().map(|slot| of(slot).to_f64()).collect::<Result<Vec<_>>>()?.concat())
            };
            let averages = averages.iter().map(|(average, _)| average.to_f64()).collect::<Result<Vec<_>>>()?.concat();
            let sums = [squares.to_f64()?, norm.to_f64()?].concat();
            Ok([all(|slot| &slot.param)?, all(|slot| &slot.m)?, all(|slot| &slot.v)?, averages, sums, table.to_f64()?])
        };
        assert_eq!(run(&gpu, true)?, run(&gpu, false)?);
        let run = |d: &Device| run(d, false);
        for (what, (got, want)) in
            ["param", "m", "v", "ema", "sums", "table"].iter().zip(run(&gpu)?.iter().zip(&run(&cpu)?))
        {
            for (got, want) in got.iter().zip(want) {
                // Some eight roundings, in another order where the device fuses.
                assert!((got - want).abs() <= 8.0 * eps * (want.abs() + 1.0), "{what} {dtype}: {got}, {want}");
            }
        }
    }
    Ok(())
}
