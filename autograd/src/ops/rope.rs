//! Rotary position embedding; linear in what is turned, with turning back as its adjoint. The table is a constant.

use super::only;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;
pub use tensor::ops::rope::Rope;

impl Var {
    /// The pairs of `[.., s, e]` turned by `table [2, s, e / 2]`: cosines, then sines, of each position's angles.
    #[track_caller]
    pub fn rope(&self, table: &Tensor, p: &Rope) -> Result<Var> {
        turned(self, table, p, false)
    }
}

#[track_caller]
fn turned(x: &Var, table: &Tensor, p: &Rope, back: bool) -> Result<Var> {
    let rule = Turn { table: table.clone(), p: *p, back };
    record(LinearRule(rule), Saves::Nothing, &[x], x.value.rope(table, p, back)?, [])
}

struct Turn {
    table: Tensor,
    p: Rope,
    back: bool,
}

impl Linear for Turn {
    fn name(&self) -> &'static str {
        "rope"
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        turned(only(tangents)?, &self.table, &self.p, self.back)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        turned(cotangent, &self.table, &self.p, !self.back)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let with = |p: Rope| {
        move |x: &[Var]| {
            let &[.., s, e] = x[0].shape() else { return x[0].scale(1.0) };
            let angle = |i: usize| 0.7 * i as f64 + 0.2;
            let count = s * e / 2;
            let table = (0..count).map(|i| angle(i).cos()).chain((0..count).map(|i| angle(i).sin()));
            let table = Tensor::from_slice(x[0].device(), &[2, s, e / 2], &table.collect::<Vec<f64>>())?;
            x[0].rope(&table, &p)
        }
    };
    let halves = |axes| Rope { axes, interleaved: false };
    vec![(
        "rope",
        vec![
            case(with(halves(1))).inputs(&[&[2, 3, 5, 8]]).batched(&[0]).cancelling(),
            case(with(halves(2))).inputs(&[&[3, 7, 12]]).batched(&[0]).cancelling(),
            case(with(Rope { axes: 1, interleaved: true })).inputs(&[&[2, 2, 3, 6]]).batched(&[0]).cancelling(),
            case(with(halves(1))).inputs(&[&[0, 4]]),
        ],
    )]
}
