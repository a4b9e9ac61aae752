//! How good the digits of a run are: what the guide, the judge and the cost say of each, and of all of them.

use super::play::{Outcome, mean};
use super::{Ensemble, SIDE, Terms};
use crate::classifier::{self, Seen, logits};
use crate::plan::{Plan, Rehearsal};
use crate::{Result, RunFolder, Summary};
use methods::metrics::{self, Moments};
use nn::Architecture;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tensor::{Device, Tensor};

/// Verdicts on a run's digits; vectors are `[n]`.
#[derive(Clone, Debug)]
pub struct Scores {
    /// The digit that was asked for.
    pub target: u8,
    /// The class the guide sees.
    pub guide: Vec<usize>,
    /// The class the judge sees, and its calibrated confidence.
    pub judge: Vec<(usize, f64)>,
    /// Of each agent, what the judge sees on its own canvas.
    pub own: Vec<Vec<(usize, f64)>>,
    /// Squared Frechet distance of the judge's features to those of the test set's images of the digit.
    pub frechet: Option<f64>,
    /// Mean distance of two of the digits, in the judge's features.
    pub diversity: Option<f64>,
}

/// A line of `scores.jsonl`.
#[derive(Serialize)]
struct Line {
    sample: usize,
    psi: f64,
    seam: f64,
    /// Mean square of the controls over pixels and agents, integrated over time.
    energy: f64,
    objective: f64,
    guide: usize,
    judge: usize,
    confidence: f64,
    /// The mean over the agents of the judge's confidence in their own canvases.
    own_confidence: f64,
}

/// What a run folder's `metrics.jsonl` says of all digits together.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Whole {
    /// Digits.
    pub step: usize,
    /// As in [`Scores`].
    pub frechet: Option<f64>,
    /// As in [`Scores`].
    pub diversity: Option<f64>,
}

/// Reads back what [`Scores::write`] said of all digits.
pub fn read_whole(dir: &Path) -> Result<Whole> {
    let path = dir.join("metrics.jsonl");
    let text = std::fs::read_to_string(&path).map_err(crate::Error::input(&path))?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|error| {
        crate::Error::usage(format!("{} is not as `consort compose` wrote it ({error}): run it again", path.display()))
    })
}

/// The file of [`Scores::write`].
pub const FILE: &str = "scores.jsonl";

impl Scores {
    /// Of an outcome.
    pub fn of(outcome: &Outcome, ensemble: &Ensemble, terms: &Terms, device: &Device) -> anyhow::Result<Scores> {
        let judge = &ensemble.judge;
        let see = |images: &[f32]| -> anyhow::Result<Seen> { judge.see(&tensor(device, images)?) };
        let confidences = |seen: &Seen| metrics::confidences(&seen.logits, judge.classes(), judge.temperature);
        let seen = see(&outcome.objects)?;
        let own = outcome.canvases.iter().map(|images| Ok(confidences(&see(images)?)));
        let guided = logits(&ensemble.guide, &tensor(device, &outcome.objects)?)?;
        let classes = ensemble.guide.config().classes;
        let (several, width) = (outcome.count() > 1, judge.width());
        let frechet = judge
            .moments_of(terms.target)
            .filter(|_| several)
            .map(|reference| Moments::of(&seen.features, width)?.frechet(reference));
        Ok(Scores {
            target: terms.target,
            guide: metrics::confidences(&guided, classes, 1.0).into_iter().map(|(class, _)| class).collect(),
            judge: confidences(&seen),
            own: own.collect::<anyhow::Result<_>>()?,
            frechet: frechet.transpose()?,
            diversity: several.then(|| metrics::mean_distance(&seen.features, width)).transpose()?,
        })
    }

    /// What [`Scores::of`] will take for so many digits, from one batch of blank ones.
    pub fn rehearse(
        rehearsal: &mut Rehearsal,
        samples: usize,
        ensemble: &Ensemble,
        terms: &Terms,
        device: &Device,
    ) -> anyhow::Result<Plan> {
        let count = samples.min(classifier::BATCH);
        let blank = vec![0.0; count * SIDE * SIDE];
        let canvases = vec![blank.clone(); ensemble.agents.len()];
        let outcome = Outcome { objects: blank, canvases, psi: vec![0.0; count], ..Outcome::default() };
        let (plan, _) = rehearsal.part(|| Scores::of(&outcome, ensemble, terms, device))?;
        let waiting = (samples - count) * SIDE * SIDE * size_of::<f32>();
        Ok(Plan { peak: plan.peak + waiting as f64, ..plan.times(samples as f64 / count as f64) })
    }

