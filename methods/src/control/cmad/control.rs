//! What steers an agent.

use crate::error::{Error, Result};
use crate::table::Row;
use autograd::{Tensor, Var};
use nn::{Module, Param, Visitor};

/// What a control sees at one step.
pub struct See<'a> {
    /// The agent's own state, `[n, c, h, w]`.
    pub state: &'a Var,
    /// The aggregated state Y; of a stack, as much of it as goes on the agent's canvas, which is the agent's own rows.
    pub aggregate: &'a Var,
    /// The gradient of Psi by the agent's clean estimate, `M_i' grad Psi(Yhat_0)`, per sample: zero where the object shows
    /// nothing of the agent.
    pub pull: &'a Var,
    /// The agent's clean estimate.
    pub clean: &'a Var,
    /// The object of all clean estimates, Yhat_0; of a stack, the agent's rows.
    pub outlook: &'a Var,
    /// Time, noise level and diffusion coefficient.
    pub row: &'a Row,
    /// The step, for controls with a table.
    pub step: usize,
}

/// A control u^i. What it learns are its trainable parameters.
pub trait Control: Module + Send + Sync {
    /// `u`, of the state's shape and dtype. Samples do not know each other.
    fn act(&self, see: &See) -> Result<Var>;

    /// As much of `u` as is learned from finished works: all, or what is not there to correct that.
    fn recall(&self, see: &See) -> Result<Var> {
        self.act(see)
    }
}

/// `u = a_k x + b_k`, with a pair for each step: the form of the optimum when everything is linear and quadratic.
pub struct LinearGain {
    /// `[steps, 2]`: rows a_k, b_k.
    pub table: Param,
}

impl LinearGain {
    /// From the numbers of `table`, `[steps, 2]`.
    pub fn new(table: Tensor) -> Result<LinearGain> {
        match table.shape() {
            [_, 2] => Ok(LinearGain { table: Param::new(table) }),
            shape => Err(Error::argument(format!("a table of linear gains is [steps, 2], not {shape:?}"))),
        }
    }
}

impl Control for LinearGain {
    fn act(&self, see: &See) -> Result<Var> {
        let table = self.table.var();
        if see.step >= table.shape()[0] {
            let steps = table.shape()[0];
            return Err(Error::argument(format!("linear gains of {steps} steps have none for step {}", see.step)));
        }
        let row = table.narrow(0, see.step, 1)?.cast(see.state.dtype())?;
        let number = |column: usize| row.narrow(1, column, 1)?.reshape(&[]);
        Ok(see.state.mul(&number(0)?)?.add(&number(1)?)?)
    }
}

impl Module for LinearGain {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("table", &self.table);
    }
}
