//! Models in folders, in the layout of diffusers: `config.json` and `diffusion_pytorch_model.safetensors`.

use crate::architecture::{self, Architecture};
use crate::cnn::Cnn;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::init::Init;
use crate::mlp::Mlp;
use crate::module::Module;
use crate::network::Network;
use crate::param::Param;
use crate::report::{Misshaped, Report};
use crate::tensor_file::{self, TensorFile};
use crate::unet2d::UNet2D;
use autograd::{DType, Device};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The file of a model's configuration.
pub const CONFIG: &str = "config.json";
/// The file of a model's weights.
pub const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// A network from a folder, whatever its architecture, frozen.
pub struct Pretrained {
    /// The network.
    pub network: Arc<dyn Network>,
    /// What the configuration has under `consort`: the process the network was trained on, and the like.
    pub extra: Map<String, Value>,
}

/// The f32 model in `folder`, trainable. Weights of any real type are converted.
pub fn load<A: Architecture>(folder: &Path, device: &Device) -> Result<A> {
    load_as(folder, device, DType::F32)
}

/// The same with parameters of another type: f64 for checks.
pub fn load_as<A: Architecture>(folder: &Path, device: &Device, dtype: DType) -> Result<A> {
    let path = folder.join(CONFIG);
    let config = architecture::config::<A>(&path, read_config(folder)?)?;
    let model = A::build(config, &mut Init::unset(device).dtype(dtype)).map_err(|error| in_file(&path, error))?;
    load_weights(&folder.join(WEIGHTS), &model)?;
    Ok(model)
}

/// The network in `folder`: a `UNet2DModel` or an `mlp`.
pub fn load_network(folder: &Path, device: &Device) -> Result<Pretrained> {
    let config = read_config(folder)?;
    let network: Arc<dyn Network> = match architecture::name(&config) {
        UNet2D::NAME => Arc::new(load::<UNet2D>(folder, device)?),
        Mlp::NAME => Arc::new(load::<Mlp>(folder, device)?),
        Cnn::NAME => {
            let what = "describes a classifier, where a network that denoises is expected";
            return Err(Error::format(&folder.join(CONFIG), what));
        }
        other => {
            let [unet, mlp] = [UNet2D::NAME, Mlp::NAME];
            let what = format!("describes a {other}, which denoises nothing: give the folder of a {unet} or a {mlp}");
            return Err(Error::format(&folder.join(CONFIG), what));
        }
    };
    network.set_trainable(false);
    Ok(Pretrained { network, extra: architecture::extra(&config) })
}

/// Sets every parameter of `module` from a file, by name. Nothing is set where the two do not fit.
pub fn load_weights(path: &Path, module: &(impl Module + ?Sized)) -> Result<()> {
    let mut file = TensorFile::read(path)?;
    let params = module.named_parameters();
    rename_old(&mut file, &params);
    let report = compare(&params, &file, "");
    if !report.is_clean() {
        return Err(Kind::Load { path: path.to_owned(), report }.into());
    }
    set_all(&params, &file, "")
}

/// Writes a model to `folder`, its weights as `dtype` (f32, or bf16 for half the size). Files of that name are replaced.
pub fn save<A: Architecture>(folder: &Path, model: &A, dtype: DType) -> Result<()> {
    let mut tensors = BTreeMap::new();
    for (name, param) in model.named_parameters() {
        tensors.insert(name, param.value().cast(dtype)?);
    }
    // What PyTorch's readers look for.
    let metadata = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    tensor_file::write(&folder.join(WEIGHTS), &tensors, &metadata)?;
    let text = architecture::text(model)?;
    files::replace(&folder.join(CONFIG), |out| Ok(out.write_all(text.as_bytes())?))
}

fn read_config(folder: &Path) -> Result<Map<String, Value>> {
    let path = folder.join(CONFIG);
    if folder.join("unet").join(CONFIG).is_file() && !path.exists() {
        return Err(Error::format(folder, "is a whole pipeline; its model is in the folder `unet` there: give that"));
    }
    if folder.is_dir() && !path.exists() {
        return Err(Error::format(folder, format!("has no {CONFIG}; a model is a folder with {CONFIG} and {WEIGHTS}")));
    }
    architecture::parse(&path, &files::read(&path)?)
}

/// An error about a configuration, with the file it came from.
fn in_file(path: &Path, error: Error) -> Error {
    match error.kind() {
        Kind::Config(what) => Error::format(path, format!("asks for what is not offered: {what}")),
        _ => error,
    }
}

/// What diffusers called the layers of attention before it called them as they are called now.
const OLD_NAMES: [(&str, &str); 4] = [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")];

/// Gives tensors their present names, where the model has those.
fn rename_old(file: &mut TensorFile, params: &[(String, Param)]) {
    for (new, _) in params {
        let old = OLD_NAMES.iter().find_map(|(old, now)| {
            let (before, after) = new.split_once(&format!(".{now}."))?;
            Some(format!("{before}.{old}.{after}"))
        });
        if let Some(old) = old.filter(|_| !file.entries.contains_key(new))
            && let Some(entry) = file.entries.remove(&old)
        {
            file.entries.insert(new.clone(), entry);
        }
    }
}

/// How a file's tensors under `prefix` compare with parameters.
pub(crate) fn compare(params: &[(String, Param)], file: &TensorFile, prefix: &str) -> Report {
    let mut report = Report::default();
    let mut unmatched: std::collections::BTreeSet<&str> =
        file.entries.keys().filter_map(|name| name.strip_prefix(prefix)).collect();
    for (name, param) in params {
        unmatched.remove(name.as_str());
        match file.entries.get(&format!("{prefix}{name}")) {
            None => report.missing.push(name.clone()),
            Some(entry) if entry.shape != *param.shape() => {
                let (got, want) = (entry.shape.clone(), param.shape().to_vec());
                report.misshaped.push(Misshaped { name: name.clone(), got, want });
            }
            Some(_) => {}
        }
    }
    report.unexpected = unmatched.into_iter().map(str::to_owned).collect();
    report
}

/// Sets parameters that fit.
pub(crate) fn set_all(params: &[(String, Param)], file: &TensorFile, prefix: &str) -> Result<()> {
    for (name, param) in params {
        let old = param.value();
        param.set(file.finite(&format!("{prefix}{name}"), old.device(), old.dtype())?)?;
    }
    Ok(())
}
