//! Nearest-neighbour resizing of images; linear, with the sum over repeated pixels as its adjoint.

use super::only;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;

impl Var {
    /// `[.., c, h, w]` to `[.., c, size[0], size[1]]`: pixel `i` of the result is pixel `floor(i in / out)`.
    #[track_caller]
    pub fn resize_nearest(&self, size: [usize; 2]) -> Result<Var> {
        resize(self, size, false)
    }
}

#[track_caller]
fn resize(x: &Var, size: [usize; 2], adjoint: bool) -> Result<Var> {
    let value = if adjoint { x.value.resize_nearest_adjoint(size)? } else { x.value.resize_nearest(size)? };
    let from = [x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]];
    record(LinearRule(Resize { from, to: size, adjoint }), Saves::Nothing, &[x], value, [])
}

struct Resize {
    from: [usize; 2],
    to: [usize; 2],
    adjoint: bool,
}

impl Linear for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        resize(only(tangents)?, self.to, self.adjoint)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        resize(cotangent, self.from, !self.adjoint)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let to = |size| move |x: &[Var]| x[0].resize_nearest(size);
    vec![(
        "resize",
        vec![
            case(to([6, 10])).inputs(&[&[2, 3, 3, 5]]).batched(&[0]),
            case(to([4, 3])).inputs(&[&[1, 17, 7, 5]]),
            case(to([2, 2])).inputs(&[&[0, 2, 1, 1]]),
        ],
    )]
}
