//! Products and convolutions on the tensor cores of a GPU, or of its stand-in (`scripts/emulated-gpu`), against f64 on the
//! processor: shapes that fill no tile, every order of the operands, every kind of convolution.
//!
//! Without a driver nothing is tested, and a line says so, unless `CONSORT_NEED_CUDA` is set.

use std::sync::LazyLock;
use tensor::ops::conv::Conv;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Result, Tensor};

/// The processor: where operands come from, and the reference in f64.
static CPU: LazyLock<Device> = LazyLock::new(|| Device::cpu(1));

/// The first GPU, with tf32 allowed and the kernels of any GPU, version 2 at most.
fn gpu() -> Option<Device> {
    let device = consort_tests::gpu()?;
    device.allow_tf32(true);
    device.limit_version(2);
    Some(device)
}

/// What is multiplied, and the rounding of its operands on tensor cores: tf32, and f32 that is left to the ordinary ones.
const NUMBERS: [(DType, f64); 4] = [(DType::BF16, 0.0), (DType::F16, 0.0), (DType::F32, TF32), (DType::F32, 0.0)];
const TF32: f64 = 1.0 / 2048.0;

fn draw(dtype: DType, shape: &[usize], purpose: u64) -> Result<Tensor> {
    let stream = Stream { seed: 2, purpose: purpose as _, step: 0 };
    Tensor::normal(&CPU, DType::F32, shape, &stream, 0)?.cast(dtype)
}

/// Numbers of size 1, `terms` products to a sum: what rounding of the operands, of the sums and of the result allows.
fn check(what: &str, dtype: DType, rounding: f64, terms: usize, got: &Tensor, want: &Tensor) -> Result<()> {
    assert_eq!(got.shape(), want.shape(), "{what}");
    let spread = 8.0 * (terms as f64).sqrt();
    for (i, (got, want)) in got.to_f64()?.into_iter().zip(want.to_f64()?).enumerate() {
        let sums = spread * (rounding + terms as f64 * f64::from(f32::EPSILON));
        let allowed = sums + dtype.epsilon() * want.abs();
        assert!((got - want).abs() <= allowed, "{what} in {dtype}: element {i} is {got}, expected {want}");
    }
    Ok(())
}

/// `shape` with its last two axes stored the other way round, if `turned`.
fn matrix(dtype: DType, shape: &[usize], turned: bool, purpose: u64) -> Result<Tensor> {
    let (mut stored, last) = (shape.to_vec(), shape.len() - 1);
    if turned {
        stored.swap(last - 1, last);
        return draw(dtype, &stored, purpose)?.transpose(0, 1);
    }
    draw(dtype, &stored, purpose)
}

fn check_products(gpu: &Device) -> Result<()> {
    for (dtype, rounding) in NUMBERS {
        gpu.allow_tf32(rounding == TF32);
        for (lead, [m, n, k]) in
            [(&[][..], [72, 136, 88]), (&[2, 3], [16, 24, 40]), (&[], [8, 200, 264]), (&[3], [136, 16, 32])]
        {
            for turned in 0..4 {
                let of = |rows, columns| [lead, &[rows, columns]].concat();
                let a = matrix(dtype, &of(m, k), turned & 1 != 0, 0)?;
                // One matrix for all, or one for each.
                let shape = if lead.len() == 1 { vec![k, n] } else { of(k, n) };
                let b = matrix(dtype, &shape, turned & 2 != 0, 1)?;
                let want = a.cast(DType::F64)?.matmul(&b.cast(DType::F64)?)?;
                let got = a.to_device(gpu)?.matmul(&b.to_device(gpu)?)?;
                check(&format!("{lead:?} {m} {n} {k}, turned {turned}"), dtype, rounding, k, &got, &want)?;
            }
        }
    }
    Ok(())
}

fn check_layers(gpu: &Device) -> Result<()> {
    for (dtype, rounding) in NUMBERS {
        gpu.allow_tf32(rounding == TF32);
        for [rows, inner, outer] in [[77, 40, 10], [1, 136, 72], [130, 24, 67]] {
            let (x, w, bias) =
                (draw(dtype, &[rows, inner], 0)?, draw(dtype, &[outer, inner], 1)?, draw(dtype, &[outer], 2)?);
            let wide = |x: &Tensor| x.cast(DType::F64);
            let want = wide(&x)?.linear(&wide(&w)?, Some(&wide(&bias)?))?;
            let there = |x: &Tensor| x.to_device(gpu);
            let got = there(&x)?.linear(&there(&w)?, Some(&there(&bias)?))?;
            check(&format!("{rows} rows of {inner} to {outer}"), dtype, rounding, inner, &got, &want)?;
        }
    }
    Ok(())
}

