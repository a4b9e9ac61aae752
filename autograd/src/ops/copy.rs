//! Another storage order, or another dtype, of the same numbers.

use super::only;
use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;
use tensor::DType;

impl Var {
    /// The numbers as `dtype`. The cotangent comes back in this dtype.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<Var> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        let value = self.value.cast(dtype)?;
        record(LinearRule(Cast { from: self.dtype(), to: dtype }), Saves::Nothing, &[self], value, [])
    }
}

struct Cast {
    from: DType,
    to: DType,
}
impl Linear for Cast {
    fn name(&self) -> &'static str {
        "cast"
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        only(tangents)?.cast(self.to)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        cotangent.cast(self.from)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    // Down to f32 and back would spoil the f64 differences; the other way round is exact.
    vec![("cast", vec![case(|x: &[Var]| x[0].cast(DType::F64)).inputs(&[&[3, 5]]).batched(&[0])])]
}
