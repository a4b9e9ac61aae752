//! Models in folders: what was saved comes back, and what does not fit, or is not what it claims, is said in a sentence.

use autograd::{DType, Device, Tensor};
use nn::checkpoint::{CONFIG, WEIGHTS, load_weights};
use nn::{Cnn, CnnConfig, Init, Kind, Linear, Mlp, MlpConfig, Module, UNet2D, UNet2DConfig, load, load_network, save};
use safetensors::SafeTensors;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn device() -> Device {
    Device::cpu(1)
}

fn unet() -> UNet2D {
    let config = UNet2DConfig {
        in_channels: 1,
        out_channels: 1,
        block_out_channels: vec![8, 16],
        down_block_types: vec!["DownBlock2D".into(), "AttnDownBlock2D".into()],
        up_block_types: vec!["AttnUpBlock2D".into(), "UpBlock2D".into()],
        norm_num_groups: 4,
        layers_per_block: 1,
        consort: Some([("data_std".to_owned(), 0.6162.into())].into_iter().collect()),
        ..UNet2DConfig::default()
    };
    UNet2D::new(config, &mut Init::seeded(&device(), 1)).unwrap()
}

fn numbers(module: &dyn Module) -> Vec<(String, Vec<f32>)> {
    module.named_parameters().into_iter().map(|(name, param)| (name, param.value().to_vec().unwrap())).collect()
}

fn folder(model: &UNet2D) -> TempDir {
    let folder = TempDir::new().unwrap();
    save(folder.path(), model, DType::F32).unwrap();
    folder
}

/// The error of loading `folder` as a U-Net: one line, but for lists.
fn refusal(folder: &Path) -> String {
    let error = load::<UNet2D>(folder, &device()).err().expect("an error");
    assert!(error.is_usage(), "{error}");
    error.to_string()
}

#[test]
fn what_was_saved_comes_back_bit_for_bit_with_its_configuration() {
    let model = unet();
    let folder = folder(&model);
    let back: UNet2D = load(folder.path(), &device()).unwrap();
    assert_eq!(numbers(&back), numbers(&model));
    assert_eq!(nn::Architecture::config(&back), nn::Architecture::config(&model));
    let pretrained = load_network(folder.path(), &device()).unwrap();
    assert_eq!(pretrained.extra["data_std"], 0.6162);
    assert!(pretrained.network.trainable().is_empty());
    // No file but the two, and the same bytes from the same model.
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let first = fs::read(folder.path().join(WEIGHTS)).unwrap();
    save(folder.path(), &back, DType::F32).unwrap();
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), first);
}

#[test]
fn other_software_reads_what_is_written() {
    let model = unet();
    let folder = folder(&model);
    let bytes = fs::read(folder.path().join(WEIGHTS)).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, param) in model.named_parameters() {
        let tensor = file.tensor(&name).unwrap();
        assert_eq!((tensor.shape(), tensor.dtype()), (&*param.shape(), safetensors::Dtype::F32));
        let want: Vec<u8> = param.value().to_vec::<f32>().unwrap().iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(tensor.data(), want);
    }
    assert_eq!(file.len(), model.named_parameters().len());
    let config: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join(CONFIG)).unwrap()).unwrap();
    assert_eq!(config["_class_name"], "UNet2DModel");
    assert_eq!(config["attention_head_dim"], 8);
}

#[test]
fn half_precision_files_hold_the_rounded_numbers() {
    let model = unet();
    for (dtype, bound) in [(DType::BF16, 2f32.powi(-8)), (DType::F16, 2f32.powi(-11)), (DType::F64, 0.0)] {
        let folder = TempDir::new().unwrap();
        save(folder.path(), &model, dtype).unwrap();
        let back: UNet2D = load(folder.path(), &device()).unwrap();
        for ((name, a), (_, b)) in numbers(&model).into_iter().zip(numbers(&back)) {
            // Below the normal numbers of f16 rounding is absolute.
            let close = |(a, b): (&f32, &f32)| (a - b).abs() <= bound * a.abs().max(6.2e-5);
            assert!(a.iter().zip(&b).all(close), "{name} as {dtype}");
        }
    }
}

