//! Euler-Maruyama for the reverse SDE (Song et al. 2021, eq. 6), dt > 0 backwards in time:
//!
//!   x' = x - dt (f x - g^2 s) + g sqrt(dt) xi,      s = (alpha x_0 - x) / sigma^2
//!
//! For the variance-preserving process: x + (beta/2 x + beta s) dt + sqrt(beta dt) xi. Weak order 1.

use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::process::Process;
use crate::table::{Row, Table};

pub(super) fn table(process: &Process, grid: &Grid) -> Result<Table> {
    Table::build(process, grid, |from, to| {
        let mean = Row::mean(from);
        let Some(to) = to else { return Ok(mean) };
        let (dt, drift, g2, s2) = (from.t - to.t, from.drift(), from.diffusion_squared(), from.sigma.powi(2));
        if !g2.is_finite() {
            let what = format!(
                "the reverse SDE of the {} is singular at t = {}; start its grid below, or use the probability flow",
                process.name(),
                from.t
            );
            return Err(Error::argument(what));
        }
        Ok(Row {
            dt,
            state: 1.0 - dt * (drift + g2 / s2),
            clean: dt * g2 * from.alpha / s2,
            noise: (g2 * dt).sqrt(),
            ..mean
        })
    })
}
