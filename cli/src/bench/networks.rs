//! Whole networks: the U-Nets A, B and C of 28 x 28 digits, their training step, and one step of sampling, call by call and
//! as a recorded graph.

use super::Bench;
use autograd::{Grad, Var, grad};
use nn::{Adam, Init, Module, Network, Optimizer, UNet2D, UNet2DConfig};
use tensor::{DType, Tensor};

/// Name, layers a block, and channels of the three levels.
const UNETS: [(&str, usize, [usize; 3]); 3] =
    [("A", 1, [32, 64, 64]), ("B", 2, [32, 64, 128]), ("C", 2, [64, 128, 128])];
/// What is said of the numbers, their dtype, whether products may round to tf32, and the highest version of kernels.
const NUMBERS: [(&str, DType, bool, u8); 4] = [
    ("f32", DType::F32, false, 2),
    ("tf32", DType::F32, true, 2),
    ("bf16 v2", DType::BF16, false, 2),
    ("bf16 v3", DType::BF16, false, 3),
];

pub(super) fn all(bench: &mut Bench) -> nn::Result<()> {
    let device = bench.device.clone();
    // The processor computes in f32.
    let numbers = if bench.cuda.is_some() { &NUMBERS[..] } else { &NUMBERS[..1] };
    let before = bench.cuda.as_ref().map(|cuda| (cuda.allows_tf32(), cuda.highest_version()));
    for (name, layers_per_block, channels) in UNETS {
        for &(numbers, dtype, allow_tf32, version) in numbers {
            device.allow_tf32(allow_tf32);
            device.limit_version(version);
            network(
                bench,
                &format!("U-Net {name} {numbers}"),
                config(layers_per_block, bench.size(channels, [8, 16, 16])),
                dtype,
            )?;
        }
    }
    if let Some((tf32, highest)) = before {
        device.allow_tf32(tf32);
        device.limit_version(highest);
    }
    Ok(())
}

pub(super) fn config(layers_per_block: usize, channels: [usize; 3]) -> UNet2DConfig {
    let names = |names: [&str; 3]| names.map(String::from).to_vec();
    UNet2DConfig {
        in_channels: 1,
        out_channels: 1,
        layers_per_block,
        block_out_channels: channels.to_vec(),
        down_block_types: names(["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"]),
        up_block_types: names(["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"]),
        norm_num_groups: 8,
        ..UNet2DConfig::default()
    }
}

fn network(bench: &mut Bench, name: &str, config: UNet2DConfig, dtype: DType) -> nn::Result<()> {
    if ![
        "forward and backward b64",
        "train step b64",
        "train step b64 graph",
        "forward b64",
        "forward b1",
        "forward b1 graph",
    ]
    .iter()
    .any(|what| bench.wants(&format!("{name} {what}")))
    {
        return Ok(());
    }
    let (device, batch) = (bench.device.clone(), bench.size(64, 1));
    let model = UNet2D::new(config, &mut Init::seeded(&device, 1).dtype(dtype))?;
    let times = |n: usize| Tensor::from_slice(&device, &[n], &(0..n).map(|i| (i * 15) as f32).collect::<Vec<f32>>());
    let (x, t) = (Var::constant(bench.draw(dtype, &[batch, 1, 28, 28])?), times(batch)?);
    let (one, one_time) = (Var::constant(bench.draw(dtype, &[1, 1, 28, 28])?), times(1)?);

    if bench.cuda.is_none() {
        check_rows(&model, &x, &t, name)?;
    }

    let backward = || -> nn::Result<Vec<Option<Var>>> {
        let loss = model.forward(&x, &t)?.sub(&x)?.square()?.mean()?;
        let vars: Vec<Var> = model.trainable().iter().map(|(_, param)| param.var()).collect();
        Ok(grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default())?.into_vars())
    };
    bench.time::<nn::Error>(&format!("{name} forward and backward b64"), || backward().map(drop))?;
    // Optimisers keep f32.
    if dtype == DType::F32 {
        let mut optimizer = Optimizer::new(model.trainable(), Adam::default())?;
        bench.time::<nn::Error>(&format!("{name} train step b64"), || optimizer.step(&backward()?, 1e-4).map(drop))?;
        let numbers = Tensor::from_slice(&device, &[8], &optimizer.numbers(1e-4))?;
        recorded(bench, &format!("{name} train step b64"), || optimizer.record_step(&backward()?, &numbers))?;
    }
    model.set_trainable(false);
    bench.time::<nn::Error>(&format!("{name} forward b64"), || model.forward(&x, &t).map(drop))?;
    let forward = || model.forward(&one, &one_time);
    bench.time::<nn::Error>(&format!("{name} forward b1"), || forward().map(drop))?;
    recorded(bench, &format!("{name} forward b1"), forward)
}

/// What a network makes of a batch's first image must be what it makes of that image alone, to the bit.
fn check_rows(model: &UNet2D, x: &Var, t: &Tensor, name: &str) -> nn::Result<()> {
    let of = |n: usize| -> nn::Result<Vec<f32>> {
        let out = model.forward(&x.detach().narrow(0, 0, n)?, &t.narrow(0, 0, n)?)?;
        Ok(out.narrow(0, 0, 1)?.value().to_vec::<f32>()?)
    };
    let (alone, among) = (of(1)?, of(x.shape()[0])?);
    if alone == among && alone.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    let what = format!("{name} is wrong, so it is not timed: an image differs with the batch it is in");
    Err(autograd::Error::argument(what).into())
}

/// The same as a recorded graph, under `name graph`.
fn recorded<T>(bench: &mut Bench, name: &str, body: impl Fn() -> nn::Result<T>) -> nn::Result<()> {
    let name = format!("{name} graph");
    if bench.cuda.is_none() || !bench.wants(&name) {
        return Ok(());
    }
    drop(bench.device.rehearse(&body)?);
    let (mut recording, _made) = bench.device.record(&body)?;
    bench.time::<nn::Error>(&name, || Ok(recording.replay()?))
}
