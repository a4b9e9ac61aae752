//! Work that is recorded once and replayed, on whatever CUDA driver there is: the same bits as call by call.
//!
//! Without a driver nothing is tested, and a line says so, unless `CONSORT_NEED_CUDA` is set.

use autograd::{Grad, Var, grad};
use consort_tests::recording_gpu as gpu;
use methods::{
    Churn, Condition, Draw, Grid, Moment, NetworkDenoiser, Noise, Order, Prediction, Process, Sampler, Training,
};
use nn::{Adam, Ema, Init, Module, Network, Optimizer, UNet2D, UNet2DConfig};
use std::sync::Arc;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Result, Tensor};

fn unet(device: &Device) -> UNet2D {
    let names = |names: [&str; 2]| names.map(String::from).to_vec();
    let config = UNet2DConfig {
        in_channels: 1,
        out_channels: 1,
        layers_per_block: 1,
        block_out_channels: vec![8, 16],
        down_block_types: names(["DownBlock2D", "AttnDownBlock2D"]),
        up_block_types: names(["AttnUpBlock2D", "UpBlock2D"]),
        norm_num_groups: 4,
        ..UNet2DConfig::default()
    };
    UNet2D::new(config, &mut Init::seeded(device, 1)).unwrap()
}

/// Five steps of a sampler: `x <- x + 0.1 net(x)`.
fn five_steps(model: &UNet2D, x: &Tensor, times: &[Tensor]) -> Result<Tensor> {
    let mut x = x.clone();
    for time in times {
        let drift = model.forward(&Var::constant(x.clone()), time).unwrap();
        x = Tensor::combine(&[(1.0, &x), (0.1, drift.value())])?;
    }
    Ok(x)
}

#[test]
fn a_recorded_sampler_replays_to_the_same_bits() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let model = unet(&gpu);
    let draw = |step| Tensor::normal(&gpu, DType::F32, &[1, 1, 12, 8], &Stream { seed: 1, purpose: 0, step }, 0);
    let times = (0..5).map(|i| Tensor::from_slice(&gpu, &[1], &[900.0f32 - 200.0 * i as f32]));
    let times = times.collect::<Result<Vec<_>>>()?;

    let cold = gpu.record(|| five_steps(&model, &draw(0)?, &times)).map(|_| ()).unwrap_err().to_string();
    assert!(cold.contains(": allocating memory while a CUDA graph is recorded"), "{cold}");
    assert!(!cold.starts_with("allocating"), "the op is named: {cold}");

    let mut x = draw(0)?;
    let (first, _) = gpu.rehearse(|| five_steps(&model, &x, &times))?;
    let want = [first.to_vec::<f32>()?, five_steps(&model, &draw(1)?, &times)?.to_vec()?];
    let before = gpu.pool().account();
    let (mut graph, y) = gpu.record(|| five_steps(&model, &x, &times))?;
    assert_eq!(gpu.pool().account().syncs, before.syncs);
    let read_back = gpu.record(|| y.to_vec::<f32>()).map(|_| ()).unwrap_err().to_string();
    assert!(read_back.contains("while a CUDA graph is recorded"), "{read_back}");
    for want in want.iter().cycle().take(4).enumerate().map(|(i, want)| (i as u32 % 2, want)) {
        x.overwrite(&draw(want.0)?)?;
        // What comes between must not get the graph's memory.
        let other = five_steps(&model, &draw(7)?, &times)?;
        graph.replay()?;
        assert_eq!(&y.to_vec::<f32>()?, want.1);
        drop(other);
    }
    // The inputs outlive their owners.
    drop((x, times, model));
    graph.replay()?;
    assert_eq!(y.to_vec::<f32>()?, want[1]);
    Ok(())
}

/// Every state and estimate that a run shows, and its end; batches of 2 and 1.
fn run(gpu: &Device, process: &Process, sampler: Sampler, grid: &Grid) -> methods::Result<(Vec<f64>, usize)> {
    let prediction = Prediction::Preconditioned { data_std: 0.6 };
    let training = Training { process: process.clone(), prediction, time_scale: 1000.0, clip: None };
    let denoiser = NetworkDenoiser::new(Arc::new(unet(gpu)), training);
    let draw = Draw {
        device: gpu,
        dtype: sampler.dtype(),
        shape: &[1, 12, 8],
        samples: 0..3,
        batch: 2,
        noise: Noise::new(4),
        condition: Condition::None,
    };
    // Kept, and read when all is done: a replay must not write what was shown before.
    let mut shown = vec![];
    let syncs = gpu.pool().account().syncs;
    let drawn = methods::sample(&denoiser, &sampler.table(process, grid)?, &draw, &mut |moment: &Moment| {
        shown.extend([moment.x.clone(), moment.clean.clone()]);
        Ok(())
    })?;
    let syncs = gpu.pool().account().syncs - syncs;
    shown.push(drawn);
    let mut all = vec![];
    for tensor in shown {
        all.extend(tensor.to_f64()?);
    }
    Ok((all, syncs))
}

