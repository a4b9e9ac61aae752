//! `UNet2D` against recorded runs of diffusers' `UNet2DModel`: output and every gradient, in f64 to rounding, and in f32
//! within a small multiple of what PyTorch's own f32 run is off. The bounds are those of `fixtures/NOTES.md`.

use autograd::{DType, Device, Grad, Tensor, Var, grad};
use consort_tests::fixture;
use nn::{Module, Network, SavedState, UNet2D};

/// A recorded run.
struct Recorded {
    name: &'static str,
    file: SavedState,
    device: Device,
}

/// What the model here makes of the same inputs, by the names of the record; gradients sorted by name.
struct Computed {
    out: Vec<f64>,
    gradients: Vec<(String, Vec<f64>)>,
}

/// An error in the form of the record: the largest, the root mean square, and the same of the reference.
#[derive(Clone, Copy)]
struct Error {
    max: f64,
    rms: f64,
    reference_max: f64,
    reference_rms: f64,
}

impl Recorded {
    fn read(name: &'static str) -> Recorded {
        let file = SavedState::read(&fixture(name).join("expected.safetensors")).unwrap();
        Recorded { name, file, device: Device::cpu(2) }
    }

    fn tensor(&self, name: &str) -> Tensor {
        self.file.tensor(name, &self.device).unwrap()
    }

    fn numbers(&self, name: &str) -> Vec<f64> {
        self.tensor(name).to_f64().unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.file.names().any(|own| own == name)
    }

    fn error(&self, name: &str) -> Error {
        let [max, rms, reference_max, reference_rms] = self.numbers(&format!("error.{name}")).try_into().unwrap();
        Error { max, rms, reference_max, reference_rms }
    }

    fn run(&self, dtype: DType) -> Computed {
        let model: UNet2D = nn::checkpoint::load_as(&fixture(self.name), &self.device, dtype).unwrap();
        let sample = Var::leaf(self.tensor("sample").cast(dtype).unwrap());
        let out = model.forward(&sample, &self.tensor("timestep")).unwrap();
        let mut params = model.named_parameters();
        params.sort_by(|a, b| a.0.cmp(&b.0));
        let vars: Vec<Var> = params.iter().map(|(_, param)| param.var()).chain([sample]).collect();
        let cotangent = Some(Var::constant(self.tensor("cotangent").cast(dtype).unwrap()));
        let gradients = grad(&out, &vars.iter().collect::<Vec<_>>(), Grad { cotangent, ..Grad::default() }).unwrap();
        let names = params.into_iter().map(|(name, _)| name).chain(["sample".to_owned()]);
        let gradients = names.zip(gradients.into_vars()).map(|(name, g)| (name, g.unwrap().value().to_f64().unwrap()));
        Computed { out: out.value().to_f64().unwrap(), gradients: gradients.collect() }
    }
}

impl Error {
    fn between(got: &[f64], want: &[f64]) -> Error {
        assert_eq!(got.len(), want.len());
        let difference: Vec<f64> = got.iter().zip(want).map(|(a, b)| a - b).collect();
        Error { max: max(&difference), rms: rms(&difference), reference_max: max(want), reference_rms: rms(want) }
    }
}

fn max(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |max, x| max.max(x.abs()))
}

fn rms(x: &[f64]) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len().max(1) as f64).sqrt()
}

/// Eight dot products with random signs, as the recording script defines them for parameter `index` in order of names.
fn projections(index: usize, gradient: &[f64]) -> Vec<f64> {
    let sign = |p: u64, i: usize| {
        let state = ((index as u64) << 48) | (p << 40) | i as u64;
        let z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        if (z ^ (z >> 31)) >> 63 == 1 { -1.0 } else { 1.0 }
    };
    (0..8).map(|p| gradient.iter().enumerate().map(|(i, x)| sign(p, i) * x).sum()).collect()
}

/// Exactly 0 in exact arithmetic, so no relative bound applies.
fn is_noise(name: &str) -> bool {
    name.ends_with("to_k.bias")
}

/// What is allowed beyond those bounds: the sums of f32 convolutions are single chains as yet.
const SLACK: f64 = 2.0;

