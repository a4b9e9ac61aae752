//! Runs of `consort compose` side by side: the same digit, agents, seed and samples, so that samples are pairs.

use super::ensemble::Names;
use super::{SIDE, scores};
use crate::preset::CostTerms;
use crate::{Error, Record, Result};
use methods::metrics::{Interval, bootstrap};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// A run that was read back.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its folder.
    pub dir: PathBuf,
    /// `cmad`, `cdps`.
    pub method: String,
    /// What tells it from others of its method: `scale 3`, the name of its controls.
    pub name: String,
    /// What a comparison needs to be the same.
    pub asked: Asked,
    /// Of all random numbers.
    pub seed: u64,
    /// Of all samples together.
    pub frechet: Option<f64>,
    /// Of all samples together.
    pub diversity: Option<f64>,
    samples: Vec<Sample>,
}

/// What a comparison needs to be the same.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Asked {
    /// The digit.
    pub target: u8,
    /// Agents.
    pub agents: usize,
    /// Samples.
    pub samples: usize,
    /// Steps of the sampler.
    pub steps: usize,
    /// Whose pixels are whose, by [`shares`](super::ensemble::shares).
    #[serde(default)]
    pub owners: Option<String>,
    /// Who takes part.
    #[serde(flatten)]
    pub names: Names,
    /// What the digit was to be.
    pub cost: CostTerms,
    #[serde(default)]
    controls: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Sample {
    psi: f64,
    seam: f64,
    energy: f64,
    objective: f64,
    guide: u8,
    judge: u8,
    own_confidence: f64,
}

/// Figures of a sample that have a mean and an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// J as the run had it, or lambda E + Psi at a tilt.
    Objective {
        /// 1/(2 lambda).
        tilt: Option<f64>,
    },
    /// Psi at the end.
    Psi,
    /// Its part for seams.
    Seam,
    /// Mean square of the controls over pixels and agents.
    Energy,
    /// Whether the guide sees the digit.
    Guide,
    /// Whether the judge does.
    Judge,
    /// The judge's confidence in the agents' own canvases.
    OwnConfidence,
}

impl Entry {
    /// Psi of each sample.
    pub fn costs(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.psi).collect()
    }

    /// Reads the folder of a run.
    pub fn read(dir: &Path) -> Result<Entry> {
        let record = Record::read(&dir.join("run.toml"))?;
        if record.command != "compose" {
            let what =
                format!("{} is a run of `consort {}`: give runs of `consort compose`", dir.display(), record.command);
            return Err(Error::usage(what));
        }
        let asked: Asked = record.arguments()?;
        let path = dir.join(scores::FILE);
        let text = fs::read_to_string(&path).map_err(Error::input(&path))?;
        let lines = text.lines().map(serde_json::from_str).collect::<std::result::Result<Vec<Sample>, _>>();
        let samples = lines.map_err(|error| damaged(&path, &error.to_string()))?;
        if samples.len() != asked.samples || samples.is_empty() {
            return Err(damaged(&path, &format!("{} lines for {} samples", samples.len(), asked.samples)));
        }
        let scale = record.preset.get("scale").and_then(toml::Value::as_float);
        let name = match (&asked.controls, scale) {
            (Some(controls), _) => controls_name(controls),
            (None, Some(scale)) => format!("scale {scale}"),
            (None, None) => String::new(),
        };
        let whole = scores::read_whole(dir)?;
        let method = record.method;
        Ok(Entry {
            dir: dir.into(),
            method,
            name,
            asked,
            seed: record.seed,
            frechet: whole.frechet,
            diversity: whole.diversity,
            samples,
        })
    }

    /// An error unless samples of both runs are pairs.
    pub fn expect_pairs(&self, first: &Entry) -> Result<()> {
        let alike = |asked: &Asked| Asked { controls: None, ..asked.clone() };
        if self.seed == first.seed && alike(&self.asked) == alike(&first.asked) {
            return Ok(());
        }
        Err(Error::usage(format!(
            "{} and {} differ in more than the method: compare runs with the same --target, --agents, --mask, --samples, --steps, --seed, cost and models",
            first.dir.display(),
            self.dir.display()
        )))
    }

    /// The mean of a figure with its 95 % interval.
    pub fn interval(&self, figure: Figure) -> Result<Interval> {
        self.resampled(&self.figures(figure))
    }

    /// The mean of the difference to `first`, pair by pair, with its interval.
    pub fn difference(&self, first: &Entry, figure: Figure) -> Result<Interval> {
        let pairs = self.figures(figure).into_iter().zip(first.figures(figure));
        self.resampled(&pairs.map(|(own, other)| own - other).collect::<Vec<_>>())
    }

    fn figures(&self, figure: Figure) -> Vec<f64> {
        let is_target = |class: u8| f64::from(u8::from(class == self.asked.target));
        let pixels = (SIDE * SIDE * self.asked.agents) as f64;
        let of = |sample: &Sample| match figure {
            Figure::Objective { tilt: None } => sample.objective,
            Figure::Objective { tilt: Some(tilt) } => 0.5 / tilt * sample.energy * pixels + sample.psi,
            Figure::Psi => sample.psi,
            Figure::Seam => sample.seam,
            Figure::Energy => sample.energy,
            Figure::Guide => is_target(sample.guide),
            Figure::Judge => is_target(sample.judge),
            Figure::OwnConfidence => sample.own_confidence,
        };
        self.samples.iter().map(of).collect()
    }

    /// The same resamplings for all runs: samples are pairs.
    fn resampled(&self, figures: &[f64]) -> Result<Interval> {
        let mean = |drawn: &[usize]| drawn.iter().map(|&i| figures[i]).sum::<f64>() / drawn.len() as f64;
        bootstrap(figures.len(), 0, mean).map_err(|error| Error::usage(error.to_string()))
    }
}

/// `k2` of `runs/k2/model`.
fn controls_name(path: &str) -> String {
    let path = Path::new(path);
    let path = if path.ends_with("model") { path.parent().unwrap_or(path) } else { path };
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::usage(format!("{} is not as `consort compose` wrote it ({what}): run it again", path.display()))
}
