//! Tall products, factors, solves and Woodbury's identity on a GPU, or the stand-in of `scripts/emulated-gpu`, against the
//! processor in f64: several chunks and tiles, the largest sizes, samples alone, and what is not positive definite.

use consort_tests::gpu;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Result, Tensor};

fn draw(cpu: &Device, purpose: u32, shape: &[usize]) -> Result<Tensor> {
    Tensor::normal(cpu, DType::F32, shape, &Stream { seed: 8, purpose, step: 0 }, 0)
}

/// The largest difference, and the largest number wanted.
fn apart(got: &Tensor, want: &Tensor) -> Result<(f64, f64)> {
    assert_eq!(got.shape(), want.shape());
    let (got, want) = (got.to_f64()?, want.to_f64()?);
    assert!(got.iter().all(|x| x.is_finite()));
    let most = |x: &mut dyn Iterator<Item = f64>| x.fold(0.0, f64::max);
    let difference = most(&mut got.iter().zip(&want).map(|(a, b)| (a - b).abs()));
    Ok((difference, most(&mut want.iter().map(|x| x.abs()))))
}

#[test]
fn tall_products_of_several_chunks_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for [n, r, m] in [[1300, 5, 1], [1030, 70, 4], [600, 66, 65], [520, 3, 7]] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let (a, b) = (draw(&cpu, 0, &[2, n, r])?.cast(dtype)?, draw(&cpu, 1, &[2, n, m])?.cast(dtype)?);
            let got = a.to_device(&gpu)?.gram(&b.to_device(&gpu)?)?;
            assert_eq!(got.dtype(), dtype.wide());
            let (off, _) = apart(&got, &a.cast(DType::F64)?.gram(&b.cast(DType::F64)?)?)?;
            let what = format!("{n} by {r} and {m} in {dtype}");
            assert!(off <= 8.0 * dtype.wide().epsilon() * n as f64, "{what}: {off:e}");
            let alone = |x: &Tensor| x.to_device(&gpu)?.narrow(0, 1, 1);
            assert_eq!(alone(&a)?.gram(&alone(&b)?)?.to_f64()?, got.narrow(0, 1, 1)?.to_f64()?, "{what}: alone");
            let own = a.to_device(&gpu)?.gram(&a.to_device(&gpu)?)?;
            assert_eq!(own.to_f64()?, own.transpose(0, 1)?.to_f64()?, "{what}: symmetric");
        }
    }
    Ok(())
}

#[test]
fn factors_and_solves_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for (size, sides) in [(1, 1), (5, 3), (17, 20), (64, 1), (128, 33)] {
        for dtype in [DType::F32, DType::F64] {
            let b = draw(&cpu, 0, &[2, 2 * size, size])?.cast(DType::F64)?;
            let (a, right) = (b.gram(&b)?.cast(dtype)?, draw(&cpu, 1, &[2, size, sides])?.cast(dtype)?);
            let l = a.to_device(&gpu)?.cholesky()?;
            let eps = dtype.epsilon() * 32.0 * (size as f64).sqrt();
            let (off, most) = apart(&l, &a.cast(DType::F64)?.cholesky()?)?;
            assert!(off <= eps * most, "factor of {size} in {dtype}: {off:e}");
            // Of the same factor, so that only the solve is compared; its condition is some 6 for these numbers.
            let exact = l.to_device(&cpu)?.cast(DType::F64)?;
            for transposed in [false, true] {
                let x = l.solve_triangular(&right.to_device(&gpu)?, transposed)?;
                let (off, most) = apart(&x, &exact.solve_triangular(&right.cast(DType::F64)?, transposed)?)?;
                assert!(off <= eps * most, "{sides} solves with {size} in {dtype}: {off:e}");
                let turned = right.transpose(0, 1)?.contiguous()?.to_device(&gpu)?.transpose(0, 1)?;
                assert_eq!(l.solve_triangular(&turned, transposed)?.to_f64()?, x.to_f64()?);
                let one = right.to_device(&gpu)?.narrow(2, sides - 1, 1)?;
                let alone = l.solve_triangular(&one, transposed)?.to_f64()?;
                assert_eq!(alone, x.narrow(2, sides - 1, 1)?.to_f64()?);
            }
        }
    }
    Ok(())
}

#[test]
fn what_is_not_definite_is_nan_on_a_gpu_and_its_neighbours_are_not() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let a = Tensor::from_slice(&gpu, &[2, 2, 2], &[1.0f32, 2.0, 2.0, 4.0, 4.0, 2.0, 2.0, 5.0])?;
    let l = a.cholesky()?.to_f64()?;
    assert!(l[..3] == [1.0, 0.0, 2.0] && l[3].is_nan() && l[4..] == [2.0, 0.0, 1.0, 2.0], "{l:?}");
    let (p, v) = (draw(&cpu, 0, &[2, 9, 2])?.to_device(&gpu)?, draw(&cpu, 1, &[2, 9, 1])?.to_device(&gpu)?);
    let alpha = Tensor::from_slice(&gpu, &[2], &[-1.0f32, 1.0])?;
    let y = v.woodbury(&p, &a, &alpha)?.to_f64()?;
    assert!(y[..9].iter().all(|y| y.is_nan()) && y[9..].iter().all(|y| y.is_finite()), "{y:?}");
    Ok(())
}

#[test]
fn orthonormal_columns_and_the_woodbury_identity_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    for [n, r, m] in [[1100, 3, 1], [150, 70, 4], [130, 128, 20], [600, 33, 5]] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let what = format!("{n} by {r} and {m} in {dtype}");
            let wide = draw(&cpu, 0, &[2, n, r])?.cast(DType::F64)?.orthonormal()?;
            let (off, _) = apart(&draw(&cpu, 0, &[2, n, r])?.to_device(&gpu)?.orthonormal()?, &wide)?;
            assert!(off <= f64::from(f32::EPSILON), "{what}: {off:e}");
            let c = draw(&cpu, 1, &[2, r.div_ceil(2), r])?.cast(dtype.wide())?;
            let (p, c, v) = (wide.cast(dtype)?, c.gram(&c)?, draw(&cpu, 2, &[2, n, m])?.cast(dtype)?);
            let alpha = Tensor::from_slice(&cpu, &[2], &[0.5, 2.0])?.cast(dtype.wide())?;
            let on = |x: &Tensor| x.to_device(&gpu);
            let y = on(&v)?.woodbury(&on(&p)?, &on(&c)?, &on(&alpha)?)?;
            let exact = |x: &Tensor| x.cast(DType::F64);
            let (off, most) = apart(&y, &exact(&v)?.woodbury(&exact(&p)?, &exact(&c)?, &exact(&alpha)?)?)?;
            let allowed = dtype.epsilon() + 64.0 * dtype.wide().epsilon() * (r as f64).sqrt();
            assert!(off <= allowed * most, "{what}: {off:e} of {most}");
            let alone = |x: &Tensor| on(x)?.narrow(0, 1, 1);
            let one = alone(&v)?.woodbury(&alone(&p)?, &alone(&c)?, &alone(&alpha)?)?;
            assert_eq!(one.to_f64()?, y.narrow(0, 1, 1)?.to_f64()?, "{what}: alone");
        }
    }
    Ok(())
}