/// In f64 nothing but the rounding of the record is left.
fn check_f64(recorded: &Recorded, computed: &Computed) {
    let close = |name: &str, got: &[f64], want: &[f64], relative: f64| {
        let error = Error::between(got, want);
        let bound = relative * error.reference_max.max(1e-3);
        assert!(error.max <= bound, "{} {name}: off by {:.2e}, allowed {bound:.2e}", recorded.name, error.max);
    };
    close("out", &computed.out, &recorded.numbers("out64"), 1e-13);
    for (index, (name, gradient)) in computed.gradients.iter().enumerate() {
        if recorded.has(&format!("grad.{name}")) {
            close(name, gradient, &recorded.numbers(&format!("grad.{name}")), 1e-7);
        } else {
            close(name, &gradient[..256], &recorded.numbers(&format!("head.{name}")), 1e-7);
            close(name, &projections(index, gradient), &recorded.numbers(&format!("proj.{name}")), 1e-11);
        }
    }
}

fn check_f32(recorded: &Recorded, computed: &Computed) {
    let mut broken = Vec::new();
    let mut at_most = |what: &str, name: &str, got: f64, bound: f64| {
        if got.is_nan() || got > SLACK * bound {
            broken.push(format!("{name}: {what} {got:.2e}, allowed {bound:.2e}"));
        }
    };
    let (own, theirs) = (Error::between(&computed.out, &recorded.numbers("out64")), recorded.error("out"));
    at_most("max", "out", own.max, 2.0 * theirs.max);
    at_most("rms", "out", own.rms, 2.0 * theirs.rms);
    println!("{}: out {:.2} x PyTorch's rms error", recorded.name, own.rms / theirs.rms);

    // Squares of errors, each relative to its tensor, of all elements together: ours and theirs.
    let mut pooled = [0.0; 2];
    for (index, (name, gradient)) in computed.gradients.iter().enumerate() {
        let theirs = recorded.error(&format!("grad.{name}"));
        if is_noise(name) {
            let weight = recorded.error(&format!("grad.{}", name.replace("bias", "weight")));
            at_most("max", name, max(gradient), 5e-5 * weight.reference_max);
        } else if recorded.has(&format!("grad.{name}")) {
            let own = Error::between(gradient, &recorded.numbers(&format!("grad.{name}")));
            at_most("rms", name, own.rms, 2.0 * theirs.rms + 1e-5 * theirs.reference_rms);
            if gradient.len() >= 64 {
                at_most("rms", name, own.rms, 2.0 * theirs.rms);
                at_most("max", name, own.max, 3.0 * theirs.max);
            }
            for (sum, error) in pooled.iter_mut().zip([own, theirs]) {
                *sum += gradient.len() as f64 * (error.rms / theirs.reference_rms).powi(2);
            }
        } else {
            let head = Error::between(&gradient[..256], &recorded.numbers(&format!("head.{name}")));
            at_most("max", name, head.max, 3.0 * theirs.max);
            let own = Error::between(&projections(index, gradient), &recorded.numbers(&format!("proj.{name}")));
            at_most("rms of projections", name, own.rms, 2.0 * (gradient.len() as f64).sqrt() * theirs.rms);
            at_most("max of projections", name, own.max, 5.0 * recorded.error(&format!("proj.{name}")).max);
        }
    }
    let ratio = (pooled[0] / pooled[1]).sqrt();
    println!("{}: gradients {ratio:.2} x PyTorch's rms error", recorded.name);
    at_most("pooled", "gradients", ratio, 1.5);
    assert!(broken.is_empty(), "{} {broken:#?}", recorded.name);
}

fn check(name: &'static str) {
    let recorded = Recorded::read(name);
    check_f64(&recorded, &recorded.run(DType::F64));
    check_f32(&recorded, &recorded.run(DType::F32));
}

#[test]
fn a_plain_model_of_useful_size() {
    check("unet-a");
}

#[test]
fn odd_channels_and_several_heads() {
    check("unet-odd");
}

#[test]
fn every_other_option_at_once() {
    check("unet-variant");
}

#[test]
fn no_attention_in_the_middle_and_heads_that_leave_channels_over() {
    check("unet-min");
}
