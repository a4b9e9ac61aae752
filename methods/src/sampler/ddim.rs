//! DDIM (Song et al. 2021, eq. 12 and 16), from time t to s:
//!
//!   x' = alpha_s x_0 + sqrt(sigma_s^2 - c^2) noise_t + c xi,      noise_t = (x - alpha_t x_0) / sigma_t
//!   c  = eta sigma_s sqrt(1 - (alpha_t sigma_s / (alpha_s sigma_t))^2)
//!
//! At eta = 1, c is the deviation of x_s given x_t and x_0, and the update DDPM's ancestral step. `diffusers` ends with a
//! step to alpha_bar = 1, which is the clean estimate: its N steps are a grid of N points here.

use crate::error::{Error, Result};
use crate::grid::Grid;
use crate::process::Process;
use crate::table::{Row, Table};

pub(super) fn table(process: &Process, grid: &Grid, eta: f64) -> Result<Table> {
    if !(0.0..=1.0).contains(&eta) {
        return Err(Error::argument(format!("DDIM with eta = {eta}: it must lie in [0, 1]")));
    }
    Table::build(process, grid, |from, to| {
        let mean = Row::mean(from);
        let Some(to) = to else { return Ok(mean) };
        let kept = from.alpha * to.sigma / (to.alpha * from.sigma);
        let noise = eta * to.sigma * (1.0 - kept * kept).max(0.0).sqrt();
        let state = (to.sigma * to.sigma - noise * noise).max(0.0).sqrt() / from.sigma;
        Ok(Row { dt: from.t - to.t, state, clean: to.alpha - state * from.alpha, noise, ..mean })
    })
}
