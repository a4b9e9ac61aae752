//! Presets: the figures of a command, in TOML files that are compiled in.
//!
//! The first preset of a command is its default and names every key there is. A file of the user's and each `--set` only
//! change some; a key that is not among them is refused with the one it resembles most.

mod cmad;
mod memory;
mod merge;
mod mnist;

pub use cmad::{AlphaSchedule, CdpsPreset, CmadPreset, ControlNetwork, Convention, CostTerms, Teaching};
pub use memory::Memory;
pub use mnist::{Augment, Classifier, ClassifierNetwork, MnistGuide, MnistJudge, MnistScore, ScoreNetwork};

use crate::args::PresetChoice;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use toml::Table;

/// The figures of one command.
pub trait Preset: Serialize + DeserializeOwned {
    /// Names and texts; the first is the default, the others only change some of its keys.
    const BUILT_IN: &'static [(&'static str, &'static str)];

    /// Refuses figures that nothing can be computed with, in a sentence that begins with the key.
    fn check(&self) -> Result<(), String>;
}

/// The preset that was chosen, with the changes that were asked for.
pub fn load<P: Preset>(choice: &PresetChoice) -> Result<P> {
    let Some(&(_, default)) = P::BUILT_IN.first() else { return Err(Error::usage("there are no presets")) };
    let mut table: Table = parse(default, "the default preset")?;
    if let Some(name) = &choice.preset {
        let (text, whence) = text::<P>(name)?;
        merge::merge(&mut table, parse(&text, &whence)?).map_err(|what| Error::usage(format!("{whence}: {what}")))?;
    }
    for change in &choice.set {
        let refused = |what| Error::usage(format!("--set {change}: {what}"));
        merge::merge(&mut table, merge::change(change).map_err(refused)?).map_err(refused)?;
    }
    let preset: P =
        table.try_into().map_err(|error: toml::de::Error| Error::usage(format!("preset: {}", flat(&error))))?;
    preset.check().map_err(|what| Error::usage(format!("preset: {what}")))?;
    Ok(preset)
}

/// The text of a preset and what to call it: one that is compiled in, or else a file.
fn text<P: Preset>(name: &str) -> Result<(String, String)> {
    if let Some(&(_, text)) = P::BUILT_IN.iter().find(|&&(built_in, _)| built_in == name) {
        return Ok((text.into(), format!("preset {name}")));
    }
    let path = Path::new(name);
    if path.extension().is_none() && !path.exists() {
        let names: Vec<_> = P::BUILT_IN.iter().map(|(name, _)| format!("`{name}`")).collect();
        let names = names.join(", ");
        return Err(Error::usage(format!(
            "there is no preset `{name}`: take one of {names}, or a file's name with .toml"
        )));
    }
    Ok((fs::read_to_string(path).map_err(Error::input(path))?, name.into()))
}

fn parse(text: &str, whence: &str) -> Result<Table> {
    text.parse().map_err(|error| Error::usage(format!("{whence} is no TOML: {}", flat(&error))))
}

/// The library's message on one line.
fn flat(error: &toml::de::Error) -> String {
    error.to_string().trim().split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How the learning rate goes over a training, once it has risen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// As it is.
    Constant,
    /// Down to 0 along half a cosine.
    Cosine,
    /// Up and down along halves of cosines, the middle reached at the end of the warm-up.
    OneCycle,
}

impl Schedule {
    /// The schedule of a training of `steps` updates that rises over the first `warm_up`.
    pub fn over(self, steps: u64, warm_up: u64) -> nn::Schedule {
        match self {
            Schedule::Constant => nn::Schedule::Linear { warm_up },
            Schedule::Cosine => nn::Schedule::Cosine { warm_up, steps, floor: 0.0 },
            Schedule::OneCycle => {
                let rise = warm_up as f64 / steps.max(1) as f64;
                nn::Schedule::OneCycle { steps, rise, start: 25.0, end: 1e4 }
            }
        }
    }
}

/// The U-Net of these presets, on grey images of 28 x 28; `attention` for each level, the middle has it always.
fn unet(
    inputs: usize,
    channels: &[usize],
    attention: &[bool],
    layers: usize,
    groups: usize,
    head: usize,
) -> nn::UNet2DConfig {
    let block =
        |way: &str, attends: &bool| if *attends { format!("Attn{way}Block2D") } else { format!("{way}Block2D") };
    nn::UNet2DConfig {
        sample_size: Some(nn::SampleSize::Square(28)),
        in_channels: inputs,
        out_channels: 1,
        down_block_types: attention.iter().map(|attends| block("Down", attends)).collect(),
        up_block_types: attention.iter().rev().map(|attends| block("Up", attends)).collect(),
        block_out_channels: channels.to_vec(),
        layers_per_block: layers,
        norm_num_groups: groups,
        attention_head_dim: Some(head).filter(|&head| head > 0),
        ..nn::UNet2DConfig::default()
    }
}

fn counts(figures: &[(&str, usize)]) -> Result<(), String> {
    let wrong = figures.iter().find(|(_, figure)| *figure == 0);
    wrong.map_or(Ok(()), |(key, _)| Err(format!("`{key}` is 0, give 1 or more")))
}

fn batch_size(batch: usize) -> Result<(), String> {
    const MOST: usize = 65_536;
    counts(&[("batch", batch)])?;
    if batch > MOST { Err(format!("`batch` is {batch}, give {MOST} or less")) } else { Ok(()) }
}

fn positive(figures: &[(&str, f64)]) -> Result<(), String> {
    let wrong = figures.iter().find(|(_, figure)| !(*figure > 0.0 && figure.is_finite()));
    wrong.map_or(Ok(()), |(key, figure)| Err(format!("`{key}` is {figure}, give a number above 0")))
}

fn not_negative(figures: &[(&str, f64)]) -> Result<(), String> {
    let wrong = figures.iter().find(|(_, figure)| !(*figure >= 0.0 && figure.is_finite()));
    wrong.map_or(Ok(()), |(key, figure)| Err(format!("`{key}` is {figure}, give 0 or a number above")))
}

/// In [0, 1).
fn fractions(figures: &[(&str, f64)]) -> Result<(), String> {
    let wrong = figures.iter().find(|(_, figure)| !(0.0..1.0).contains(figure));
    wrong.map_or(Ok(()), |(key, figure)| Err(format!("`{key}` is {figure}, give 0 or more, and less than 1")))
}

/// Channels of a network's levels, each a whole number of `groups`.
fn channels(key: &str, channels: &[usize], groups: usize) -> Result<(), String> {
    if channels.is_empty() || channels.len() > 3 {
        return Err(format!("`{key}` has {} levels, give 1 to 3: 28 x 28 can be halved twice", channels.len()));
    }
    let wrong = channels.iter().find(|&&count| count == 0 || groups == 0 || !count.is_multiple_of(groups));
    let sentence = |count| format!("`{key}` has {count}, give multiples of the {groups} groups of the norms");
    wrong.map_or(Ok(()), |count| Err(sentence(count)))
}

#[cfg(test)]
mod tests;
