//! Softmax over the last axis.

use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Fused, FusedRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;

impl Var {
    /// `e^x / sum e^x` along the last axis.
    #[track_caller]
    pub fn softmax(&self) -> Result<Var> {
        let value = self.value.softmax()?;
        record(FusedRule(Softmax), Saves::Inputs, &[self], value.clone(), [value])
    }
}

struct Softmax;

impl Fused for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn backward(&self, _x: &[Tensor], extra: &[Tensor], g: &Tensor, _needs: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(extra[0].softmax_backward(g)?)])
    }
    fn composite(&self, inputs: &[Var]) -> Result<Var> {
        let x = &inputs[0];
        let last = [x.rank() - 1];
        // The shift cancels, so it is a constant.
        let e = x.sub(&Var::constant(x.value.max_keep(&last)?))?.exp()?;
        e.div(&e.sum_keep(&last)?)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let shapes: [&[usize]; 5] = [&[3, 10], &[1, 1], &[2, 3, 49], &[0, 4], &[33]];
    let mut cases: Vec<Case> =
        shapes.iter().map(|shape| case(|x: &[Var]| x[0].softmax()).inputs(&[shape]).range(-3.0, 3.0)).collect();
    cases.push(case(|x: &[Var]| x[0].softmax()).inputs(&[&[2, 7]]).batched(&[0]));
    vec![("softmax", cases)]
}
