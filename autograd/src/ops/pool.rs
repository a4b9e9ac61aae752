//! Average pooling of images; linear.

use super::only;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;
pub use tensor::ops::pool::Pool;

impl Var {
    /// The means of windows of `[.., c, h, w]`; what does not fill a window at the right and bottom edge is left out.
    #[track_caller]
    pub fn average_pool(&self, p: &Pool) -> Result<Var> {
        pool(self, p, None)
    }
}

/// The pooling, or with the size of its input, its adjoint.
#[track_caller]
fn pool(x: &Var, p: &Pool, back_to: Option<[usize; 2]>) -> Result<Var> {
    let value = match back_to {
        None => x.value.average_pool(p)?,
        Some(size) => x.value.average_pool_adjoint(p, size)?,
    };
    let from = [x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]];
    record(LinearRule(Average { p: *p, from, back_to }), Saves::Nothing, &[x], value, [])
}

struct Average {
    p: Pool,
    from: [usize; 2],
    back_to: Option<[usize; 2]>,
}

impl Linear for Average {
    fn name(&self) -> &'static str {
        "average_pool"
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        pool(only(tangents)?, &self.p, self.back_to)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        pool(cotangent, &self.p, if self.back_to.is_some() { None } else { Some(self.from) })
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let with = |kernel, stride| move |x: &[Var]| x[0].average_pool(&Pool { kernel, stride });
    vec![(
        "average_pool",
        vec![
            case(with([2, 2], [2, 2])).inputs(&[&[2, 3, 4, 6]]).batched(&[0]),
            case(with([2, 2], [2, 2])).inputs(&[&[1, 20, 7, 5]]),
            case(with([3, 2], [1, 2])).inputs(&[&[2, 1, 5, 4]]),
        ],
    )]
}
