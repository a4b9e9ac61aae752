//! Sums over axes, and their adjoint, repetition.

use super::{only, with_lead};
use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::Var;
use smallvec::SmallVec;
use tensor::Dims;

impl Var {
    /// Summed down to a shape that broadcasts to this one: axes of size 1, and axes that are missing on the left.
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Result<Var> {
        self.sum_to_lead(shape, None)
    }

    /// The same below an axis of directions, which is not summed.
    #[track_caller]
    pub(crate) fn sum_to_lead(&self, shape: &[usize], lead: Option<usize>) -> Result<Var> {
        if self.shape() == with_lead(lead, shape) {
            return Ok(self.clone());
        }
        let value = match lead {
            None => self.value.sum_to(shape)?,
            Some(k) => {
                // Axes of size 1 keep the directions outermost while the rest is summed.
                let mut wide = vec![1; self.rank()];
                wide[0] = k;
                wide[self.rank() - shape.len()..].copy_from_slice(shape);
                self.value.sum_to(&wide)?.reshape(&with_lead(lead, shape))?
            }
        };
        let rule = SumTo { from: self.dims(), to: value.dims(), lead };
        record(LinearRule(rule), Saves::Nothing, &[self], value, [])
    }

    /// Summed over `axes`, which stay with size 1.
    #[track_caller]
    pub fn sum_keep(&self, axes: &[usize]) -> Result<Var> {
        let mut shape = self.dims();
        for &axis in axes {
            let rank = self.rank();
            *shape
                .get_mut(axis)
                .ok_or_else(|| Error::argument(format!("sum: there is no axis {axis} among {rank}")))? = 1;
        }
        self.sum_to(&shape)
    }

    /// The sum of all elements, shape `[]`.
    #[track_caller]
    pub fn sum(&self) -> Result<Var> {
        self.sum_to(&[])
    }

    /// The mean of all elements, shape `[]`.
    #[track_caller]
    pub fn mean(&self) -> Result<Var> {
        self.sum()?.scale(1.0 / self.value.count().max(1) as f64)
    }

    /// The mean over `axes`, which stay with size 1.
    #[track_caller]
    pub fn mean_keep(&self, axes: &[usize]) -> Result<Var> {
        let sum = self.sum_keep(axes)?;
        sum.scale(sum.value.count() as f64 / self.value.count().max(1) as f64)
    }

    /// One number for each row of the leading axis: everything else summed. Shape `[n]`.
    #[track_caller]
    pub fn sum_per_sample(&self) -> Result<Var> {
        let mut shape = vec![1; self.rank().max(1)];
        shape[0] = *self.shape().first().unwrap_or(&1);
        self.sum_to(&shape)?.reshape(&shape[..1])
    }

    /// The largest along `axes`, which stay with size 1. A value without a derivative, which jumps where two are equal:
    /// an input that needs one is refused.
    #[track_caller]
    pub fn max_keep(&self, axes: &[usize]) -> Result<Var> {
        if !self.is_plain() {
            let reason = "the largest element jumps from one to another; use a softmax, or detach the input";
            return Err(Error::forbidden("max", reason));
        }
        Ok(Var::constant(self.value.max_keep(axes)?))
    }

    /// Repeated to `shape`: axes of size 1, and missing axes on the left, take any size.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Var> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        let value = self.value.broadcast_to(shape)?;
        let rule = Broadcast { from: self.dims(), to: value.dims() };
        record(LinearRule(rule), Saves::Nothing, &[self], value, [])
    }
}

struct SumTo {
    from: Dims,
    to: Dims,
    lead: Option<usize>,
}

impl Linear for SumTo {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        // `to` as an axis-by-axis shape of the same rank, so that one more axis in front changes nothing.
        let mut wide: SmallVec<[usize; 8]> = SmallVec::from_elem(1, self.from.len());
        let own = &self.to[usize::from(self.lead.is_some())..];
        wide[self.from.len() - own.len()..].copy_from_slice(own);
        if let Some(k) = self.lead {
            wide[0] = k;
        }
        only(tangents)?.sum_to_lead(&wide, lead)?.reshape(&with_lead(lead, &self.to))
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        let mut wide: SmallVec<[usize; 8]> = SmallVec::from_elem(1, self.from.len());
        let own = &self.to[usize::from(self.lead.is_some())..];
        wide[self.from.len() - own.len()..].copy_from_slice(own);
        if let Some(k) = self.lead {
            wide[0] = k;
        }
        cotangent.reshape(&with_lead(lead, &wide))?.broadcast_to(&with_lead(lead, &self.from))
    }
}

struct Broadcast {
    from: Dims,
    to: Dims,
}

impl Linear for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        super::lift(only(tangents)?, self.from.len(), self.to.len(), lead)?.broadcast_to(&with_lead(lead, &self.to))
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        cotangent.sum_to_lead(&self.from, lead)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let to = |shape: &'static [usize]| move |x: &[Var]| x[0].sum_to(shape);
    let sums: Vec<Case> = vec![
        case(to(&[])).inputs(&[&[3, 4, 5]]),
        case(to(&[3, 1, 1])).inputs(&[&[2, 3, 4, 5]]),
        case(to(&[4, 1])).inputs(&[&[2, 3, 4, 33]]),
        case(to(&[])).inputs(&[&[0, 3]]),
        case(|x: &[Var]| x[0].sum_per_sample()).inputs(&[&[3, 2, 5]]).batched(&[0]),
        case(|x: &[Var]| x[0].sum_per_sample()).inputs(&[&[2, 3, 28, 28]]).products(3 * 28 * 28).batched(&[0]),
        case(|x: &[Var]| x[0].sum_keep(&[1])).inputs(&[&[2, 7, 33]]).batched(&[0]),
    ];
    let wide = |shape: &'static [usize]| move |x: &[Var]| x[0].broadcast_to(shape);
    let broadcasts: Vec<Case> = vec![
        case(wide(&[2, 3, 4])).inputs(&[&[3, 1]]),
        case(|x: &[Var]| x[0].broadcast_to(&[x[0].shape()[0], 4, 5])).inputs(&[&[2, 1, 5]]).batched(&[0]),
        case(wide(&[5])).inputs(&[&[]]),
        case(wide(&[0, 3])).inputs(&[&[3]]),
    ];
    vec![("sum", sums), ("broadcast", broadcasts)]
}

#[cfg(test)]
mod tests {
    use crate::{Device, Tensor, Var, jvp};

    #[test]
    fn the_largest_has_a_value_and_no_derivative() {
        let x = Tensor::from_slice(&Device::cpu(1), &[2, 3], &[1.0, 4.0, 2.0, -3.0, -1.0, -2.0]).unwrap();
        let max = Var::constant(x.clone()).max_keep(&[1]).unwrap();
        assert_eq!((max.shape(), max.value().to_f64().unwrap()), (&[2, 1][..], vec![4.0, -1.0]));
        let refused = Var::leaf(x.clone()).max_keep(&[1]).unwrap_err().to_string();
        assert!(refused.contains("max") && refused.contains("detach the input"), "{refused}");
        let tangent = jvp(&[(&Var::constant(x.clone()), x)], |x| x[0].max_keep(&[1]));
        assert!(tangent.is_err());
    }
}