    /// Share of the digits that the guide takes for the target.
    pub fn guide_accuracy(&self) -> f64 {
        share(&self.guide, |&class| class == usize::from(self.target))
    }

    /// Share of the digits that the judge takes for the target.
    pub fn judge_accuracy(&self) -> f64 {
        share(&self.judge, |&(class, _)| class == usize::from(self.target))
    }

    /// The judge's mean confidence in agent `i`'s own canvases, in whatever class.
    pub fn own_confidence(&self, i: usize) -> f64 {
        mean(&self.own[i].iter().map(|&(_, confidence)| confidence).collect::<Vec<_>>())
    }

    /// Share of agent `i`'s own canvases that the judge takes for the target.
    pub fn own_target(&self, i: usize) -> f64 {
        share(&self.own[i], |&(class, _)| class == usize::from(self.target))
    }

    /// The metrics of `--json`.
    pub fn metrics(&self, outcome: &Outcome, terms: &Terms, summary: Summary) -> Summary {
        let agents = self.own.len();
        let conventions = terms.conventions().into_iter();
        let summary = conventions.fold(summary, |summary, (name, value)| summary.metric(name, value));
        let over = |of: &dyn Fn(usize) -> f64| mean(&(0..agents).map(of).collect::<Vec<_>>());
        summary
            .metric("samples", outcome.count())
            .metric("guide_accuracy", self.guide_accuracy())
            .metric("judge_accuracy", self.judge_accuracy())
            .metric("psi_mean", mean(&outcome.psi))
            .metric("seam_mean", mean(&outcome.seam))
            .metric("energy_mean", mean(&energies(outcome)))
            .metric("nats_mean", over(&|i| mean(&outcome.energies[i])) * agents as f64 / 2.0)
            .metric("objective_mean", mean(&outcome.objective))
            .metric("running_mean", mean(&outcome.running))
            .metric("own_confidence", over(&|i| self.own_confidence(i)))
            .metric("own_target", over(&|i| self.own_target(i)))
            .metric("frechet", self.frechet)
            .metric("diversity", self.diversity)
    }

    /// Writes a line for each digit, and one for all.
    pub fn write(&self, outcome: &Outcome, folder: &mut RunFolder) -> Result<()> {
        let energies = energies(outcome);
        let mut text = String::new();
        for sample in 0..outcome.count() {
            let own: Vec<f64> = self.own.iter().map(|all| all[sample].1).collect();
            let line = Line {
                sample,
                psi: outcome.psi[sample],
                seam: outcome.seam[sample],
                energy: energies[sample],
                objective: outcome.objective[sample],
                guide: self.guide[sample],
                judge: self.judge[sample].0,
                confidence: self.judge[sample].1,
                own_confidence: mean(&own),
            };
            text += &serde_json::to_string(&line).map_err(|error| crate::Error::usage(error.to_string()))?;
            text.push('\n');
        }
        folder.write(FILE, text.as_bytes())?;
        folder.metric(&Whole { step: outcome.count(), frechet: self.frechet, diversity: self.diversity })
    }
}

/// Mean square of the controls over pixels and agents, integrated over time: the paper's convention, `[n]`.
pub fn energies(outcome: &Outcome) -> Vec<f64> {
    let pixels = (SIDE * SIDE * outcome.energies.len().max(1)) as f64;
    (0..outcome.count()).map(|n| outcome.energies.iter().map(|energy| energy[n]).sum::<f64>() / pixels).collect()
}

/// Digits `[n, 28 * 28]` as `[n, 1, 28, 28]`.
pub fn tensor(device: &Device, images: &[f32]) -> tensor::Result<Tensor> {
    Tensor::from_slice(device, &[images.len() / (SIDE * SIDE), 1, SIDE, SIDE], images)
}

fn share<T>(all: &[T], is: impl Fn(&T) -> bool) -> f64 {
    all.iter().filter(|one| is(one)).count() as f64 / all.len().max(1) as f64
}
