//! Learning rates over a run: factors of the peak rate, as functions of the step.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The factor by which the peak learning rate is multiplied in step `k`, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Schedule {
    /// 1 throughout.
    Constant,
    /// Linearly up to 1, which step `warm_up - 1` reaches; then 1.
    Linear {
        /// Steps of the way up.
        warm_up: u64,
    },
    /// The same way up, then half a cosine down to `floor` at the last of `steps`, and `floor` after.
    Cosine {
        /// Steps of the way up.
        warm_up: u64,
        /// Steps of the run.
        steps: u64,
        /// The factor at the end.
        floor: f64,
    },
    /// Smith and Topin 2018, in the shape of PyTorch's `OneCycleLR`: half a cosine up from `1 / start`, in the fraction
    /// `rise` of `steps`, and half a cosine down to `1 / (start end)`.
    OneCycle {
        /// Steps of the run.
        steps: u64,
        /// The fraction that goes up; PyTorch's `pct_start`, 0.3.
        rise: f64,
        /// PyTorch's `div_factor`, 25.
        start: f64,
        /// PyTorch's `final_div_factor`, 10 000.
        end: f64,
    },
}

impl Schedule {
    /// [`Schedule::OneCycle`] with PyTorch's defaults.
    pub fn one_cycle(steps: u64) -> Schedule {
        Schedule::OneCycle { steps, rise: 0.3, start: 25.0, end: 1e4 }
    }

    /// The factor in step `step`.
    pub fn factor(&self, step: u64) -> f64 {
        let k = step as f64;
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Linear { warm_up } => up(step, warm_up),
            Schedule::Cosine { warm_up, steps, floor } => {
                let way = fraction(k - warm_up as f64, steps as f64 - 1.0 - warm_up as f64);
                if step < warm_up { up(step, warm_up) } else { between(1.0, floor, way) }
            }
            Schedule::OneCycle { steps, rise, start, end } => {
                let (peak, last) = (rise * steps as f64 - 1.0, steps as f64 - 1.0);
                if k <= peak {
                    between(1.0 / start, 1.0, fraction(k, peak))
                } else {
                    between(1.0, 1.0 / (start * end), fraction(k - peak, last - peak))
                }
            }
        }
    }
}

fn up(step: u64, warm_up: u64) -> f64 {
    ((step + 1) as f64 / warm_up.max(1) as f64).min(1.0)
}

/// `part / whole` in [0, 1]; 1 where there is nothing to go through.
fn fraction(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 1.0 }
}

/// Half a cosine from `from` to `to`.
fn between(from: f64, to: f64, way: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (PI * way).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule, steps: &[u64]) -> Vec<f64> {
        steps.iter().map(|&step| (1e6 * schedule.factor(step)).round() / 1e6).collect()
    }

    #[test]
    fn ways_up_and_down_hit_their_ends() {
        assert_eq!(factors(Schedule::Linear { warm_up: 4 }, &[0, 1, 3, 9]), [0.25, 0.5, 1.0, 1.0]);
        let cosine = Schedule::Cosine { warm_up: 2, steps: 11, floor: 0.1 };
        assert_eq!(factors(cosine, &[0, 1, 2, 6, 10, 50]), [0.5, 1.0, 1.0, 0.55 + 0.45 * 0.0, 0.1, 0.1]);
        assert_eq!(factors(Schedule::Cosine { warm_up: 0, steps: 0, floor: 0.0 }, &[0, 1]), [0.0, 0.0]);
    }

    #[test]
    fn one_cycle_is_pytorchs() {
        // [lr of OneCycleLR(SGD(lr=1), max_lr=1, total_steps=10) in steps 0..10], pct_start 0.3: peak at step 2.
        let by_hand = |k: f64| {
            let (from, to, way) = if k <= 2.0 { (0.04, 1.0, k / 2.0) } else { (1.0, 4e-6, (k - 2.0) / 7.0) };
            to + (from - to) / 2.0 * (1.0 + (PI * way).cos())
        };
        for step in 0..10 {
            assert!((Schedule::one_cycle(10).factor(step) - by_hand(step as f64)).abs() < 1e-12);
        }
        assert_eq!(factors(Schedule::one_cycle(10), &[0, 1, 2, 9, 99]), [0.04, 0.52, 1.0, 4e-6, 4e-6]);
    }
}
