//! Elementwise product, broadcast.

use super::lift;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Bilinear, BilinearRule, Saves, record};
use crate::var::Var;
use tensor::Dims;

impl Var {
    /// `self * other` elementwise, broadcast.
    #[track_caller]
    pub fn mul(&self, other: &Var) -> Result<Var> {
        let value = self.value.mul(&other.value)?;
        let rule = Multiply { rank: value.rank(), shapes: [self.dims(), other.dims()] };
        record(BilinearRule(rule), Saves::Inputs, &[self, other], value, [])
    }

    /// `self / other` elementwise, broadcast.
    #[track_caller]
    pub fn div(&self, other: &Var) -> Result<Var> {
        self.mul(&other.reciprocal()?)
    }
}

struct Multiply {
    rank: usize,
    shapes: [Dims; 2],
}

impl Bilinear for Multiply {
    fn name(&self) -> &'static str {
        "mul"
    }
    fn forward(&self, a: &Var, b: &Var, side: usize, lead: Option<usize>) -> Result<Var> {
        let own = self.shapes[side].len();
        if side == 0 { lift(a, own, self.rank, lead)?.mul(b) } else { a.mul(&lift(b, own, self.rank, lead)?) }
    }
    fn adjoint(&self, side: usize, cotangent: &Var, other: &Var, lead: Option<usize>) -> Result<Var> {
        cotangent.mul(other)?.sum_to_lead(&self.shapes[side], lead)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let product = |x: &[Var]| x[0].mul(&x[1]);
    let shapes: [[&[usize]; 2]; 6] = [
        [&[3, 4, 5], &[3, 4, 5]],
        [&[2, 3, 4, 5], &[3, 1, 1]],
        [&[4, 1], &[5]],
        [&[], &[7]],
        [&[0], &[0]],
        [&[33], &[33]],
    ];
    let mut cases: Vec<Case> = shapes.iter().map(|pair| case(product).inputs(pair)).collect();
    cases.push(case(|x| x[0].mul(&x[0])).inputs(&[&[9]]).batched(&[0]));
    cases.push(case(product).inputs(&[&[2, 3, 7, 5], &[2, 3, 7, 5]]).batched(&[0, 1]));
    cases.push(case(product).inputs(&[&[2, 3, 4, 5], &[3, 1, 1]]).batched(&[0]));
    vec![("mul", cases)]
}
