//! The probability-flow ODE (Song et al. 2021, eq. 13), backwards in time:
//!
//!   dx/dt = f x - g^2/2 s = (sigma'/sigma) x + (alpha' - alpha sigma'/sigma) x_0
//!
//! by Euler, order 1, or Heun, order 2 with twice the evaluations. Deterministic in its start.

use crate::error::Result;
use crate::grid::Grid;
use crate::process::{Level, Process};
use crate::table::{Correction, Row, Table};
use serde::{Deserialize, Serialize};

/// Order of the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Order 1.
    Euler,
    /// Order 2: the trapezoid over a step predicted by Euler.
    Heun,
}

pub(super) fn table(process: &Process, grid: &Grid, order: Order) -> Result<Table> {
    Table::build(process, grid, |from, to| {
        let Some(to) = to else { return Ok(Row::mean(from)) };
        Ok(match order {
            Order::Euler => euler(from, to),
            Order::Heun => heun(from, to),
        })
    })
}

fn euler(from: &Level, to: &Level) -> Row {
    let (dt, flow) = (from.t - to.t, from.flow());
    Row { dt, state: 1.0 - dt * flow.state, clean: -dt * flow.clean, ..Row::mean(from) }
}

pub(super) fn heun(from: &Level, to: &Level) -> Row {
    let (half, start, end) = ((from.t - to.t) / 2.0, from.flow(), to.flow());
    let correction = Correction {
        t: to.t,
        state: 1.0 - half * start.state,
        clean: -half * start.clean,
        predicted: -half * end.state,
        predicted_clean: -half * end.clean,
    };
    Row { correction: Some(correction), ..euler(from, to) }
}
