//! The models that make one digit together, and what is asked of them.

use super::SIDE;
use crate::args::Cast;
use crate::classifier::Classifier;
use crate::preset::CostTerms;
use crate::{Error, Record, denoiser, models};
use data::png_io;
use methods::control::cmad::{Aggregator, Problem, Running, Weights};
use methods::cost::{Cost, NegativeLogLikelihood, Seam, Total};
use methods::{Denoiser, NetworkDenoiser, Prediction};
use nn::{Cnn, Module};
use std::sync::Arc;
use tensor::Device;

/// Models from folders, frozen.
pub struct Ensemble {
    /// One for each agent; those that share one hold the same.
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
    /// The seams.
    pub cost: CostTerms,
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
    pub fn derived_in(&self, record: Record) -> Record {
        self.conventions().into_iter().fold(record, |record, (name, value)| {
            let value = toml::Value::try_from(value).unwrap_or_else(|_| toml::Value::String(String::new()));
            record.with_derived(name, value)
        })
    }
}

impl Ensemble {
    /// The models that `cast` names.
    pub fn load(cast: &Cast, agents: usize, device: &Device) -> anyhow::Result<Ensemble> {
        let places = cast.models.dir.as_deref();
        let names = &cast.score;
        if ![1, agents].contains(&names.len()) {
            let what =
                format!("--score was given {} times, give one for all, or one for each of {agents}", names.len());
            return Err(Error::usage(what).into());
        }
        let load = |name: &String| -> anyhow::Result<Arc<NetworkDenoiser>> {
            let folder = models::find(name, places)?;
            let model = denoiser::load(&folder, device)?;
            denoiser::expect_shape(&folder, model.shape, [1, SIDE, SIDE])?;
            Ok(model.denoiser)
        };
        let loaded = names.iter().map(load).collect::<anyhow::Result<Vec<_>>>()?;
        let guide: Cnn = nn::load(&models::find(&cast.guide, places)?, device)?;
        guide.set_trainable(false);
        let judge = Classifier::load(&models::find(&cast.judge, places)?, device)?;
        let agents = (0..agents).map(|i| loaded[i % loaded.len()].clone()).collect();
        Ok(Ensemble { agents, guide: Arc::new(guide), judge })
    }

    /// The problem of making `terms.target` under `aggregator`.
    pub fn problem(&self, aggregator: Aggregator, terms: &Terms) -> anyhow::Result<Problem> {
        let classifier = Arc::new(NegativeLogLikelihood::new(self.guide.clone(), usize::from(terms.target)));
        let seam = seam(&aggregator, terms.cost)?;
        let cost = Total(vec![(1.0, classifier as Arc<dyn Cost>), (1.0, Arc::new(seam))]);
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

/// The cost of the seams between the agents' regions.
pub fn seam(aggregator: &Aggregator, terms: CostTerms) -> methods::Result<Seam> {
    let CostTerms { beta, gamma, epsilon } = terms;
    Ok(Seam { beta, gamma, eps: epsilon, map: aggregator.seams([SIDE; 2])? })
}

/// Stripes, or the masks in `cast`'s files, one for each agent, white where it draws.
pub fn aggregator(cast: &Cast, agents: usize, device: &Device) -> anyhow::Result<Aggregator> {
    if cast.mask.is_empty() {
        return Ok(Aggregator::stripes(device, agents, [SIDE; 2])?);
    }
    if cast.mask.len() != agents {
        let what = format!("--mask was given {} times for {agents} agents, give one for each", cast.mask.len());
        return Err(Error::usage(what).into());
    }
    let masks = cast.mask.iter().map(|path| png_io::read_mask(path, SIDE, SIDE)).collect::<data::Result<Vec<_>>>()?;
    Ok(Aggregator::masks(device, &masks, [SIDE; 2])?)
}