#[test]
fn a_report_lists_what_is_missing_unexpected_and_of_another_shape() {
    let model = unet();
    let folder = folder(&model);
    let path = folder.path().join(WEIGHTS);
    let mut state = nn::State::default();
    state.add_module("", &model);
    state.tensors.remove("conv_in.bias");
    state.tensors.insert("conv_in.weight".into(), Tensor::zeros(&device(), DType::F32, &[8, 3, 3, 3]).unwrap());
    state.tensors.insert("extra".into(), Tensor::zeros(&device(), DType::F32, &[1]).unwrap());
    state.save(&path).unwrap();
    let before = numbers(&model);
    let error = load_weights(&path, &model).unwrap_err();
    assert_eq!(numbers(&model), before, "nothing was set");
    let Kind::Load { report, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(
        (&report.missing[..], &report.unexpected[..]),
        (&["conv_in.bias".to_owned()][..], &["extra".to_owned()][..])
    );
    let text = error.to_string();
    assert!(text.starts_with(&path.display().to_string()), "{text}");
    assert!(text.contains("(1 missing, 1 unexpected, 1 of another shape)"), "{text}");
    assert!(text.contains("conv_in.weight is [8, 3, 3, 3] in the file, [8, 1, 3, 3] in the model"), "{text}");
}

#[test]
fn old_names_of_attention_layers_are_understood() {
    let model = unet();
    let folder = folder(&model);
    let mut state = nn::State::default();
    for (name, param) in model.named_parameters() {
        let mut name = name.replace("to_q", "query").replace("to_k", "key").replace("to_v", "value");
        name = name.replace("to_out.0", "proj_attn");
        state.tensors.insert(name, param.value());
    }
    assert!(state.tensors.contains_key("mid_block.attentions.0.query.weight"));
    state.save(&folder.path().join(WEIGHTS)).unwrap();
    assert_eq!(numbers(&load::<UNet2D>(folder.path(), &device()).unwrap()), numbers(&model));
}

#[test]
fn a_weight_that_is_not_finite_is_named() {
    for bad in [f32::NAN, f32::NEG_INFINITY] {
        let model = unet();
        model.visit(&mut nn::Visitor::new(&mut |name, param| {
            if name == "mid_block.resnets.1.conv2.bias" {
                let mut data: Vec<f32> = param.value().to_vec().unwrap();
                data[3] = bad;
                param.set(Tensor::from_slice(param.value().device(), &param.shape(), &data).unwrap()).unwrap();
            }
        }));
        let text = refusal(folder(&model).path());
        assert!(text.contains("not finite in mid_block.resnets.1.conv2.bias"), "{text}");
    }
}

#[test]
fn a_file_cut_short_or_lying_is_refused_at_every_length() {
    let folder = folder(&unet());
    let path = folder.path().join(WEIGHTS);
    let whole = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + 8;
    for length in [0, 1, 7, 8, 9, header / 2, header - 1, header, header + 1, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let text = refusal(folder.path());
        assert!(text.contains("is not a whole safetensors file") && text.contains(WEIGHTS), "{length}: {text}");
        assert!(!text.contains('\n'), "{text}");
    }
    fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
    assert!(refusal(folder.path()).contains("its header promises"));
}

#[test]
fn headers_that_lie_are_refused() {
    let folder = folder(&unet());
    let path = folder.path().join(WEIGHTS);
    let with = |header: &str, data: usize| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(vec![0; data]);
        fs::write(&path, bytes).unwrap();
        refusal(folder.path())
    };
    let huge = u64::MAX;
    for (header, data, want) in [
        ("{", 0, "its header is not JSON"),
        ("[]", 0, "its header is not JSON"),
        ("{\"a\": 3}", 0, "entry for a is malformed"),
        (
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
            4,
            "a, f32 of shape [2], cannot fill bytes 0 to 4",
        ),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "a starts at byte"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 8, "cannot fill bytes 4 to 0"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 0, "its header promises"),
        ("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "a is of type F8_E4M3"),
        ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "entry for a is malformed"),
        ("{\"__metadata__\": {\"a\": 1}}", 0, "its metadata is not text"),
        (
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
            0,
            "cannot fill bytes 0 to 0",
        ),
        (
            &format!("{{\"a\":{{\"dtype\":\"U8\",\"shape\":[{huge}],\"data_offsets\":[0,{huge}]}}}}"),
            0,
            "cannot fill bytes",
        ),
        (
            "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
            3,
            "b starts at byte",
        ),
    ] {
        let text = with(header, data);
        assert!(text.contains("is not a whole safetensors file") && text.contains(want), "{header}: {text}");
    }
    // An empty file of tensors is a file of tensors, of another model.
    assert!(with("{}", 0).contains("do not fit the model"));
    fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
    assert!(refusal(folder.path()).contains("its header claims 18446744073709551615 bytes"));
}

