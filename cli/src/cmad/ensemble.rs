//! The models that make one digit together, and what is asked of them.

use super::SIDE;
use crate::args::Cast;
use crate::classifier::Classifier;
use crate::preset::CostTerms;
use crate::{Error, Record, denoiser, models};
use data::png_io;
use methods::control::cmad::{Aggregator, Problem, Running, Weights};
use methods::cost::{Cost, NegativeLogLikelihood, Seam, SeamMap, Total};
use methods::{Denoiser, NetworkDenoiser, Prediction};
use nn::{Cnn, Module};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tensor::Device;

/// Who takes part, by name: what a run's record holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Names {
    /// Denoisers: one for all agents, or one for each.
    pub score: Vec<String>,
    /// Whose gradient steers.
    pub guide: String,
    /// Who judges.
    pub judge: String,
    /// Where shipped models are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<PathBuf>,
}

impl Names {
    /// As they were typed, with the defaults.
    pub fn of(cast: &Cast) -> Names {
        let Cast { score, guide, judge, models } = cast.clone();
        let or = |name: Option<String>, default: &str| name.unwrap_or_else(|| default.into());
        let score = if score.is_empty() { vec!["mnist-score".into()] } else { score };
        Names { score, guide: or(guide, "mnist-guide"), judge: or(judge, "mnist-judge"), models: models.dir }
    }
}

/// Models from folders, frozen.
pub struct Ensemble {
    /// One for each agent; those of one name hold the same.
    pub agents: Vec<Arc<NetworkDenoiser>>,
    /// Whose gradient steers.
    pub guide: Arc<Cnn>,
    /// Who was not asked while steering.
    pub judge: Classifier,
}

/// What is asked of the object, and what control costs.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The digit.
    pub target: u8,
    /// Weights of the seams.
    pub cost: CostTerms,
    /// Where the seams are. They stay there, whatever becomes of learned masks.
    pub seams: SeamMap,
    /// Of each agent's energy.
    pub weights: Vec<Weights>,
    /// The running cost.
    pub running: Running,
}

impl Terms {
    /// lambda in all conventions; a list where agents differ.
    pub fn conventions(&self) -> [(&'static str, serde_json::Value); 3] {
        let alike = self.weights.iter().all(|other| other == &self.weights[0]);
        let all = |of: fn(&Weights) -> f64| match &self.weights[..] {
            [first, ..] if alike => of(first).into(),
            weights => weights.iter().map(of).collect::<Vec<f64>>().into(),
        };
        [
            ("lambda_paper", all(Weights::paper)),
            ("lambda_per_sample", all(Weights::per_sample)),
            ("tilt", all(Weights::tilt)),
        ]
    }

    /// A record with those.
    pub fn derived_in(&self, record: Record) -> crate::Result<Record> {
        self.conventions().into_iter().try_fold(record, |record, (name, value)| {
            let value = toml::Value::try_from(value).map_err(|error| Error::usage(error.to_string()))?;
            Ok(record.with_derived(name, value))
        })
    }

    /// The seams' part of the cost.
    pub fn seam(&self) -> Seam {
        let CostTerms { beta, gamma, epsilon } = self.cost;
        Seam { beta, gamma, eps: epsilon, map: self.seams.clone() }
    }
}

impl Ensemble {
    /// The models that are named, each read once.
    pub fn load(names: &Names, agents: usize, device: &Device) -> anyhow::Result<Ensemble> {
        let places = names.models.as_deref();
        if ![1, agents].contains(&names.score.len()) {
            let given = names.score.len();
            let what = format!("--score was given {given} times, give one for all, or one for each of {agents}");
            return Err(Error::usage(what).into());
        }
        let mut loaded: BTreeMap<&str, Arc<NetworkDenoiser>> = BTreeMap::new();
        for name in &names.score {
            if !loaded.contains_key(name.as_str()) {
                let folder = models::find(name, places)?;
                let model = denoiser::load(&folder, device)?;
                denoiser::expect_shape(&folder, model.shape, [1, SIDE, SIDE])?;
                loaded.insert(name, model.denoiser);
            }
        }
        let [guide, judge] = [models::find(&names.guide, places)?, models::find(&names.judge, places)?];
        if guide.canonicalize().ok() == judge.canonicalize().ok() {
            let what = "is both guide and judge, and who steers cannot judge: give another `--judge`";
            return Err(Error::usage(format!("{} {what}", judge.display())).into());
        }
        let guide: Cnn = nn::load(&guide, device)?;
        guide.set_trainable(false);
        let (folder, judge) = (&judge, Classifier::load(&judge, device)?);
        judge.expect_digits(folder)?;
        let agents = (0..agents).map(|i| loaded[names.score[i % names.score.len()].as_str()].clone()).collect();
        Ok(Ensemble { agents, guide: Arc::new(guide), judge })
    }

    /// The problem of making `terms.target` under `aggregator`.
    pub fn problem(&self, aggregator: Aggregator, terms: &Terms) -> anyhow::Result<Problem> {
        let classifier = Arc::new(NegativeLogLikelihood::new(self.guide.clone(), usize::from(terms.target)));
        let cost = Total(vec![(1.0, classifier as Arc<dyn Cost>), (1.0, Arc::new(terms.seam()))]);
        Ok(Problem {
            agents: self.agents.iter().map(|agent| agent.clone() as Arc<dyn Denoiser>).collect(),
            aggregator,
            cost: Arc::new(cost),
            energy_weights: terms.weights.iter().map(Weights::per_sample).collect(),
            running: terms.running,
            object: [1, SIDE, SIDE],
        })
    }

    /// Variance of a pixel of what the first agent was trained on, 1 where it is not known.
    pub fn data_variance(&self) -> f64 {
        match self.agents.first().map(|agent| agent.training().prediction) {
            Some(Prediction::Preconditioned { data_std }) => data_std * data_std,
            _ => 1.0,
        }
    }
}

/// Who owns each pixel, for a record: how many pixels in reading order have which owner (`252*0 280*1 252*2`); nothing
/// for the stripes that are the default.
pub fn shares(owners: &[usize], agents: usize) -> anyhow::Result<Option<String>> {
    if owners == Aggregator::stripes(&Device::cpu(1), agents, [SIDE; 2])?.owners([SIDE; 2])? {
        return Ok(None);
    }
    let runs = owners.chunk_by(|a, b| a == b).map(|run| format!("{}*{}", run.len(), run[0]));
    Ok(Some(runs.collect::<Vec<_>>().join(" ")))
}

/// Stripes, or the masks in files, one for each agent, white where it draws.
pub fn aggregator(files: &[PathBuf], agents: usize, device: &Device) -> anyhow::Result<Aggregator> {
    if files.is_empty() {
        return Ok(Aggregator::stripes(device, agents, [SIDE; 2])?);
    }
    if files.len() != agents {
        let what = format!("--mask was given {} times for {agents} agents, give one for each", files.len());
        return Err(Error::usage(what).into());
    }
    let masks = files.iter().map(|path| png_io::read_mask(path, SIDE, SIDE)).collect::<data::Result<Vec<_>>>()?;
    Ok(Aggregator::masks(device, &masks, [SIDE; 2])?)
}