#[test]
fn products_of_matrices_in_every_order() -> Result<()> {
    gpu().map_or(Ok(()), |gpu| check_products(&gpu))
}

#[test]
fn few_results_of_a_long_depth() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    for (dtype, rounding) in NUMBERS {
        gpu.allow_tf32(rounding == TF32);
        for [m, n, k] in [[24, 40, 1536], [136, 72, 512], [16, 8, 1021]] {
            // As the gradient of a layer's weight: both operands run across the depth.
            let (a, b) = (draw(dtype, &[k, m], 0)?, draw(dtype, &[k, n], 1)?);
            let want = a.cast(DType::F64)?.transpose(0, 1)?.matmul(&b.cast(DType::F64)?)?;
            let got = a.to_device(&gpu)?.transpose(0, 1)?.matmul(&b.to_device(&gpu)?)?;
            check(&format!("{m} by {n}, of {k} terms"), dtype, rounding, k, &got, &want)?;
        }
    }
    Ok(())
}

#[test]
fn layers_with_a_bias_and_rows_of_any_number() -> Result<()> {
    gpu().map_or(Ok(()), |gpu| check_layers(&gpu))
}

#[test]
fn products_by_warpgroups_where_version_3_is_allowed() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    gpu.limit_version(3);
    check_products(&gpu)?;
    check_layers(&gpu)
}

fn check_rows(gpu: &Device) -> Result<()> {
    for (dtype, rounding) in NUMBERS {
        gpu.allow_tf32(rounding == TF32);
        let (x, w) = (draw(dtype, &[200, 72], 0)?.to_device(gpu)?, draw(dtype, &[40, 72], 1)?.to_device(gpu)?);
        let all = x.linear(&w, None)?.to_f64()?;
        let image = draw(dtype, &[8, 16, 6, 5], 2)?.to_device(gpu)?;
        let kernel = draw(dtype, &[24, 16, 3, 3], 3)?.to_device(gpu)?;
        let seen = image.conv2d(&kernel, None, &Conv::padded(1))?.contiguous()?.to_f64()?;
        for count in [1, 3, 8] {
            let some = x.narrow(0, 0, count)?.linear(&w, None)?.to_f64()?;
            assert_eq!(some, all[..some.len()], "{count} rows in {dtype}");
            let some = image.narrow(0, 0, count)?.conv2d(&kernel, None, &Conv::padded(1))?.contiguous()?.to_f64()?;
            assert_eq!(some, seen[..some.len()], "{count} images in {dtype}");
        }
    }
    Ok(())
}

#[test]
fn a_row_has_the_same_bits_in_every_batch() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    for version in [2, 3] {
        gpu.limit_version(version);
        check_rows(&gpu)?;
    }
    Ok(())
}

#[test]
fn f32_is_not_rounded_unless_allowed() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let (a, b) = (draw(DType::F32, &[16, 64], 0)?.to_device(&gpu)?, draw(DType::F32, &[64, 16], 1)?.to_device(&gpu)?);
    let rounded = a.matmul(&b)?.to_f64()?;
    gpu.allow_tf32(false);
    let exact = a.matmul(&b)?.to_f64()?;
    let worst = rounded.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!((1e-4..0.1).contains(&worst), "{worst}");
    Ok(())
}

/// Output, input gradient and weight gradient.
fn convolved(d: &Device, dtype: DType, p: &Conv, x: &[usize], w: &[usize]) -> Result<[Tensor; 3]> {
    let put = |shape: &[usize], purpose, dtype, last: bool| {
        let drawn = draw(dtype, shape, purpose)?;
        (if last { drawn.channels_last()? } else { drawn }).to_device(d)
    };
    let y = p.output_shape(x, w)?;
    // The processor computes the reference in f64 from the same numbers.
    let wide = |t: Tensor| if d.is_cpu() { t.cast(DType::F64) } else { Ok(t) };
    let (image, kernel) = (wide(put(x, 0, dtype, false)?)?, wide(put(w, 1, dtype, x[0].is_multiple_of(2))?)?);
    let (bias, g) = (wide(put(&w[..1], 2, dtype, false)?)?, wide(put(&y, 3, dtype, true)?)?);
    Ok([
        image.conv2d(&kernel, Some(&bias), p)?,
        g.conv2d_input_gradient(&kernel, p, x)?,
        image.conv2d_weight_gradient(&g, p, w)?,
    ])
}