#[test]
fn configurations_that_cannot_be_meant_are_refused() {
    let folder = folder(&unet());
    let path = folder.path().join(CONFIG);
    let whole = fs::read_to_string(&path).unwrap();
    for (from, to, want) in [
        ("{", "", "is not JSON"),
        (
            "\"layers_per_block\": 1",
            "\"layers_per_block\": \"one\"",
            "has `layers_per_block`: \"one\", which does not fit",
        ),
        (
            "\"layers_per_block\": 1",
            "\"layers_per_block\": 1, \"dual\": true",
            "asks for `dual`: true, which a UNet2DModel",
        ),
        ("UNet2DModel", "VQModel", "describes a model of the architecture \"VQModel\""),
        ("\"norm_num_groups\": 4", "\"norm_num_groups\": 5", "asks for what is not offered: `norm_num_groups`: 5"),
        ("\"positional\"", "\"fourier\"", "`time_embedding_type`: \"fourier\""),
        // A model of 10^13 parameters: found out from the file's shapes, before any of its memory is asked for.
        ("[\n    8,\n    16\n  ]", "[60000, 60000]", "of another shape"),
    ] {
        assert!(whole.contains(from), "{from} in {whole}");
        fs::write(&path, whole.replacen(from, to, 1)).unwrap();
        let text = refusal(folder.path());
        assert!(text.contains(want), "{to}: {text}");
    }
    fs::write(&path, "[1, 2]").unwrap();
    assert!(refusal(folder.path()).contains("not an object"));
    fs::remove_file(&path).unwrap();
    assert!(refusal(folder.path()).contains("has no config.json"));
    let nowhere = folder.path().join("nowhere");
    assert!(refusal(&nowhere).starts_with("cannot read"), "{}", refusal(&nowhere));
    fs::create_dir(&path).unwrap();
    assert!(refusal(folder.path()).contains("is not a file"));
}

#[test]
fn other_architectures_keep_house_in_the_same_way() {
    let device = device();
    let folder = TempDir::new().unwrap();
    let mlp = Mlp::new(MlpConfig::default(), &mut Init::seeded(&device, 3)).unwrap();
    save(folder.path(), &mlp, DType::F32).unwrap();
    assert_eq!(numbers(&load::<Mlp>(folder.path(), &device).unwrap()), numbers(&mlp));
    assert!(load_network(folder.path(), &device).is_ok());
    assert!(load::<UNet2D>(folder.path(), &device).err().unwrap().to_string().contains("architecture \"mlp\""));

    let folder = TempDir::new().unwrap();
    let cnn =
        Cnn::new(CnnConfig { channels: vec![8, 16], ..CnnConfig::default() }, &mut Init::seeded(&device, 3)).unwrap();
    save(folder.path(), &cnn, DType::F32).unwrap();
    assert_eq!(numbers(&load::<Cnn>(folder.path(), &device).unwrap()), numbers(&cnn));
    assert!(load_network(folder.path(), &device).err().unwrap().to_string().contains("describes a classifier"));
}

#[test]
fn a_state_has_one_byte_sequence_and_comes_back() {
    let folder = TempDir::new().unwrap();
    let (path, device) = (folder.path().join("deep/checkpoint.safetensors"), device());
    let linear = Linear::new(&mut Init::seeded(&device, 9), 3, 2).unwrap();
    let mut state = nn::State::default();
    for key in ["step", "seed", "a", "z", "m"] {
        state.metadata.insert(key.into(), "17".into());
    }
    state.add_module("model.", &linear);
    state.tensors.insert("labels".into(), Tensor::from_slice(&device, &[2], &[5i64, -3]).unwrap());
    state.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for _ in 0..5 {
        state.save(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    let saved = nn::SavedState::read(&path).unwrap();
    assert_eq!(saved.number::<u64>("step").unwrap(), 17);
    assert_eq!(saved.tensor("labels", &device).unwrap().to_vec::<i64>().unwrap(), [5, -3]);
    let other = Linear::new(&mut Init::seeded(&device, 10), 3, 2).unwrap();
    saved.restore_module("model.", &other).unwrap();
    assert_eq!(numbers(&other), numbers(&linear));
    assert!(saved.text("none").unwrap_err().to_string().contains("has no entry `none`"));
    assert!(saved.number::<bool>("step").is_err());
    assert!(saved.tensor("none", &device).is_err());
}

#[test]
fn a_failed_write_leaves_the_old_file_and_no_other() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("in the way"), "x").unwrap();
    let error = nn::State::default().save(&path).unwrap_err();
    assert!(error.to_string().starts_with("cannot write") && !error.is_usage(), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
