//! Training in steady state: what an update needs lies where that of an earlier one lay.

use autograd::{DType, Device, Grad, Tensor, Var, grad};
use nn::{Adam, Ema, Init, Module, Network, Optimizer, UNet2D, UNet2DConfig};
use tensor::ops::random::Stream;

fn network(device: &Device) -> UNet2D {
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

#[test]
fn updates_ask_the_system_for_no_memory_and_read_back_one_number_each() {
    let device = Device::cpu(2);
    let model = network(&device);
    let mut optimizer = Optimizer::new(model.trainable(), Adam::default()).unwrap().clip(1.0);
    let mut average = Ema::new(model.trainable(), 0.99).unwrap();
    let times = Tensor::from_slice(&device, &[3], &[10.0f32, 400.0, 900.0]).unwrap();
    let mut update = |step: u32| {
        let x = Tensor::normal(&device, DType::F32, &[3, 1, 12, 8], &Stream { seed: 1, purpose: 0, step }, 0);
        let x = Var::constant(x.unwrap());
        let loss = model.forward(&x, &times).unwrap().sub(&x).unwrap().square().unwrap().mean().unwrap();
        let vars = optimizer.vars();
        let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default()).unwrap();
        optimizer.step(&gradients.into_vars(), 1e-3).unwrap();
        average.update().unwrap();
    };
    (0..3).for_each(&mut update);
    let before = device.pool().account();
    (3..10).for_each(&mut update);
    let after = device.pool().account();
    assert_eq!(after.system_allocations, before.system_allocations);
    assert_eq!((after.reserved, after.requested), (before.reserved, before.requested));
    // The norm that clipping reports.
    assert_eq!(after.syncs - before.syncs, 7);
}