fn check_convolution(gpu: &Device, numbers: &[(DType, f64)], p: &Conv, x: &[usize], w: &[usize]) -> Result<()> {
    for &(dtype, rounding) in numbers {
        gpu.allow_tf32(rounding == TF32);
        let (want, got) = (convolved(&CPU, dtype, p, x, w)?, convolved(gpu, dtype, p, x, w)?);
        let taps = w[2] * w[3];
        let terms = [w[1] * taps, w[0] / p.groups * taps, want[0].count() / w[0]];
        for ((got, want), (terms, what)) in
            got.iter().zip(&want).zip(terms.into_iter().zip(["output", "input gradient", "weight gradient"]))
        {
            check(&format!("{what} of {p:?}, {x:?}, {w:?}"), dtype, rounding, terms, got, want)?;
        }
    }
    Ok(())
}

fn check_convolutions(gpu: &Device, numbers: &[(DType, f64)]) -> Result<()> {
    let down = Conv { stride: [2; 2], padding: [[0, 1], [0, 1]], ..Conv::default() };
    let all = Conv { stride: [2, 3], padding: [[1, 2], [0, 1]], dilation: [2, 1], groups: 2 };
    let wide = Conv { dilation: [2, 1], groups: 2, ..Conv::padded(2) };
    let deep = Conv { groups: 3, ..Conv::padded(1) };
    for (p, x, w) in [
        (Conv::padded(1), [2, 16, 9, 7], [24, 16, 3, 3]),
        (Conv::padded(1), [1, 8, 12, 12], [72, 8, 3, 3]),
        (Conv::default(), [3, 24, 5, 5], [16, 24, 1, 1]),
        (down, [2, 8, 11, 14], [16, 8, 3, 3]),
        (wide, [1, 16, 10, 9], [16, 8, 3, 2]),
        (all, [2, 32, 9, 13], [16, 16, 3, 2]),
        (deep, [2, 24, 4, 6], [24, 8, 3, 3]),
        // Enough pixels for two shares.
        (Conv::padded(1), [2, 8, 26, 25], [8, 8, 3, 3]),
        // No whole chunk of output channels.
        (Conv::padded(1), [2, 8, 6, 6], [3, 8, 3, 3]),
    ] {
        check_convolution(gpu, numbers, &p, &x, &w)?;
    }
    Ok(())
}

#[test]
fn convolutions_and_their_gradients() -> Result<()> {
    gpu().map_or(Ok(()), |gpu| check_convolutions(&gpu, &NUMBERS))
}

#[test]
fn convolutions_by_warpgroups_where_version_3_is_allowed() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    gpu.limit_version(3);
    check_convolutions(&gpu, &NUMBERS[..2])
}

#[test]
fn large_tiles_where_there_are_enough_of_them() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    for dtype in [DType::BF16, DType::F32] {
        gpu.allow_tf32(false);
        let (a, b) = (matrix(dtype, &[1500, 24], false, 0)?, matrix(dtype, &[24, 1600], false, 1)?);
        let want = a.cast(DType::F64)?.matmul(&b.cast(DType::F64)?)?;
        for version in [2, 3] {
            gpu.limit_version(version);
            check("matrices", dtype, 0.0, 24, &a.to_device(&gpu)?.matmul(&b.to_device(&gpu)?)?, &want)?;
        }
    }
    let p = Conv { padding: [[0, 0], [1, 0]], ..Conv::default() };
    for version in [2, 3] {
        gpu.limit_version(version);
        for (x, w) in [([17, 8, 32, 32], [72, 8, 1, 2]), ([17, 72, 32, 32], [8, 72, 1, 2])] {
            check_convolution(&gpu, &NUMBERS[..1], &p, &x, &w)?;
        }
    }
    // As many groups as a GPU has multiprocessors: large tiles of a weight gradient.
    let groups = 132;
    for taps in [2, 3] {
        let p = Conv { groups, ..Conv::default() };
        check_convolution(&gpu, &NUMBERS[..1], &p, &[1, groups * 8, 3, 5], &[groups * 72, 8, taps, 3])?;
    }
    Ok(())
}

#[test]
fn an_image_has_the_same_bits_in_tiles_of_every_size() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let (image, kernel) = (draw(DType::BF16, &[17, 8, 32, 32], 0)?, draw(DType::BF16, &[72, 8, 3, 3], 1)?);
    let (image, kernel) = (image.to_device(&gpu)?, kernel.to_device(&gpu)?);
    let seen = |count, outputs| -> Result<Vec<f64>> {
        let (image, kernel) = (image.narrow(0, 0, count)?, kernel.narrow(0, 0, outputs)?);
        image.conv2d(&kernel, None, &Conv::padded(1))?.narrow(0, 0, 1)?.contiguous()?.to_f64()
    };
    for version in [2, 3] {
        gpu.limit_version(version);
        let alone = seen(1, 72)?;
        assert_eq!(alone, seen(17, 72)?);
        // With fewer channels the tiles are narrow.
        assert_eq!(seen(17, 16)?, alone[..16 * 32 * 32]);
    }
    Ok(())
}
