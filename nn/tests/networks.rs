//! What every network promises: bits that do not depend on the batch or the threads, gradients for every parameter, and
//! sentences for what does not fit.

use autograd::{Device, Grad, Tensor, Var, grad};
use nn::{Cnn, CnnConfig, Init, Mlp, MlpConfig, Module, Network, UNet2D, UNet2DConfig};
use tensor::DType;
use tensor::ops::random::Stream;

const NOISE: Stream = Stream { seed: 4, purpose: 1, step: 0 };

fn noise(device: &Device, shape: &[usize]) -> Tensor {
    Tensor::normal(device, DType::F32, shape, &NOISE, 0).unwrap()
}

fn times(device: &Device, n: usize) -> Tensor {
    let times: Vec<f32> = (0..n).map(|i| 999.0 * (i as f32 + 0.3) / n as f32).collect();
    Tensor::from_slice(device, &[n], &times).unwrap()
}

fn unet(device: &Device, modulated: bool) -> UNet2D {
    let config = UNet2DConfig {
        in_channels: 2,
        out_channels: 2,
        block_out_channels: vec![16, 32],
        down_block_types: vec!["DownBlock2D".into(), "AttnDownBlock2D".into()],
        up_block_types: vec!["AttnUpBlock2D".into(), "UpBlock2D".into()],
        norm_num_groups: 4,
        layers_per_block: 1,
        resnet_time_scale_shift: if modulated { "scale_shift" } else { "default" }.into(),
        ..UNet2DConfig::default()
    };
    UNet2D::new(config, &mut Init::seeded(device, 1)).unwrap()
}

fn mlp(device: &Device) -> Mlp {
    Mlp::new(MlpConfig { hidden: vec![40, 24], ..MlpConfig::default() }, &mut Init::seeded(device, 1)).unwrap()
}

/// Every network with the shape of a sample.
fn networks(device: &Device) -> Vec<(Box<dyn Network>, Vec<usize>)> {
    vec![
        (Box::new(unet(device, false)), vec![2, 12, 10]),
        (Box::new(unet(device, true)), vec![2, 12, 10]),
        (Box::new(mlp(device)), vec![2]),
    ]
}

/// The result for `n` samples, and the gradient by the samples of its sum of squares.
fn run(network: &dyn Network, x: Tensor, times: &Tensor) -> [Vec<f32>; 2] {
    let x = Var::leaf(x);
    let y = network.forward(&x, times).unwrap();
    let loss = y.square().unwrap().sum().unwrap();
    let gradient = grad(&loss, &[&x], Grad::default()).unwrap();
    [y.value().to_vec().unwrap(), gradient.get(0).unwrap().value().to_vec().unwrap()]
}

#[test]
fn a_row_has_the_same_bits_whatever_the_batch() {
    let device = Device::cpu(2);
    for (network, own) in networks(&device) {
        let shape: Vec<usize> = [8].iter().chain(&own).copied().collect();
        let (x, t) = (noise(&device, &shape), times(&device, 8));
        let all = run(&*network, x.clone(), &t);
        for i in [0, 3, 7] {
            let one = run(&*network, x.narrow(0, i, 1).unwrap().contiguous().unwrap(), &t.narrow(0, i, 1).unwrap());
            for (all, one) in all.iter().zip(&one) {
                assert_eq!(&all[i * one.len()..(i + 1) * one.len()], one, "row {i}");
            }
        }
        // One time for all is that time for each.
        let same = Tensor::from_slice(&device, &[8], &[500.5f32; 8]).unwrap();
        assert_eq!(run(&*network, x.clone(), &same)[0], run(&*network, x, &same.narrow(0, 0, 1).unwrap())[0]);
    }
}

#[test]
fn threads_change_no_bit() {
    let results = [1, 2].map(|threads| {
        let device = Device::cpu(threads);
        let each = networks(&device).into_iter().map(|(network, own)| {
            let shape: Vec<usize> = [5].iter().chain(&own).copied().collect();
            let y = network.forward(&Var::constant(noise(&device, &shape)), &times(&device, 5)).unwrap();
            let params = network.parameters();
            let vars: Vec<Var> = params.iter().map(|param| param.var()).collect();
            let loss = y.square().unwrap().sum().unwrap();
            let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap();
            gradients.into_vars().into_iter().map(|g| g.unwrap().value().to_vec::<f32>().unwrap()).collect::<Vec<_>>()
        });
        each.collect::<Vec<_>>()
    });
    assert!(results[0] == results[1]);
    assert!(results[0].iter().flatten().all(|gradient| gradient.iter().all(|x| x.is_finite())));
}

#[test]
fn a_frozen_network_passes_gradients_and_keeps_none() {
    let device = Device::cpu(1);
    let network = unet(&device, false);
    network.set_trainable(false);
    let x = noise(&device, &[1, 2, 4, 4]);
    assert!(!network.forward(&Var::constant(x.clone()), &times(&device, 1)).unwrap().is_active());
    let [_, gradient] = run(&network, x, &times(&device, 1));
    assert!(gradient.iter().any(|x| *x != 0.0));
}

