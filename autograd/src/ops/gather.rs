//! Rows picked by an index (embeddings, permutations), and rows added at an index; each the adjoint of the other.

use super::only;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;

impl Var {
    /// `y[.., j, ..] = x[.., index[j], ..]` along `axis`; `index` `[m]` of i64.
    #[track_caller]
    pub fn gather(&self, axis: usize, index: &Tensor) -> Result<Var> {
        let value = self.value.gather(axis, index)?;
        let rule = Rows { name: "gather", axis, index: index.clone(), size: self.shape()[axis] };
        record(LinearRule(rule), Saves::Nothing, &[self], value, [])
    }

    /// Zeros with `size` along `axis`, to which row `j` of this is added at `index[j]`.
    #[track_caller]
    pub fn scatter_add(&self, axis: usize, index: &Tensor, size: usize) -> Result<Var> {
        let value = self.value.scatter_add(axis, index, size)?;
        let rule = Rows { name: "scatter_add", axis, index: index.clone(), size };
        record(LinearRule(rule), Saves::Nothing, &[self], value, [])
    }
}

struct Rows {
    name: &'static str,
    axis: usize,
    index: Tensor,
    /// Along the axis of the side that is indexed.
    size: usize,
}

impl Rows {
    fn run(&self, x: &Var, gather: bool, lead: Option<usize>) -> Result<Var> {
        let axis = self.axis + usize::from(lead.is_some());
        if gather { x.gather(axis, &self.index) } else { x.scatter_add(axis, &self.index, self.size) }
    }
}

impl Linear for Rows {
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        self.run(only(tangents)?, self.name == "gather", lead)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        self.run(cotangent, self.name != "gather", lead)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let at = |x: &Var, index: &[i64]| Tensor::from_slice(x.device(), &[index.len()], index);
    let gather = move |axis: usize, index: &'static [i64]| move |x: &[Var]| x[0].gather(axis, &at(&x[0], index)?);
    let scatter = move |axis: usize, index: &'static [i64], size: usize| {
        move |x: &[Var]| x[0].scatter_add(axis, &at(&x[0], index)?, size)
    };
    vec![
        (
            "gather",
            vec![
                case(gather(0, &[2, 0, 2, 1])).inputs(&[&[3, 5]]),
                case(gather(1, &[3, 3])).inputs(&[&[2, 4, 3]]).batched(&[0]),
                case(gather(0, &[])).inputs(&[&[3]]),
            ],
        ),
        (
            "scatter_add",
            vec![
                case(scatter(0, &[2, 0, 2], 4)).inputs(&[&[3, 5]]),
                case(scatter(1, &[1, 1], 2)).inputs(&[&[2, 2, 3]]).batched(&[0]),
            ],
        ),
    ]
}
