//! `consort forward`: one pass of a network, to compare it with another program's.

use crate::args::Forward;
use crate::{Error, Result, Summary, classifier, models};
use autograd::Var;
use nn::{Cnn, SavedState, State};
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
    let out = if classifier::is_in(&folder) {
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

fn write(path: &Path, out: Tensor) -> nn::Result<()> {
    let mut state = State::default();
    state.tensors.insert("out".into(), out);
    state.save(path)
}
