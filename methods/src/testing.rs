//! What the tests of this crate share.

use crate::process::{Level, Process};
use crate::table::Table;
use autograd::{Device, Tensor, Var};
use std::sync::LazyLock;

/// Data N(`mean`, `variance`), one number.
#[derive(Clone, Copy)]
pub(crate) struct Normal {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

impl Normal {
    /// The law of x_t.
    pub(crate) fn noised(self, level: &Level) -> Normal {
        let variance = level.alpha.powi(2) * self.variance + level.sigma.powi(2);
        Normal { mean: level.alpha * self.mean, variance }
    }

    /// The clean estimate of such data as gain x + shift.
    fn posterior_mean(self, level: &Level) -> [f64; 2] {
        let gain = level.alpha * self.variance / self.noised(level).variance;
        [gain, self.mean * (1.0 - gain * level.alpha)]
    }
}

/// The exact law of a run's result for data `data`, started from the law `start`: every row is affine in the state.
pub(crate) fn law(process: &Process, table: &Table, data: Normal, start: Normal) -> Normal {
    table.rows().iter().fold(start, |Normal { mean, variance }, row| {
        let [gain, shift] = data.posterior_mean(&process.level(row.t).unwrap());
        let (mut slope, mut offset) = (row.state + row.clean * gain, row.clean * shift);
        if let Some(heun) = row.correction {
            let [gain2, shift2] = data.posterior_mean(&process.level(heun.t).unwrap());
            let again = heun.predicted + heun.predicted_clean * gain2;
            offset = heun.clean * shift + again * offset + heun.predicted_clean * shift2;
            slope = heun.state + heun.clean * gain + again * slope;
        }
        let churned = variance + row.churn.powi(2);
        Normal { mean: slope * mean + offset, variance: slope * slope * churned + row.noise.powi(2) }
    })
}

/// The law a run starts from.
pub(crate) fn start(table: &Table) -> Normal {
    Normal { mean: 0.0, variance: table.start().powi(2) }
}

/// The one device of the tests: values of two devices do not meet.
pub(crate) fn device() -> &'static Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| Device::cpu(2));
    &DEVICE
}

/// Numbers as a constant.
pub(crate) fn constant(shape: &[usize], numbers: &[f64]) -> Var {
    Var::constant(Tensor::from_slice(device(), shape, numbers).unwrap())
}

/// The numbers of a value, row-major.
pub(crate) fn numbers(x: &Var) -> Vec<f64> {
    x.value().to_f64().unwrap()
}

/// Mean and covariance (row-major) of samples `[n, d]`.
pub(crate) fn moments(samples: &Tensor) -> (Vec<f64>, Vec<f64>) {
    let [n, d] = samples.shape()[..] else { panic!("{samples:?}") };
    let rows = samples.to_f64().unwrap();
    let mean: Vec<f64> = (0..d).map(|j| rows.iter().skip(j).step_by(d).sum::<f64>() / n as f64).collect();
    let entry = |i: usize, j: usize| {
        rows.chunks(d).map(|row| (row[i] - mean[i]) * (row[j] - mean[j])).sum::<f64>() / (n - 1) as f64
    };
    let covariance = (0..d * d).map(|at| entry(at / d, at % d)).collect();
    (mean, covariance)
}

/// The order p at which errors fall with the number of steps, from errors at `steps` and `2 steps`.
pub(crate) fn order(coarse: f64, fine: f64) -> f64 {
    (coarse / fine).log2()
}
