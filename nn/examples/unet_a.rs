//! U-Net A (1.11 M parameters, 28 x 28): the time of a forward pass and of a training step, one JSON line.
//!
//!     cargo run --release -p consort-nn --example unet_a [repeats]
//!
//! `bench/unet_a.py` runs it beside PyTorch.

use autograd::{DType, Device, Grad, Tensor, Var, grad};
use nn::{Adam, Init, Module, Network, Optimizer, UNet2D, UNet2DConfig};
use std::time::Instant;
use tensor::ops::random::Stream;

const CONFIG: &str = r#"{"sample_size": 28, "in_channels": 1, "out_channels": 1, "layers_per_block": 1,
    "block_out_channels": [32, 64, 64], "norm_num_groups": 8,
    "down_block_types": ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"]}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repeats = std::env::args().nth(1).map_or(Ok(7), |text| text.parse())?;
    let device = Device::cpu(0);
    let config: UNet2DConfig = serde_json::from_str(CONFIG)?;
    let model = UNet2D::new(config, &mut Init::seeded(&device, 1))?;
    let stream = Stream { seed: 1, purpose: 0, step: 0 };
    let batch = |n: usize| Tensor::normal(&device, DType::F32, &[n, 1, 28, 28], &stream, 0);
    let times = |n: usize| -> Result<Tensor, tensor::Error> {
        Tensor::from_slice(&device, &[n], &(0..n).map(|i| (i * 15) as f32).collect::<Vec<f32>>())
    };
    let (x, t) = (Var::constant(batch(64)?), times(64)?);
    let (one, one_time) = (Var::constant(batch(1)?), times(1)?);

    let mut optimizer = Optimizer::new(model.trainable(), Adam::default())?;
    let train = milliseconds(repeats, || {
        let loss = model.forward(&x, &t)?.sub(&x)?.square()?.mean()?;
        let vars = optimizer.vars();
        let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default())?.into_vars();
        optimizer.step(&gradients, 1e-4)?;
        Ok(())
    })?;
    model.set_trainable(false);
    let forward = milliseconds(repeats, || model.forward(&x, &t).map(drop).map_err(Into::into))?;
    let single = milliseconds(10 * repeats, || model.forward(&one, &one_time).map(drop).map_err(Into::into))?;
    let peak = device.pool().account().requested_peak;
    println!(
        "{{\"forward_b64_ms\": {forward:.2}, \"train_step_b64_ms\": {train:.2}, \"forward_b1_ms\": {single:.3}, \
         \"threads\": {}, \"peak_bytes\": {peak}}}",
        device.threads()
    );
    Ok(())
}

/// The median of `repeats` runs, after two that are not counted.
fn milliseconds(
    repeats: usize,
    mut run: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut all = Vec::with_capacity(repeats);
    for i in 0..repeats + 2 {
        let start = Instant::now();
        run()?;
        if i >= 2 {
            all.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    all.sort_by(f64::total_cmp);
    Ok(all[all.len() / 2])
}