#[test]
fn images_stay_channels_last_from_end_to_end() {
    let device = Device::cpu(1);
    let y = unet(&device, false).forward(&Var::constant(noise(&device, &[2, 2, 8, 8])), &times(&device, 2)).unwrap();
    assert!(y.value().layout().is_channels_last());
}

#[test]
fn what_does_not_fit_is_said() {
    let device = Device::cpu(1);
    let said = |network: &dyn Network, shape: &[usize], n: usize| {
        let error = network.forward(&Var::constant(noise(&device, shape)), &times(&device, n)).unwrap_err();
        assert!(error.is_usage());
        error.to_string()
    };
    let unet = unet(&device, false);
    assert_eq!(said(&unet, &[2, 3, 8, 8], 2), "the model takes images of 2 channels, not 3: give [n, 2, h, w]");
    assert_eq!(said(&unet, &[2, 8, 8], 2), "a U-Net takes images [n, c, h, w], not [2, 8, 8]");
    assert!(
        said(&unet, &[1, 2, 7, 8], 1).contains("images of 7x8: this model halves them, so both must be multiples of 2")
    );
    assert_eq!(said(&unet, &[2, 2, 8, 8], 3), "timesteps [3] for 2 samples: give one for each, or one for all");
    assert_eq!(said(&mlp(&device), &[4, 3], 4), "the model takes samples of 2 numbers, not [4, 3]");
    let bad = MlpConfig { hidden: vec![0], ..MlpConfig::default() };
    assert!(Mlp::new(bad, &mut Init::seeded(&device, 1)).is_err());
    let bad = CnnConfig { groups: 7, ..CnnConfig::default() };
    let error = Cnn::new(bad, &mut Init::seeded(&device, 1)).err().unwrap().to_string();
    assert!(error.contains("`groups`: 7"), "{error}");
}

#[test]
fn a_network_without_time_does_not_hear_it() {
    let device = Device::cpu(1);
    let config = MlpConfig { time_features: 0, inputs: 6, outputs: 1, hidden: vec![5], ..MlpConfig::default() };
    let network = Mlp::new(config, &mut Init::seeded(&device, 1)).unwrap();
    let x = Var::constant(noise(&device, &[3, 2, 3]));
    let [a, b] = [1.0f32, 9.0].map(|t| {
        let t = Tensor::from_slice(&device, &[1], &[t]).unwrap();
        network.forward(&x, &t).unwrap()
    });
    assert_eq!(a.shape(), [3, 1]);
    assert_eq!(a.value().to_vec::<f32>().unwrap(), b.value().to_vec::<f32>().unwrap());
}

#[test]
fn a_classifier_learns_four_images_by_heart() {
    let device = Device::cpu(1);
    let config =
        CnnConfig { channels: vec![8, 16], layers_per_level: 1, groups: 4, classes: 4, ..CnnConfig::default() };
    let cnn = Cnn::new(config, &mut Init::seeded(&device, 2)).unwrap();
    let (x, labels) =
        (Var::constant(noise(&device, &[4, 1, 9, 8])), Tensor::from_slice(&device, &[4], &[2i64, 0, 3, 1]).unwrap());
    assert_eq!(cnn.features(&x).unwrap().shape(), [4, 16]);
    let mut optimizer = nn::Optimizer::new(cnn.trainable(), nn::Adam::default()).unwrap().clip(1.0);
    let mut losses = Vec::new();
    for step in 0..60 {
        let loss = cnn.logits(&x).unwrap().cross_entropy(&labels).unwrap().mean().unwrap();
        losses.push(loss.value().item().unwrap());
        let vars = optimizer.vars();
        let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap().into_vars();
        optimizer.step(&gradients, 0.03 * nn::Schedule::one_cycle(60).factor(step)).unwrap();
    }
    assert!(losses[0] > 1.0 && losses[59] < 0.05, "{losses:?}");
}

/// Counted by hand from the shapes of its convolutions and products, U-Net A does .380 GFLOP an image.
#[test]
fn a_forward_pass_costs_what_its_shapes_say() {
    let device = Device::cpu(2);
    let blocks = |way: &str| ["", "", "Attn"].map(|attention| format!("{attention}{way}Block2D")).to_vec();
    let config = UNet2DConfig {
        in_channels: 1,
        out_channels: 1,
        block_out_channels: vec![32, 64, 64],
        down_block_types: blocks("Down"),
        up_block_types: blocks("Up").into_iter().rev().collect(),
        norm_num_groups: 8,
        attention_head_dim: Some(8),
        layers_per_block: 1,
        ..UNet2DConfig::default()
    };
    let network = UNet2D::new(config, &mut Init::seeded(&device, 1)).unwrap();
    let flops = |n: usize| {
        let before = device.work().flops;
        network.forward(&Var::constant(noise(&device, &[n, 1, 28, 28])), &times(&device, n)).unwrap();
        device.work().flops - before
    };
    let one = flops(1) as f64;
    assert!((one / 0.380e9 - 1.0).abs() < 0.03, "{one}");
    assert_eq!(flops(5), 5 * flops(1));
}
