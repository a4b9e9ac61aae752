//! `consort forward` from outside: the numbers of the library, and sentences for what does not fit.

use consort::{autograd, nn, tensor};
use nn::{Architecture, Init, SavedState, State};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;
use tensor::{DType, Device, Tensor};

/// One for all, as tensors of two do not mix.
fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| Device::cpu(1)).clone()
}

/// A folder with small models, and `input.safetensors` for the U-Net among them.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    save(&home.path().join("unet"), &unet());
    let config = nn::CnnConfig { channels: vec![8], groups: 4, ..nn::CnnConfig::default() };
    save(&home.path().join("judge"), &nn::Cnn::new(config, &mut Init::seeded(&device(), 2)).unwrap());
    write_input(&home.path().join("input.safetensors"), &["sample", "timestep"], &[2, 1, 28, 28]);
    home
}

fn unet() -> nn::UNet2D {
    let config = nn::UNet2DConfig {
        in_channels: 1,
        out_channels: 1,
        block_out_channels: vec![8],
        down_block_types: vec!["DownBlock2D".into()],
        up_block_types: vec!["UpBlock2D".into()],
        norm_num_groups: 4,
        layers_per_block: 1,
        ..nn::UNet2DConfig::default()
    };
    nn::UNet2D::new(config, &mut Init::seeded(&device(), 1)).unwrap()
}

fn save(folder: &Path, model: &impl Architecture) {
    nn::save(folder, model, DType::F32).unwrap();
}

fn sample(shape: &[usize]) -> Tensor {
    let count = shape.iter().product::<usize>();
    let numbers: Vec<f32> = (0..count).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
    Tensor::from_slice(&device(), shape, &numbers).unwrap()
}

fn times() -> Tensor {
    Tensor::from_slice(&device(), &[2], &[10.0f32, 500.0]).unwrap()
}

fn write_input(path: &Path, names: &[&str], shape: &[usize]) {
    let mut state = State::default();
    for name in names {
        let tensor = if *name == "sample" { sample(shape) } else { times() };
        state.tensors.insert((*name).into(), tensor);
    }
    state.save(path).unwrap();
}

fn forward(home: &Path, model: &str, input: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consort"));
    command.args(["forward", model, "--input", input, "--output", "out.safetensors"]).args(more);
    command.current_dir(home).env("CONSORT_MODELS", home).output().unwrap()
}

/// The sentence of a refusal, which leaves nothing.
fn refusal(home: &Path, model: &str, input: &str, more: &[&str]) -> String {
    let output = forward(home, model, input, more);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{told}");
    assert!(!home.join("out.safetensors").exists(), "{told}");
    let sentence = told.strip_prefix("error: ").and_then(|told| told.strip_suffix('\n')).unwrap().to_owned();
    assert!(!sentence.contains('\n'), "{sentence}");
    sentence
}

#[test]
fn the_librarys_numbers() {
    let home = home();
    let output = forward(home.path(), "unet", "input.safetensors", &["--json", "--threads=1"]);
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    let line = String::from_utf8(output.stdout).unwrap();
    assert!(line.contains(r#""command":"forward","method":"unet","device":"cpu","threads":1"#), "{line}");
    assert!(line.contains(r#""metrics":{"shape":[2,1,28,28]},"out":"out.safetensors""#), "{line}");
    let got = SavedState::read(&home.path().join("out.safetensors")).unwrap().tensor("out", &device()).unwrap();
    let input = autograd::Var::constant(sample(&[2, 1, 28, 28]));
    let want = nn::Network::forward(&unet(), &input, &times()).unwrap();
    assert_eq!(got.to_vec::<f32>().unwrap(), want.value().to_vec::<f32>().unwrap());
}

#[test]
fn a_classifier_needs_no_time() {
    let home = home();
    write_input(&home.path().join("images.safetensors"), &["sample"], &[3, 1, 28, 28]);
    let output = forward(home.path(), "judge", "images.safetensors", &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().next(), Some("shape  [3,10]"));
}

#[test]
fn what_does_not_fit() {
    let home = home();
    let home = home.path();
    write_input(&home.join("timeless.safetensors"), &["sample"], &[2, 1, 28, 28]);
    let add = "timeless.safetensors has no tensor `timestep`: add one time for each sample, [n], or one for all, [1]";
    assert_eq!(refusal(home, "unet", "timeless.safetensors", &[]), add);

    write_input(&home.join("colour.safetensors"), &["sample", "timestep"], &[2, 3, 28, 28]);
    let colour = refusal(home, "unet", "colour.safetensors", &[]);
    assert_eq!(colour, "the model takes images of 1 channels, not 3: give [n, 1, h, w]");
    for (name, shape) in [("flat", &[2, 784][..]), ("three", &[3, 1, 28, 28]), ("none", &[])] {
        let name = format!("{name}.safetensors");
        write_input(&home.join(&name), &["sample", "timestep"], shape);
        refusal(home, "unet", &name, &[]);
    }

    let mut lying = fs::read(home.join("input.safetensors")).unwrap();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(home.join("lying.safetensors"), lying).unwrap();
    assert!(refusal(home, "unet", "lying.safetensors", &[]).contains("its header claims 18446744073709551615 bytes"));

    assert!(refusal(home, "unet", "nowhere.safetensors", &[]).contains("nowhere.safetensors"));
    assert!(refusal(home, "teapot", "input.safetensors", &[]).starts_with("there is no model `teapot` in "));
    assert!(refusal(home, "unet", "input.safetensors", &["--device", "tpu"]).contains("use `--device cpu`"));
    let threads = "--threads 9999: give a whole number from 0 to 1024 threads, 0 for one on each core";
    assert_eq!(refusal(home, "unet", "input.safetensors", &["--threads", "9999"]), threads);
}

#[test]
fn weights_that_are_not_finite() {
    let home = home();
    let path = home.path().join("unet/diffusion_pytorch_model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    assert!(refusal(home.path(), "unet", "input.safetensors", &[]).contains("not finite"));
}

/// A limit on file sizes stands for a full disk: a few kilobytes, where the result takes 112.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_nothing() {
    let home = home();
    write_input(&home.path().join("images.safetensors"), &["sample"], &[2867, 1, 2, 2]);
    let program = env!("CARGO_BIN_EXE_consort");
    let words = "forward judge --input images.safetensors --output out.safetensors --models .";
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {program} {words}");
    let output = Command::new("sh").args(["-c", &script]).current_dir(home.path()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: cannot write out.safetensors: ") && told.lines().count() == 1, "{told}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 4, "two models and two inputs");
}
