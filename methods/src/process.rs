//! The noising, x_t = alpha(t) x_0 + sigma(t) noise with noise ~ N(0, I); as an SDE, dx = f(t) x dt + g(t) dw.
//!
//! A process is its two schedules and their rates; everything else follows from those for all processes alike:
//! f = alpha'/alpha and g^2 = 2 sigma sigma' - 2 f sigma^2 (Song et al. 2021; Karras et al. 2022, appendix B). All of it is
//! f64 on the host; states may be f32.

use crate::discrete::Discrete;
use crate::error::{Kind, Result};
use serde::{Deserialize, Serialize};

/// A noising process. Time runs from clean to noise; samplers walk it backwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Process {
    /// dx = -beta/2 x dt + sqrt(beta) dw with beta(t) = beta_min + t (beta_max - beta_min), t in (0, 1].
    VariancePreserving {
        /// beta at t = 0.
        beta_min: f64,
        /// beta at t = 1.
        beta_max: f64,
        /// The time at which training starts and sampling ends.
        eps: f64,
    },
    /// The variance-preserving chain of DDPM; t is the index 0 ..= steps - 1 of the training step.
    Discrete(Discrete),
    /// x = x_0 + t noise: the noise level is the time (Karras et al. 2022).
    Edm {
        /// Where sampling ends.
        sigma_min: f64,
        /// Where sampling starts.
        sigma_max: f64,
    },
    /// x = (1 - t) x_0 + t noise, t in (0, 1]. Its reverse SDE is singular at t = 1, its probability flow is not.
    RectifiedFlow {
        /// The time at which training starts and sampling ends.
        eps: f64,
    },
}

/// A process at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The time.
    pub t: f64,
    /// Scale of the signal.
    pub alpha: f64,
    /// Standard deviation of the noise, above 0.
    pub sigma: f64,
    /// d alpha / dt.
    pub alpha_rate: f64,
    /// d sigma / dt.
    pub sigma_rate: f64,
}

impl Process {
    /// The variance-preserving process of Song et al. 2021: beta from 0.1 to 20, t in [1e-3, 1].
    pub fn variance_preserving() -> Process {
        Process::VariancePreserving { beta_min: 0.1, beta_max: 20.0, eps: 1e-3 }
    }

    /// The noise levels of Karras et al. 2022: 0.002 to 80.
    pub fn edm() -> Process {
        Process::Edm { sigma_min: 0.002, sigma_max: 80.0 }
    }

    /// The straight path, t in [1e-3, 1].
    pub fn rectified_flow() -> Process {
        Process::RectifiedFlow { eps: 1e-3 }
    }

    /// The name used in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Process::VariancePreserving { .. } => "variance-preserving process",
            Process::Discrete(_) => "discrete process",
            Process::Edm { .. } => "EDM process",
            Process::RectifiedFlow { .. } => "rectified flow",
        }
    }

    /// The times between which training draws and sampling walks.
    pub fn range(&self) -> [f64; 2] {
        match *self {
            Process::VariancePreserving { eps, .. } | Process::RectifiedFlow { eps } => [eps, 1.0],
            Process::Discrete(ref discrete) => [0.0, discrete.steps() as f64 - 1.0],
            Process::Edm { sigma_min, sigma_max } => [sigma_min, sigma_max],
        }
    }

    /// Schedules and rates at `t`; an error where the process has no noise, no such time, or numbers that are not finite.
    pub fn level(&self, t: f64) -> Result<Level> {
        let level = match *self {
            Process::VariancePreserving { beta_min, beta_max, .. } => {
                let beta = beta_min + t * (beta_max - beta_min);
                let log_alpha = -t * t * (beta_max - beta_min) / 4.0 - t * beta_min / 2.0;
                Level::variance_preserving(t, log_alpha, -beta / 2.0)
            }
            Process::Discrete(ref discrete) => discrete.level(t),
            Process::Edm { .. } => Level { t, alpha: 1.0, sigma: t, alpha_rate: 0.0, sigma_rate: 1.0 },
            Process::RectifiedFlow { .. } => Level { t, alpha: 1.0 - t, sigma: t, alpha_rate: -1.0, sigma_rate: 1.0 },
        };
        let bounded = matches!(self, Process::Edm { .. }) || t <= self.range()[1];
        let finite = [level.sigma, level.alpha_rate, level.sigma_rate].iter().all(|x| x.is_finite());
        let usable = level.sigma > 0.0 && level.alpha >= 0.0 && finite;
        if bounded && usable { Ok(level) } else { Err(self.outside(t)) }
    }

    fn outside(&self, t: f64) -> crate::Error {
        let domain = match self {
            Process::VariancePreserving { .. } | Process::RectifiedFlow { .. } => {
                "(0, 1], or its parameters are not usable".into()
            }
            Process::Discrete(discrete) => format!("[0, {}]", discrete.steps() - 1),
            Process::Edm { .. } => "(0, infinity)".into(),
        };
        Kind::Time { process: self.name(), t, domain }.into()
    }
}

