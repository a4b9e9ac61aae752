//! The same numbers in another shape: reshape, permute, narrow; and pad, concat, alias. Each is the adjoint of another.

use super::{only, with_lead};
use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::node::next_id;
use crate::rule::{Linear, LinearRule, Saves, record};
use crate::var::{Origin, Var};
use smallvec::SmallVec;
use tensor::{Dims, Tensor};

impl Var {
    /// Row-major order of the elements is kept.
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Result<Var> {
        let value = self.value.reshape(shape)?;
        let rule = Reshape { from: self.dims(), to: value.dims() };
        record(LinearRule(rule), Saves::Nothing, &[self], value, [])
    }

    /// Axis `i` of the result is axis `axes[i]` of this.
    #[track_caller]
    pub fn permute(&self, axes: &[usize]) -> Result<Var> {
        let value = self.value.permute(axes)?;
        record(LinearRule(Permute { axes: SmallVec::from_slice(axes) }), Saves::Nothing, &[self], value, [])
    }

    /// Two axes exchanged, counted from the right (0 is the last).
    #[track_caller]
    pub fn transpose(&self, a: usize, b: usize) -> Result<Var> {
        let mut axes: SmallVec<[usize; 8]> = (0..self.rank()).collect();
        let Some(last) = self.rank().checked_sub(1).filter(|last| a <= *last && b <= *last) else {
            return Err(Error::argument(format!("transpose: axes {a} and {b} from the right of {:?}", self.shape())));
        };
        axes.swap(last - a, last - b);
        self.permute(&axes)
    }

    /// `length` elements from `start` on along `axis`.
    #[track_caller]
    pub fn narrow(&self, axis: usize, start: usize, length: usize) -> Result<Var> {
        let value = self.value.narrow(axis, start, length)?;
        let mut at: SmallVec<[usize; 8]> = SmallVec::from_elem(0, self.rank());
        at[axis] = start;
        record(LinearRule(Narrow { full: self.dims(), part: value.dims(), at }), Saves::Nothing, &[self], value, [])
    }

    /// Zeros of `shape` with this placed at `start` on every axis.
    #[track_caller]
    pub fn pad(&self, shape: &[usize], start: &[usize]) -> Result<Var> {
        let value = self.value.pad(shape, start)?;
        let rule = Pad { full: value.dims(), part: self.dims(), at: SmallVec::from_slice(start) };
        record(LinearRule(rule), Saves::Nothing, &[self], value, [])
    }

    /// The parts side by side along `axis`; their other sizes are equal.
    #[track_caller]
    pub fn concat(parts: &[&Var], axis: usize) -> Result<Var> {
        let values: SmallVec<[&Tensor; 4]> = parts.iter().map(|part| &part.value).collect();
        let value = Tensor::concat(&values, axis)?;
        let rule = Concat { axis, parts: parts.iter().map(|part| part.dims()).collect() };
        record(LinearRule(rule), Saves::Nothing, parts, value, [])
    }

    /// The same value as an input of its own: gradients with respect to it stop here, and where this has a past, flow on.
    pub(crate) fn alias(&self) -> Result<Var> {
        if self.is_active() {
            return record(LinearRule(Alias), Saves::Nothing, &[self], self.value.clone(), []);
        }
        Ok(Var { value: self.value.clone(), origin: Origin::Leaf(next_id()), tangent: self.tangent.clone() })
    }
}

struct Reshape {
    from: Dims,
    to: Dims,
}
impl Linear for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        only(tangents)?.reshape(&with_lead(lead, &self.to))
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        cotangent.reshape(&with_lead(lead, &self.from))
    }
}

struct Permute {
    axes: SmallVec<[usize; 8]>,
}
impl Linear for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        only(tangents)?.permute(&below(lead, self.axes.iter().copied()))
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        let mut inverse: SmallVec<[usize; 8]> = SmallVec::from_elem(0, self.axes.len());
        self.axes.iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        cotangent.permute(&below(lead, inverse.into_iter()))
    }
}

/// An order of axes below an axis of directions, which stays in front.
fn below(lead: Option<usize>, axes: impl Iterator<Item = usize>) -> SmallVec<[usize; 8]> {
    match lead {
        None => axes.collect(),
        Some(_) => std::iter::once(0).chain(axes.map(|axis| axis + 1)).collect(),
    }
}

/// A start on every axis below an axis of directions.
fn start(lead: Option<usize>, at: &[usize]) -> SmallVec<[usize; 8]> {
    lead.map(|_| 0).into_iter().chain(at.iter().copied()).collect()
}

