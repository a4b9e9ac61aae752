//! Rotary position embedding inside attention on a GPU, or the stand-in of `scripts/emulated-gpu`: over several tiles,
//! against turning first, on the ordinary cores and the tensor cores.

use consort_tests::gpu;
use tensor::ops::attention::{Attention, Rotation};
use tensor::ops::random::Stream;
use tensor::ops::rope::Rope;
use tensor::{DType, Device, Result, Tensor};

const P: Attention = Attention { scale: 0.3 };

fn table(device: &Device, positions: usize, width: usize, first: f64) -> Result<Tensor> {
    let angles: Vec<f64> = (0..positions * width / 2).map(|i| first + 0.37 * i as f64).collect();
    let table: Vec<f64> = angles.iter().map(|x| x.cos()).chain(angles.iter().map(|x| x.sin())).collect();
    Tensor::from_slice(device, &[2, positions, width / 2], &table)?.cast(DType::F32)
}

/// out, dq, dk and dv, of q, k, v and the cotangent of out; turned inside, or before and after.
fn attention(x: &[Tensor; 4], p: Rope, inside: bool) -> Result<[Tensor; 4]> {
    let [q, k, v, g] = x;
    let of = |x: &Tensor, first| table(x.device(), x.shape()[2], x.shape()[3], first);
    let rotation = Rotation { p, q: of(q, 0.1)?, k: of(k, 0.7)? };
    if inside {
        let (out, lse) = q.rotary_attention(k, v, &rotation, &P)?;
        let [dq, dk, dv] = Tensor::rotary_attention_backward([q, k, v], &rotation, [&out, &lse], g, &P)?;
        return Ok([out, dq, dk, dv]);
    }
    let (q, k) = (q.rope(&rotation.q, &p, false)?, k.rope(&rotation.k, &p, false)?);
    let (out, lse) = q.attention(&k, v, &P)?;
    let [dq, dk, dv] = Tensor::attention_backward([&q, &k, v], [&out, &lse], g, &P)?;
    Ok([out, dq.rope(&rotation.q, &p, true)?, dk.rope(&rotation.k, &p, true)?, dv])
}

#[test]
fn turning_inside_agrees_with_turning_outside() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    let halves = |axes| Rope { axes, interleaved: false };
    for ([s, t, e, f], p) in [
        ([65, 7, 8, 8], halves(1)),
        ([7, 130, 64, 40], halves(2)),
        ([66, 70, 24, 96], halves(1)),
        ([1, 33, 128, 128], halves(2)),
        ([70, 40, 16, 16], halves(4)),
        ([40, 40, 16, 24], Rope { axes: 1, interleaved: true }),
        ([40, 41, 18, 5], halves(3)),
    ] {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let draw = |purpose, shape: [usize; 4]| {
                Tensor::normal(&cpu, DType::F32, &shape, &Stream { seed: 3, purpose, step: 0 }, 0)?.cast(dtype)
            };
            let x = [draw(0, [2, 2, s, e])?, draw(1, [2, 2, t, e])?, draw(2, [2, 2, t, f])?, draw(3, [2, 2, s, f])?];
            let each = |of: &dyn Fn(&Tensor) -> Result<Tensor>| -> Result<[Tensor; 4]> {
                Ok([of(&x[0])?, of(&x[1])?, of(&x[2])?, of(&x[3])?])
            };
            let on_gpu = each(&|x| x.to_device(&gpu))?;
            let (got, outside) = (attention(&on_gpu, p, true)?, attention(&on_gpu, p, false)?);
            let want = attention(&each(&|x| x.cast(DType::F64))?, p, true)?;
            let alone = attention(&each(&|x| x.to_device(&gpu)?.narrow(0, 1, 1))?, p, true)?;
            for (what, i) in [("out", 0), ("dq", 1), ("dk", 2), ("dv", 3)] {
                let what = format!("{what} of {s} x {t}, heads of {e} and {f}, {p:?}, {dtype}");
                let (got, want, alone) = (got[i].to_f64()?, want[i].to_f64()?, alone[i].to_f64()?);
                assert_eq!(got[got.len() / 2..], alone, "{what}: a sample in a batch and alone");
                // As without turning: weights, slopes and results are rounded, and scores of some ten, whose errors
                // exponentials keep; and so are turned rows and gradients that are yet to be turned back.
                let rounded = 8.0 * dtype.epsilon() + 32.0 * dtype.wide().epsilon();
                let allowed = rounded * want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for ((got, want), outside) in got.iter().zip(&want).zip(outside[i].to_f64()?) {
                    assert!((got - want).abs() <= allowed, "{what}: {got}, expected {want}, allowed {allowed}");
                    assert!((got - outside).abs() <= 2.0 * allowed, "{what}: {got}, outside {outside}");
                }
            }
        }
    }
    Ok(())
}