impl Level {
    /// alpha = e^log_alpha and sigma^2 = 1 - alpha^2, from ln alpha and its rate.
    pub(crate) fn variance_preserving(t: f64, log_alpha: f64, log_alpha_rate: f64) -> Level {
        let (alpha, sigma) = (log_alpha.exp(), (-(2.0 * log_alpha).exp_m1()).sqrt());
        let alpha_rate = alpha * log_alpha_rate;
        Level { t, alpha, sigma, alpha_rate, sigma_rate: -alpha * alpha_rate / sigma }
    }

    /// f, of the drift f x.
    pub fn drift(&self) -> f64 {
        self.alpha_rate / self.alpha
    }

    /// g^2, of the diffusion g dw. For the variance-preserving processes it is beta.
    pub fn diffusion_squared(&self) -> f64 {
        2.0 * self.sigma * (self.sigma_rate - self.drift() * self.sigma)
    }

    /// The probability flow in terms of the clean estimate, dx/dt = `state` x + `clean` x_0; finite wherever sigma > 0.
    pub fn flow(&self) -> Flow {
        let state = self.sigma_rate / self.sigma;
        Flow { state, clean: self.alpha_rate - self.alpha * state }
    }
}

/// A velocity as a combination of the state and the clean estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Factor of the state.
    pub state: f64,
    /// Factor of the clean estimate.
    pub clean: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discrete::Betas;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{a} is not {b}");
    }

    #[test]
    fn variance_preserving_has_beta_as_its_diffusion() {
        let level = Process::variance_preserving().level(0.37).unwrap();
        let beta = 0.1 + 0.37 * 19.9;
        close(level.diffusion_squared(), beta, 1e-14);
        close(level.drift(), -beta / 2.0, 1e-14);
        close(Process::variance_preserving().level(1.0).unwrap().alpha, (-5.025_f64).exp(), 1e-15);
    }

    #[test]
    fn rates_are_derivatives_of_the_schedules() {
        let discrete = Process::Discrete(Discrete::new(Betas::Linear { start: 1e-4, end: 0.02 }, 1000).unwrap());
        let processes = [
            (Process::variance_preserving(), 0.4),
            (discrete, 400.5),
            (Process::edm(), 3.0),
            (Process::rectified_flow(), 0.4),
        ];
        for (process, t) in processes {
            let h = 1e-5;
            let [low, mid, high] = [t - h, t, t + h].map(|t| process.level(t).unwrap());
            close(mid.alpha_rate, (high.alpha - low.alpha) / (2.0 * h), 1e-8);
            close(mid.sigma_rate, (high.sigma - low.sigma) / (2.0 * h), 1e-8);
        }
    }

    #[test]
    fn flows_of_the_straight_processes_are_those_of_the_papers() {
        let edm = Process::edm().level(5.0).unwrap().flow();
        assert_eq!(edm, Flow { state: 0.2, clean: -0.2 });
        // At t = 1 the straight path's velocity is noise - clean = x - clean, though alpha = 0.
        assert_eq!(Process::rectified_flow().level(1.0).unwrap().flow(), Flow { state: 1.0, clean: -1.0 });
    }

    #[test]
    fn processes_are_read_from_configurations_with_the_keys_of_diffusers() {
        let text = r#"{"kind":"discrete","beta_schedule":"squaredcos_cap_v2","num_train_timesteps":100}"#;
        let process: Process = serde_json::from_str(text).unwrap();
        assert_eq!(process, Process::Discrete(Discrete::new(Betas::SquaredCosine, 100).unwrap()));
        assert_eq!(serde_json::to_string(&process).unwrap(), text);
        let linear = r#"{"kind":"discrete","beta_schedule":"linear","beta_start":0.0001,"beta_end":1.5,"num_train_timesteps":10}"#;
        let error = serde_json::from_str::<Process>(linear).unwrap_err().to_string();
        assert!(error.starts_with("beta 1.0"), "{error}");
        for process in [Process::variance_preserving(), Process::edm(), Process::rectified_flow()] {
            let text = serde_json::to_string(&process).unwrap();
            assert_eq!(serde_json::from_str::<Process>(&text).unwrap(), process, "{text}");
        }
    }

    #[test]
    fn times_outside_are_refused_with_the_domain() {
        let error = Process::variance_preserving().level(1.5).unwrap_err();
        assert!(error.to_string().starts_with("variance-preserving process: t = 1.5 is outside (0, 1]"), "{error}");
        for (process, t) in [
            (Process::variance_preserving(), 0.0),
            (Process::edm(), -1.0),
            (Process::edm(), f64::INFINITY),
            (Process::rectified_flow(), f64::NAN),
        ] {
            assert!(process.level(t).unwrap_err().is_usage());
        }
    }
}
