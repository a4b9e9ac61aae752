//! Denoisers from folders: a network, what it was trained as, and the shape of what it makes.

use crate::{Error, Result};
use methods::{NetworkDenoiser, Training};
use nn::{Architecture, SampleSize, UNet2D};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use tensor::Device;

/// A denoiser, frozen.
pub struct Pretrained {
    /// The network.
    pub denoiser: Arc<NetworkDenoiser>,
    /// Of one sample, `[channels, height, width]`.
    pub shape: [usize; 3],
}

/// The U-Net in `folder`. An error where the folder does not say what it was trained as, or on which size.
pub fn load(folder: &Path, device: &Device) -> anyhow::Result<Pretrained> {
    let network: UNet2D = nn::load(folder, device)?;
    nn::Module::set_trainable(&network, false);
    let config = network.config();
    let [height, width] = match config.sample_size {
        Some(SampleSize::Square(side)) => [side, side],
        Some(SampleSize::Rectangle([height, width])) => [height, width],
        None => return Err(lacks(folder, "`sample_size`, the height and width of its samples").into()),
    };
    let shape = [config.in_channels, height, width];
    let said = Value::Object(config.consort.clone().unwrap_or_default());
    let training: Training = serde_json::from_value(said).map_err(|error| {
        lacks(folder, &format!("what it was trained as under `consort`: `process` and `prediction` ({error})"))
    })?;
    Ok(Pretrained { denoiser: Arc::new(NetworkDenoiser::new(Arc::new(network), training)), shape })
}

fn lacks(folder: &Path, what: &str) -> Error {
    Error::usage(format!("{}: config.json lacks {what}: add it, or train one with `consort train`", folder.display()))
}

/// Refuses a denoiser of samples of another shape.
pub fn expect_shape(folder: &Path, got: [usize; 3], want: [usize; 3]) -> Result<()> {
    let ([c, h, w], [channels, height, width]) = (got, want);
    if got == want {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} makes samples of {c} x {h} x {w}, and {channels} x {height} x {width} are needed: give another model",
        folder.display()
    )))
}
