//! Windows of a canvas on a GPU, or the stand-in of `scripts/emulated-gpu`: recorded with their offsets, averaged to the
//! canvas they came from, and refused where a launch cannot hold them.

use consort_tests::gpu;
use tensor::ops::patches;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Result, Tensor};

fn draw(device: &Device, dtype: DType, step: u32, shape: &[usize]) -> Result<Tensor> {
    Tensor::normal(device, DType::F32, shape, &Stream { seed: 5, purpose: 0, step }, 0)?.cast(dtype)
}

#[test]
fn a_recorded_average_follows_its_canvas() -> Result<()> {
    if gpu().is_none() {
        return Ok(());
    }
    // Recording needs memory that is used again.
    let gpu = Device::cuda_with(0, false, |_| ())?;
    let p = patches::grid([20, 28], [8, 8], [4, 4])?;
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let shares = Tensor::patch_shares(&gpu, dtype, &p, None)?;
        let count = p.offsets().len();
        let around = |x: &Tensor| -> Result<Tensor> {
            let joined = x.gather_patches(&p)?.reshape(&[2 * count, 3, 8, 8])?;
            joined.reshape(&[2, count, 3, 8, 8])?.average_patches(&p, &shares)
        };
        let mut x = draw(&gpu, dtype, 0, &[2, 3, 20, 28])?;
        // One, two and four windows meet: their mean has no error.
        let (joined, _) = gpu.rehearse(|| around(&x))?;
        assert_eq!(joined.to_f64()?, x.to_f64()?, "{dtype}");
        let (mut graph, y) = gpu.record(|| around(&x))?;
        for step in 1..4 {
            let fresh = draw(&gpu, dtype, step, &[2, 3, 20, 28])?;
            x.overwrite(&fresh)?;
            graph.replay()?;
            assert_eq!(y.to_f64()?, fresh.to_f64()?, "{dtype}, replay {step}");
        }
    }
    Ok(())
}

#[test]
fn sums_of_many_windows_agree_with_the_processor() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let p = patches::grid([37, 21], [9, 7], [3, 2])?;
    let count = p.offsets().len();
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        for last in [false, true] {
            let put = |x: Tensor| if last { x.channels_last() } else { Ok(x) };
            let x = put(draw(&cpu, dtype, 0, &[2, count, 5, 9, 7])?)?;
            let (got, want) = (x.to_device(&gpu)?.scatter_patches(&p)?, x.cast(DType::F64)?.scatter_patches(&p)?);
            let most = want.to_f64()?.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            // A rounding of the result, and of each of at most 12 sums.
            let allowed = (dtype.epsilon() + 12.0 * dtype.wide().epsilon()) * most;
            for (got, want) in got.to_f64()?.iter().zip(want.to_f64()?) {
                assert!((got - want).abs() <= allowed, "{dtype}: {got}, expected {want}");
            }
            let back = want.cast(dtype)?;
            let seen = back.to_device(&gpu)?.gather_patches(&p)?;
            assert_eq!(seen.to_f64()?, back.cast(DType::F64)?.gather_patches(&p)?.to_f64()?, "{dtype}");
            let alone = x.to_device(&gpu)?.narrow(0, 1, 1)?.scatter_patches(&p)?;
            assert_eq!(got.narrow(0, 1, 1)?.to_f64()?, alone.to_f64()?, "{dtype}: a sample in a batch and alone");
        }
    }
    Ok(())
}

#[test]
fn more_windows_than_a_launch_holds_are_refused() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let offsets: Vec<[usize; 2]> = (0..257).map(|i| [i % 5, i % 3]).collect();
    let p = patches::at([8, 8], [3, 3], &offsets)?;
    let said = draw(&gpu, DType::F32, 0, &[1, 8, 8])?.gather_patches(&p).err().map(|error| error.to_string());
    assert!(said.is_some_and(|said| said.contains("257 windows")));
    Ok(())
}
