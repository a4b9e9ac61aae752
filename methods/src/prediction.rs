//! What a network predicts, and how that becomes a clean estimate: clean = `skip` x + `out` F(`input` x).

use crate::process::Level;
use serde::{Deserialize, Serialize};

/// What the output F of a network stands for. Names in files are those of `diffusers` where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise. The clean estimate takes on its error times sigma/alpha, 152 at the noisy end.
    #[serde(rename = "epsilon")]
    Noise,
    /// The clean sample.
    #[serde(rename = "sample")]
    Clean,
    /// alpha noise - sigma clean.
    #[serde(rename = "v_prediction")]
    Velocity,
    /// noise - clean, the velocity of the straight path.
    Flow,
    /// What is left of the clean sample, of unit variance, for unit input, if the data's standard deviation is `data_std`
    /// (Karras et al. 2022, table 1, for any alpha). Bounded at every noise level. At `data_std` = 1 on a
    /// variance-preserving process it is minus the velocity.
    Preconditioned {
        /// Of one element of the data.
        data_std: f64,
    },
}

/// Factors at one noise level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Of the state, on its way into the network.
    pub input: f64,
    /// Of the state in the clean estimate.
    pub skip: f64,
    /// Of the network's output in the clean estimate.
    pub out: f64,
}

impl Prediction {
    /// The factors at `level`.
    pub fn scaling(&self, level: &Level) -> Scaling {
        let Level { alpha, sigma, .. } = *level;
        match *self {
            Prediction::Noise => Scaling { input: 1.0, skip: 1.0 / alpha, out: -sigma / alpha },
            Prediction::Clean => Scaling { input: 1.0, skip: 0.0, out: 1.0 },
            Prediction::Velocity => {
                let power = alpha * alpha + sigma * sigma;
                Scaling { input: 1.0, skip: alpha / power, out: -sigma / power }
            }
            Prediction::Flow => Scaling { input: 1.0, skip: 1.0 / (alpha + sigma), out: -sigma / (alpha + sigma) },
            Prediction::Preconditioned { data_std } => {
                let deviation = (alpha * data_std).hypot(sigma);
                let skip = alpha * (data_std / deviation).powi(2);
                Scaling { input: 1.0 / deviation, skip, out: data_std * sigma / deviation }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Process;

    fn levels(process: &Process) -> impl Iterator<Item = Level> {
        let [low, high] = process.range();
        (0..=1000).map(move |i| process.level(low + (high - low) * f64::from(i) / 1000.0).unwrap())
    }

    #[test]
    fn every_prediction_gives_back_the_clean_sample_it_was_made_from() {
        for process in [Process::variance_preserving(), Process::edm(), Process::rectified_flow()] {
            let level = process.level(0.3).unwrap();
            let (clean, noise) = (0.7, -1.9);
            let x = level.alpha * clean + level.sigma * noise;
            let outputs = [
                (Prediction::Noise, noise),
                (Prediction::Clean, clean),
                (Prediction::Velocity, level.alpha * noise - level.sigma * clean),
                (Prediction::Flow, noise - clean),
            ];
            for (prediction, output) in outputs {
                let Scaling { skip, out, .. } = prediction.scaling(&level);
                assert!((skip * x + out * output - clean).abs() < 1e-14, "{prediction:?}");
            }
        }
    }

    #[test]
    fn preconditioning_bounds_an_error_of_the_network_where_predicted_noise_amplifies_it() {
        let process = Process::variance_preserving();
        let worst =
            |prediction: Prediction| levels(&process).map(|at| prediction.scaling(&at).out.abs()).fold(0.0, f64::max);
        assert!(worst(Prediction::Noise) > 151.0);
        for data_std in [0.1, 0.6162, 1.0] {
            let prediction = Prediction::Preconditioned { data_std };
            assert!(worst(prediction) <= data_std * (1.0 + 1e-4), "{}", worst(prediction));
            // What the network sees has unit variance, and what it does not see is noise's share of the state.
            for level in levels(&process) {
                let Scaling { input, skip, out } = prediction.scaling(&level);
                let variance = (level.alpha * data_std).powi(2) + level.sigma.powi(2);
                assert!((input * input * variance - 1.0).abs() < 1e-12);
                let left = (1.0 - skip * level.alpha).powi(2) * data_std * data_std + (skip * level.sigma).powi(2);
                assert!((left - out * out).abs() <= 1e-12 * (1.0 + out * out), "{left} {out}");
            }
        }
    }

    #[test]
    fn preconditioned_unit_data_is_minus_the_velocity() {
        for level in levels(&Process::variance_preserving()) {
            let (a, b) =
                (Prediction::Preconditioned { data_std: 1.0 }.scaling(&level), Prediction::Velocity.scaling(&level));
            assert!((a.skip - b.skip).abs() + (a.out + b.out).abs() + (a.input - b.input).abs() < 1e-12);
        }
    }
}
