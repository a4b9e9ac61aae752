//! Heun with churn (Karras et al. 2022, algorithm 2): noise is added to bring the state from sigma up to
//! sigma_hat = (1 + gamma) sigma, and the probability flow is followed from there to the next level.
//!
//! `N` points are `2 N - 1` evaluations: the last row is the step to sigma = 0, which is the clean estimate.

use super::probability_flow::heun;
use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::process::Process;
use crate::table::{Row, Table};
use serde::{Deserialize, Serialize};
use std::f64::consts::SQRT_2;

/// How much fresh noise, and where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// gamma = amount / points, at most sqrt(2) - 1. 0 is the deterministic sampler.
    pub amount: f64,
    /// Lowest noise level at which it is added.
    pub min: f64,
    /// Highest.
    pub max: f64,
    /// Standard deviation of the noise; a little above 1 makes up for what the denoiser removes too much.
    pub scale: f64,
}

impl Churn {
    /// No fresh noise.
    pub const NONE: Churn = Churn { amount: 0.0, min: 0.0, max: f64::MAX, scale: 1.0 };
}

pub(super) fn table(process: &Process, grid: &Grid, churn: Churn) -> Result<Table> {
    if !matches!(process, Process::Edm { .. }) {
        let what = format!(
            "the EDM sampler needs the EDM process, not the {}; use the probability flow with Heun",
            process.name()
        );
        return Err(Error::argument(what));
    }
    if !(churn.amount >= 0.0 && churn.scale >= 0.0 && churn.amount.is_finite() && churn.scale.is_finite()) {
        return Err(Error::argument(format!(
            "churn of {} at scale {}: both must be finite and not negative",
            churn.amount, churn.scale
        )));
    }
    let points = grid.times().len() as f64;
    Table::build(process, grid, |from, to| {
        let inside = (churn.min..=churn.max).contains(&from.sigma);
        let gamma = if inside { (churn.amount / points).min(SQRT_2 - 1.0) } else { 0.0 };
        let hat = process.level(from.t * (1.0 + gamma))?;
        let added = churn.scale * from.sigma * (gamma * (2.0 + gamma)).sqrt();
        Ok(Row { churn: added, ..to.map_or_else(|| Row::mean(&hat), |to| heun(&hat, to)) })
    })
}