struct Narrow {
    full: Dims,
    part: Dims,
    at: SmallVec<[usize; 8]>,
}
impl Linear for Narrow {
    fn name(&self) -> &'static str {
        "narrow"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        cut(only(tangents)?, &self.part, &self.at, lead)
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        cotangent.pad(&with_lead(lead, &self.full), &start(lead, &self.at))
    }
}

struct Pad {
    full: Dims,
    part: Dims,
    at: SmallVec<[usize; 8]>,
}
impl Linear for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        only(tangents)?.pad(&with_lead(lead, &self.full), &start(lead, &self.at))
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        cut(cotangent, &self.part, &self.at, lead)
    }
}

/// The part of shape `part` that starts `at`, below an axis of directions.
fn cut(x: &Var, part: &[usize], at: &[usize], lead: Option<usize>) -> Result<Var> {
    let skip = usize::from(lead.is_some());
    let mut out = x.clone();
    for axis in 0..part.len() {
        if out.shape()[axis + skip] != part[axis] {
            out = out.narrow(axis + skip, at[axis], part[axis])?;
        }
    }
    Ok(out)
}

struct Concat {
    axis: usize,
    parts: SmallVec<[Dims; 4]>,
}
impl Linear for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var> {
        let like = only(tangents)?;
        let zeros = |part: &Dims| -> Result<Var> {
            Ok(Var::constant(Tensor::zeros(like.device(), like.dtype(), &with_lead(lead, part))?))
        };
        let parts =
            tangents.iter().zip(&self.parts).map(|(tangent, part)| tangent.clone().map_or_else(|| zeros(part), Ok));
        let parts = parts.collect::<Result<SmallVec<[Var; 4]>>>()?;
        Var::concat(&parts.iter().collect::<SmallVec<[&Var; 4]>>(), self.axis + usize::from(lead.is_some()))
    }
    fn adjoint(&self, i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var> {
        let start = self.parts[..i].iter().map(|part| part[self.axis]).sum();
        cotangent.narrow(self.axis + usize::from(lead.is_some()), start, self.parts[i][self.axis])
    }
}

struct Alias;
impl Linear for Alias {
    fn name(&self) -> &'static str {
        "alias"
    }
    fn forward(&self, tangents: &[Option<Var>], _lead: Option<usize>) -> Result<Var> {
        Ok(only(tangents)?.clone())
    }
    fn adjoint(&self, _i: usize, cotangent: &Var, _lead: Option<usize>) -> Result<Var> {
        Ok(cotangent.clone())
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let reshape = |shape: &'static [usize]| move |x: &[Var]| x[0].reshape(shape);
    let permute = |axes: &'static [usize]| move |x: &[Var]| x[0].permute(axes);
    vec![
        (
            "reshape",
            vec![
                case(reshape(&[6, 4])).inputs(&[&[2, 3, 4]]),
                case(|x: &[Var]| x[0].reshape(&[x[0].shape()[0], 12])).inputs(&[&[2, 3, 4]]).batched(&[0]),
                case(reshape(&[1, 0])).inputs(&[&[0, 3]]),
                case(reshape(&[])).inputs(&[&[1, 1]]),
            ],
        ),
        (
            "permute",
            vec![
                case(permute(&[2, 0, 1])).inputs(&[&[2, 3, 4]]),
                case(permute(&[0, 2, 3, 1])).inputs(&[&[2, 3, 4, 5]]).batched(&[0]),
                case(|x: &[Var]| x[0].transpose(0, 1)).inputs(&[&[5, 3]]),
            ],
        ),
        (
            "narrow",
            vec![
                case(|x: &[Var]| x[0].narrow(1, 1, 3)).inputs(&[&[2, 5, 3]]).batched(&[0]),
                case(|x: &[Var]| x[0].narrow(0, 2, 0)).inputs(&[&[2, 5]]),
            ],
        ),
        (
            "pad",
            vec![
                case(|x: &[Var]| x[0].pad(&[x[0].shape()[0], 5, 4], &[0, 1, 2])).inputs(&[&[2, 3, 2]]).batched(&[0]),
                case(|x: &[Var]| x[0].pad(&[3], &[1])).inputs(&[&[0]]),
            ],
        ),
        (
            "concat",
            vec![
                case(|x: &[Var]| Var::concat(&[&x[0], &x[1], &x[0]], 1))
                    .inputs(&[&[2, 3, 4], &[2, 1, 4]])
                    .batched(&[0, 1]),
                case(|x: &[Var]| Var::concat(&[&x[0]], 0)).inputs(&[&[3]]),
            ],
        ),
        ("alias", vec![case(|x: &[Var]| x[0].scale(1.0)?.alias()).inputs(&[&[3]]).batched(&[0])]),
    ]
}
