//! Who is optimised when: all controls at once, or one player after the other (Algorithm 1 of paper 000).
//!
//! Control-wise play comes in four variants, because the paper's words leave them open. "Freeze the others" fixes their
//! *parameters* in all of them. What differs is whether the derivative knows that they react, and when they see what
//! was learned:
//!
//! - [`Response::Total`] follows `u^i -> X^i -> Y -> u^j(., Y) -> X^j`: coordinate descent on J, which lowers it.
//! - [`Response::Best`] cuts that path: the others are played open loop, as in the released code. A game: its fixed points
//!   are minima of J where every control can be any function of all states, and need not be where it cannot.
//! - [`Order::GaussSeidel`]: the next player meets the last one's new control.
//! - [`Order::Jacobi`]: all meet the controls of the round before (Algorithm 1 as printed, `u_k^j`). Players who aim at
//!   the same target overshoot it together, so J may rise.

use serde::{Deserialize, Serialize};

/// What the others do while one player moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// They react, and the derivative knows it.
    Total,
    /// They play open loop.
    Best,
}

/// When players see each other's moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// At once.
    GaussSeidel,
    /// At the end of the round.
    Jacobi,
}

/// Who is optimised when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// All at once.
    Joint,
    /// One after the other.
    ControlWise {
        /// Updates in a turn, M of Algorithm 1, at least 1.
        inner: usize,
        /// See [`Response`].
        response: Response,
        /// See [`Order`].
        order: Order,
    },
}

impl Scheme {
    /// Updates of one round: a joint one, or everybody's turn.
    pub fn round(&self, agents: usize) -> u64 {
        match self {
            Scheme::Joint => 1,
            Scheme::ControlWise { inner, .. } => (*inner as u64).saturating_mul(agents as u64),
        }
    }

    /// Whose turn update number `update` is; `None` when it is everybody's.
    pub fn player(&self, update: u64, agents: usize) -> Option<usize> {
        match self {
            Scheme::Joint => None,
            Scheme::ControlWise { inner, .. } => {
                Some((update / (*inner).max(1) as u64 % agents.max(1) as u64) as usize)
            }
        }
    }

    /// The name that says which variant it is.
    pub fn name(&self) -> &'static str {
        match self {
            Scheme::Joint => "joint",
            Scheme::ControlWise { response: Response::Total, order: Order::GaussSeidel, .. } => {
                "control-wise, total gradient, Gauss-Seidel"
            }
            Scheme::ControlWise { response: Response::Total, order: Order::Jacobi, .. } => {
                "control-wise, total gradient, Jacobi"
            }
            Scheme::ControlWise { response: Response::Best, order: Order::GaussSeidel, .. } => {
                "control-wise, best response, Gauss-Seidel"
            }
            Scheme::ControlWise { response: Response::Best, order: Order::Jacobi, .. } => {
                "control-wise, best response, Jacobi"
            }
        }
    }
}
