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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backward::{Grad, grad};
    use crate::var::jvp;
    use tensor::{Device, Tensor};

    /// A derivative goes where the number went, in its dtype, and comes back in the dtype it came from.
    #[test]
    fn derivatives_are_cast_along() {
        let device = Device::cpu(1);
        for (from, to) in [(DType::F64, DType::F32), (DType::F32, DType::F64), (DType::F32, DType::BF16)] {
            let numbers = |x: &[f64], dtype| Tensor::from_slice(&device, &[2], x).and_then(|x| x.cast(dtype)).unwrap();
            // Exact in all of them, but for the input.
            let x = Var::leaf(numbers(&[0.1, -3.7], from));
            let y = x.cast(to).unwrap();
            assert_eq!(y.value().to_f64().unwrap(), x.value().cast(to).unwrap().to_f64().unwrap());
            let cotangent = Some(Var::constant(numbers(&[0.5, -2.0], to)));
            let gradients = grad(&y, &[&x], Grad { cotangent, ..Grad::default() }).unwrap();
            let gradient = gradients.get(0).unwrap().value().clone();
            assert_eq!((gradient.dtype(), gradient.to_f64().unwrap()), (from, vec![0.5, -2.0]));
            let pairs = [(&x, numbers(&[4.0, 0.25], from))];
            let tangent = jvp(&pairs, |x| Ok(x[0].cast(to)?.tangent().map(|t| t.value().clone()))).unwrap().unwrap();
            assert_eq!((tangent.dtype(), tangent.to_f64().unwrap()), (to, vec![4.0, 0.25]));
        }
    }
}
