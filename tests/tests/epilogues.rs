//! What a product goes through before it is stored, on every device and by every version of a kernel: the same as the ops
//! one after the other. On the processor bit for bit; on a GPU, or its stand-in (`scripts/emulated-gpu`), against f64.

use tensor::ops::conv::Conv;
use tensor::ops::epilogue::Epilogue;
use tensor::ops::pointwise::Function;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Result, Tensor};

const ACTIVATIONS: [Option<Function>; 4] = [None, Some(Function::Silu), Some(Function::Gelu), Some(Function::Tanh)];

/// A product with its epilogue: of rows, or of images.
type Product = fn(&[Tensor], &Epilogue) -> Result<Tensor>;

fn rows(x: &[Tensor], epilogue: &Epilogue) -> Result<Tensor> {
    x[0].linear_with(&x[1], epilogue)
}

fn images(x: &[Tensor], epilogue: &Epilogue) -> Result<Tensor> {
    let p = Conv { groups: x[0].shape()[1] / x[1].shape()[1], ..Conv::padded(1) };
    x[0].conv2d_with(&x[1], epilogue, &p)
}

/// Operands, a bias and a residual: shapes that fill no tile, aligned and not, one group and two.
fn cases() -> Vec<(Product, [Vec<usize>; 4])> {
    let of = |shapes: [&[usize]; 4]| shapes.map(<[usize]>::to_vec);
    vec![
        (rows, of([&[77, 40], &[72, 40], &[72], &[77, 72]])),
        (rows, of([&[2, 9, 24], &[67, 24], &[67], &[2, 9, 67]])),
        (rows, of([&[3, 5], &[4, 5], &[4], &[3, 4]])),
        (images, of([&[2, 16, 6, 5], &[24, 16, 3, 3], &[24], &[2, 24, 6, 5]])),
        (images, of([&[1, 16, 5, 4], &[20, 8, 3, 3], &[20], &[1, 20, 5, 4]])),
    ]
}

fn draw(device: &Device, dtype: DType, shapes: &[Vec<usize>; 4]) -> Result<Vec<Tensor>> {
    let one = |(purpose, shape): (u32, &Vec<usize>)| {
        let stream = Stream { seed: 5, purpose: purpose as _, step: 0 };
        Tensor::normal(&Device::cpu(1), DType::F32, shape, &stream, 0)?.cast(dtype)?.to_device(device)
    };
    (0..).zip(shapes).map(one).collect()
}

/// The ops one after the other.
fn apart(product: Product, x: &[Tensor], activation: Option<Function>, adds: bool) -> Result<Tensor> {
    let mut y = product(x, &Epilogue::bias(Some(&x[2])))?;
    if let Some(function) = activation {
        y = y.map(function, 0)?;
    }
    if adds { y.add(&x[3]) } else { Ok(y) }
}

#[test]
fn on_the_processor_bits_are_those_of_the_ops_apart() -> Result<()> {
    for threads in [1, 2] {
        let cpu = Device::cpu(threads);
        for dtype in [DType::F32, DType::F64] {
            for (product, shapes) in cases() {
                let x = draw(&cpu, dtype, &shapes)?;
                for activation in ACTIVATIONS {
                    for residual in [None, Some(&x[3])] {
                        let got = product(&x, &Epilogue { bias: Some(&x[2]), activation, residual })?;
                        let want = apart(product, &x, activation, residual.is_some())?;
                        assert_eq!(got.to_f64()?, want.to_f64()?, "{shapes:?} {dtype} {activation:?}");
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_residual_of_another_order_or_shape() -> Result<()> {
    let cpu = Device::cpu(1);
    let (product, shapes) = &cases()[3];
    let x = draw(&cpu, DType::F32, shapes)?;
    let rowwise = x[3].contiguous()?;
    let with = |residual: &Tensor| product(&x, &Epilogue { residual: Some(residual), ..Epilogue::default() });
    assert_eq!(with(&rowwise)?.to_f64()?, with(&x[3].channels_last()?)?.to_f64()?);
    let told = with(&x[0]).unwrap_err().to_string();
    assert!(told.contains("[2, 16, 6, 5]") && told.contains("[2, 24, 6, 5]"), "{told}");
    Ok(())
}

#[test]
fn on_a_gpu_every_version_agrees_with_f64() -> Result<()> {
    let Some(gpu) = consort_tests::gpu() else { return Ok(()) };
    let cpu = Device::cpu(1);
    // What sums, and the short forms of activations, may be off by.
    for (dtype, slack) in [(DType::F32, 5e-5), (DType::F64, 1e-11), (DType::BF16, 2e-4), (DType::F16, 2e-4)] {
        for (product, shapes) in cases() {
            let (here, there) = (draw(&cpu, dtype, &shapes)?, draw(&gpu, dtype, &shapes)?);
            let wide = here.iter().map(|x| x.cast(DType::F64)).collect::<Result<Vec<_>>>()?;
            for (activation, adds, version) in choices() {
                gpu.limit_version(version);
                let residual = adds.then_some(&there[3]);
                let got = product(&there, &Epilogue { bias: Some(&there[2]), activation, residual })?.to_f64()?;
                let want = apart(product, &wide, activation, adds)?.to_f64()?;
                for (got, want) in got.into_iter().zip(want) {
                    // Rounded once; or, where an activation is not fused, before and after it and the sum.
                    let allowed = slack + 3.0 * dtype.epsilon() * (want.abs() + 4.0);
                    let told = format!("{shapes:?} {dtype} {activation:?} {adds} by version {version}");
                    assert!((got - want).abs() <= allowed, "{told}: {got}, expected {want}");
                }
            }
        }
    }
    Ok(())
}

/// Every activation with and without a residual, by each version.
fn choices() -> impl Iterator<Item = (Option<Function>, bool, u8)> {
    ACTIVATIONS.into_iter().flat_map(|activation| {
        [1, 2, 3].into_iter().flat_map(move |version| [(activation, false, version), (activation, true, version)])
    })
}

#[test]
fn sixteen_bits_are_rounded_once_where_an_activation_is_fused() -> Result<()> {
    let Some(gpu) = consort_tests::gpu() else { return Ok(()) };
    let (product, shapes) = &cases()[0];
    for version in [2, 3] {
        gpu.limit_version(version);
        for activation in [None, Some(Function::Silu), Some(Function::Gelu)] {
            let (there, here) = (draw(&gpu, DType::BF16, shapes)?, draw(&Device::cpu(1), DType::BF16, shapes)?);
            let wide = here.iter().map(|x| x.cast(DType::F64)).collect::<Result<Vec<_>>>()?;
            let epilogue = Epilogue { bias: Some(&there[2]), activation, residual: Some(&there[3]) };
            let got = product(&there, &epilogue)?.to_f64()?;
            let want = apart(*product, &wide, activation, true)?.to_f64()?;
            for (got, want) in got.into_iter().zip(want) {
                let allowed = 1e-3 + 0.5 * DType::BF16.epsilon() * want.abs();
                assert!((got - want).abs() <= allowed, "{activation:?} by version {version}: {got}, expected {want}");
            }
        }
    }
    Ok(())
}
