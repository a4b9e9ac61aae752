//! Euler-Maruyama for the reverse SDE (Song et al. 2021, eq. 6), dt > 0 backwards in time:
//!
//!   x' = x - dt (f x - g^2 s) + g sqrt(dt) xi,      s = (alpha x_0 - x) / sigma^2
//!
//! For the variance-preserving process: x + (beta/2 x + beta s) dt + sqrt(beta dt) xi. Weak order 1.

use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::process::{Level, Process};
use crate::table::{Row, Table};

pub(super) fn table(process: &Process, grid: &Grid) -> Result<Table> {
    Table::build(process, grid, |from, to| {
        let Some(to) = to else { return Ok(Row::mean(from)) };
        row(process, from, from.t - to.t)
    })
}

/// The update from `level` that is `dt` long.
pub(crate) fn row(process: &Process, level: &Level, dt: f64) -> Result<Row> {
    let (drift, g2, s2) = (level.drift(), level.diffusion_squared(), level.sigma.powi(2));
    if !g2.is_finite() {
        let (name, t) = (process.name(), level.t);
        return Err(Error::argument(format!(
            "the reverse SDE of the {name} is singular at t = {t}; start its grid below, or use the probability flow"
        )));
    }
    Ok(Row {
        dt,
        state: 1.0 - dt * (drift + g2 / s2),
        clean: dt * g2 * level.alpha / s2,
        noise: (g2 * dt).sqrt(),
        ..Row::mean(level)
    })
}
