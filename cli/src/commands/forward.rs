//! `consort forward`: one pass of a network, to compare it with another program's.

use crate::args::Forward;
use crate::{Error, Result, Summary, models};
use autograd::Var;
use nn::{Architecture, Cnn, SavedState, State, checkpoint};
use serde_json::Value;
use std::path::Path;
use tensor::{DType, Tensor};

pub(super) fn run(arguments: &Forward) -> anyhow::Result<Summary> {
    let device = arguments.machine.device()?;
    let folder = models::find(&arguments.model, arguments.models.dir.as_deref())?;
    let input = SavedState::read(&arguments.input)?;
    let read = |name: &str, what: &str| {
        require(&input, &arguments.input, name, what)?;
        anyhow::Ok(input.tensor(name, &device)?.cast(DType::F32)?)
    };
    let sample = Var::constant(read("sample", "what the network takes, [n, ...]")?);
    let out = if is_classifier(&folder) {
        nn::load::<Cnn>(&folder, &device)?.logits(&sample)?
    } else {
        let network = nn::load_network(&folder, &device)?.network;
        network.forward(&sample, &read("timestep", "one time for each sample, [n], or one for all, [1]")?)?
    };
    write(&arguments.result, out.value().clone())?;
    let summary = Summary::new("forward", &arguments.model, Some(&arguments.result));
    let shape: Vec<_> = out.shape().iter().map(|&size| Value::from(size)).collect();
    Ok(summary.on(&device, arguments.machine.seed).metric("shape", shape))
}

fn require(input: &SavedState, path: &Path, name: &str, what: &str) -> Result<()> {
    if input.names().any(|known| known == name) {
        return Ok(());
    }
    Err(Error::usage(format!("{} has no tensor `{name}`: add {what}", path.display())))
}

/// Whether the folder's model is of the kind that is told no time. What cannot be read is told by who loads it.
fn is_classifier(folder: &Path) -> bool {
    let text = std::fs::read(folder.join(checkpoint::CONFIG)).unwrap_or_default();
    serde_json::from_slice::<Value>(&text).is_ok_and(|config| config["architecture"] == Cnn::NAME)
}

fn write(path: &Path, out: Tensor) -> nn::Result<()> {
    let mut state = State::default();
    state.tensors.insert("out".into(), out);
    state.save(path)
}
