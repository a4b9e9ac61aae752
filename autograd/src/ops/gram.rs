//! Products of tall matrices, `a' b`: bilinear, with matrix products as adjoints.

use super::lift;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Bilinear, BilinearRule, Saves, record};
use crate::var::Var;
use tensor::Dims;

impl Var {
    /// `self' other` for tall matrices `[.., n, r]` and `[.., n, m]`: `[.., r, m]`, batches repeated to one; of itself its
    /// Gram matrix. Numbers of 16 bits give f32.
    #[track_caller]
    pub fn gram(&self, other: &Var) -> Result<Var> {
        let value = self.value.gram(&other.value)?;
        let rule = Tall { rank: value.rank(), shapes: [self.dims(), other.dims()] };
        record(BilinearRule(rule), Saves::Inputs, &[self, other], value, [])
    }
}

struct Tall {
    rank: usize,
    shapes: [Dims; 2],
}

impl Bilinear for Tall {
    fn name(&self) -> &'static str {
        "gram"
    }
    fn forward(&self, a: &Var, b: &Var, side: usize, lead: Option<usize>) -> Result<Var> {
        let own = self.shapes[side].len();
        if side == 0 { lift(a, own, self.rank, lead)?.gram(b) } else { a.gram(&lift(b, own, self.rank, lead)?) }
    }
    fn adjoint(&self, side: usize, cotangent: &Var, other: &Var, lead: Option<usize>) -> Result<Var> {
        let cotangent = cotangent.cast(other.dtype())?;
        let product = other.matmul(&if side == 0 { cotangent.transpose(0, 1)? } else { cotangent })?;
        product.sum_to_lead(&self.shapes[side], lead)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let product = |x: &[Var]| x[0].gram(&x[1]);
    let own = |x: &[Var]| x[0].gram(&x[0]);
    vec![(
        "gram",
        vec![
            case(product).inputs(&[&[2, 5, 3], &[2, 5, 4]]).products(5).batched(&[0, 1]),
            case(product).inputs(&[&[2, 7, 5], &[2, 7, 1]]).products(7).batched(&[0, 1]),
            case(product).inputs(&[&[2, 3, 7, 2], &[3, 7, 6]]).products(7).batched(&[0]),
            case(product).inputs(&[&[1100, 3], &[1100, 2]]).products(1100),
            case(product).inputs(&[&[2, 0, 3], &[2, 0, 2]]),
            case(product).inputs(&[&[0, 4, 3], &[0, 4, 2]]),
            case(own).inputs(&[&[2, 33, 4]]).products(33).batched(&[0]),
        ],
    )]
}