#[test]
fn samplers_by_recorded_steps_have_the_same_bits() -> methods::Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let (vp, edm) = (Process::variance_preserving(), Process::edm());
    let churn = Churn { amount: 2.0, min: 0.05, max: 50.0, scale: 1.003 };
    let rules = [
        (&vp, Sampler::EulerMaruyama, Grid::uniform(&vp, 5)?),
        (&vp, Sampler::ProbabilityFlow { order: Order::Heun }, Grid::quadratic(&vp, 4)?),
        (&edm, Sampler::EdmHeun { churn }, Grid::karras(&edm, 4)?),
    ];
    for (process, sampler, grid) in rules {
        let mut ways = vec![];
        for recorded in [false, true] {
            gpu.prefer_graphs(recorded);
            let (before, replays) = (gpu.work(), gpu.pool().account().replays);
            let (numbers, syncs) = run(&gpu, process, sampler, &grid)?;
            assert_eq!(syncs, 0, "{sampler:?}, recorded: {recorded}");
            assert_eq!(gpu.pool().account().replays > replays, recorded, "{sampler:?}");
            assert!(numbers.iter().all(|x| x.is_finite()));
            ways.push((numbers, gpu.work().flops - before.flops, gpu.work().bytes - before.bytes));
        }
        let [(plain, flops, bytes), (recorded, their_flops, their_bytes)] = &ways[..] else { unreachable!() };
        assert!(plain == recorded, "{sampler:?}");
        // The work is counted however it is asked for; a recorded step copies its row of the table besides.
        let ratio = *flops as f64 / *their_flops as f64;
        assert!((ratio - 1.0).abs() < 0.05 && bytes < their_bytes, "{sampler:?}: {flops} and {their_flops} operations");
    }
    Ok(())
}

/// Updates of a network by Adam with clipping and a moving average; step 3 of 6 is given what is not finite, where asked.
fn trained(gpu: &Device, recorded: bool, spoilt: bool) -> nn::Result<(Vec<f64>, Vec<String>)> {
    let model = unet(gpu);
    let settings = Adam { weight_decay: 0.01, ..Adam::default() };
    let mut optimizer = Optimizer::new(model.trainable(), settings)?.clip(0.5);
    let mut ema = Ema::new(model.trainable(), 0.99)?.warm_up();
    let time = Tensor::from_slice(gpu, &[2], &[100f32, 700.0])?;
    let draw = |step| Tensor::normal(gpu, DType::F32, &[2, 1, 12, 8], &Stream { seed: 2, purpose: 1, step }, 0);
    let gradients = |x: &Tensor| -> nn::Result<Vec<Option<Var>>> {
        let x = Var::constant(x.clone());
        let loss = model.forward(&x, &time)?.sub(&x)?.square()?.mean()?;
        let vars: Vec<Var> = model.trainable().iter().map(|(_, param)| param.var()).collect();
        Ok(grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default())?.into_vars())
    };
    let numbers = |values: &[f64]| Tensor::from_slice(gpu, &[values.len()], values);
    let (mut x, mut table, mut rate) = (draw(0)?, numbers(&[0.0; 8])?, numbers(&[0.0])?);
    let (mut graph, mut told) = (None, vec![]);
    for step in 0..6 {
        let mut input = draw(step)?;
        if spoilt && step == 3 {
            input = input.scale(f64::INFINITY)?;
        }
        let lr = 1e-2 / f64::from(step + 1);
        if !recorded {
            told.push(optimizer.step(&gradients(&input)?, lr)?.to_string());
            ema.update()?;
            continue;
        }
        x.overwrite(&input)?;
        table.overwrite(&numbers(&optimizer.numbers(lr))?)?;
        rate.overwrite(&numbers(&[ema.rate()])?)?;
        let update = || -> nn::Result<(Tensor, Tensor)> {
            let told = optimizer.record_step(&gradients(&x)?, &table)?;
            ema.record_update(&rate)?;
            Ok(told)
        };
        let (norm, squares) = match &mut graph {
            None => {
                let ((norm, squares), _) = gpu.rehearse(update)?;
                graph = Some(gpu.record(update)?);
                (norm.item()?, squares.to_vec::<f64>()?)
            }
            Some((graph, (norm, squares))) => {
                let before = model.trainable()[0].1.value().storage().version();
                graph.replay()?;
                assert!(model.trainable()[0].1.value().storage().version() > before, "what a replay writes is newer");
                (norm.item()?, squares.to_vec()?)
            }
        };
        told.push(match optimizer.check(&squares) {
            Ok(()) => norm.to_string(),
            Err(error) => error.to_string(),
        });
    }
    let mut all = vec![];
    for (_, param) in model.trainable() {
        all.extend(param.value().to_f64()?);
    }
    ema.swap()?;
    for (_, param) in model.trainable() {
        all.extend(param.value().to_f64()?);
    }
    Ok((all, told))
}

#[test]
fn recorded_updates_have_the_same_bits() -> nn::Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let (weights, norms) = trained(&gpu, true, false)?;
    assert_eq!((weights, norms.clone()), trained(&gpu, false, false)?);
    let (weights, told) = trained(&gpu, true, true)?;
    assert!(weights.iter().all(|weight| weight.is_finite()));
    assert_eq!(told[..3], norms[..3]);
    assert!(told[3].contains("is not finite in step 4"), "{}", told[3]);
    Ok(())
}
