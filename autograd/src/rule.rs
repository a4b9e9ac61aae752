//! How an op is differentiated: four kinds of rule.
//!
//! - [`Linear`]: the op and its adjoint, each the other's derivative.
//! - [`Bilinear`]: a product of two operands; closed under differentiation with its two adjoints.
//! - pointwise functions, in `ops/pointwise.rs`: one table of f, f', f''.
//! - [`Fused`]: a forward and a backward kernel, and `composite`, the same op in primitives: its definition, its test
//!   oracle, and the path of every derivative that the backward kernel does not cover.
//!
//! Rules are written on `Var`s. Where nothing further is wanted these are constants, on which ops record nothing, so a
//! rule on `Var`s costs one branch more than a rule on tensors.

use crate::backward::{Grad, grad_all};
use crate::error::{Error, Result};
use crate::nan_guard;
use crate::node::{Node, Saved, SavedInput, SavedTensor};
use crate::ops::{lift, with_lead};
use crate::var::{Origin, Var};
use smallvec::SmallVec;
use std::panic::Location;
use tensor::{Dims, Tensor};

/// One cotangent an input; `None` where none was needed.
pub(crate) type Cotangents = SmallVec<[Option<Var>; 3]>;

/// The derivative of one op.
pub(crate) trait Rule: Send + Sync {
    /// The op's name in messages and in the registry.
    fn name(&self) -> &'static str;
    /// The inputs' cotangents, where `needs` says so. `cotangent` has the result's shape, or `[k, ..]`.
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents>;
    /// The result's tangent; `None` for zero. A tangent of `None` is zero.
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>>;
}

/// What was saved, as the derivative sees it.
pub(crate) struct SavedVars {
    pub(crate) inputs: SmallVec<[Option<Var>; 3]>,
    pub(crate) extra: SmallVec<[Tensor; 2]>,
    /// Directions of the tangents or cotangents at hand: `None` for a single one without the axis.
    pub(crate) lead: Option<usize>,
}

impl SavedVars {
    /// Input `i`, which the op saved.
    pub(crate) fn input(&self, i: usize) -> Result<&Var> {
        self.inputs.get(i).and_then(Option::as_ref).ok_or_else(|| Error::argument(format!("input {i} was not saved")))
    }
}

/// Which inputs an op saves.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Saves {
    Nothing,
    Inputs,
    /// The first so many.
    First(usize),
}

/// The result of an op: `value`, with its derivatives where an input has any. `extra` is saved for the rule.
#[track_caller]
pub(crate) fn record<R: Rule + 'static>(
    rule: R,
    saves: Saves,
    inputs: &[&Var],
    value: Tensor,
    extra: impl IntoIterator<Item = Tensor>,
) -> Result<Var> {
    nan_guard::inspect(rule.name(), &value, Location::caller())?;
    if inputs.iter().all(|input| input.is_plain()) {
        return Ok(Var::constant(value));
    }
    let tangent = if inputs.iter().any(|input| input.tangent.is_some()) {
        let tangents: SmallVec<[_; 3]> = inputs.iter().map(|input| input.tangent().cloned()).collect();
        rule.jvp(&primals(inputs, &tangents)?, &tangents)?
    } else {
        None
    };
    let mut result = Var::constant(value).with_tangent(tangent);
    if inputs.iter().any(|input| input.is_active()) {
        let kept = match saves {
            Saves::Nothing => SmallVec::new(),
            Saves::Inputs => inputs.iter().map(|input| Some(SavedInput::new(input))).collect(),
            Saves::First(count) => inputs.iter().take(count).map(|input| Some(SavedInput::new(input))).collect(),
        };
        let saved = Saved { inputs: kept, extra: extra.into_iter().map(SavedTensor::new).collect() };
        result.origin = Origin::Node(Node::new(Box::new(rule), inputs, result.dims(), saved, Location::caller()));
    }
    Ok(result)
}

/// The inputs without tangents, and the number of directions of those.
fn primals(inputs: &[&Var], tangents: &[Option<Var>]) -> Result<SavedVars> {
    let mut lead = None;
    for (input, tangent) in inputs.iter().zip(tangents) {
        if let Some(tangent) = tangent {
            lead = lead.or(input.directions(&tangent.value)?);
        }
    }
    Ok(SavedVars { inputs: inputs.iter().map(|input| Some(input.primal())).collect(), extra: SmallVec::new(), lead })
}

/// An op that is linear in all its inputs together.
pub(crate) trait Linear: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    /// The op itself on tangents with `lead` directions; at least one is there, the others are zero.
    fn forward(&self, tangents: &[Option<Var>], lead: Option<usize>) -> Result<Var>;
    /// The adjoint towards input `i`.
    fn adjoint(&self, i: usize, cotangent: &Var, lead: Option<usize>) -> Result<Var>;
}

pub(crate) struct LinearRule<L>(pub(crate) L);

impl<L: Linear> Rule for LinearRule<L> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        needs
            .iter()
            .enumerate()
            .map(|(i, need)| need.then(|| self.0.adjoint(i, cotangent, saved.lead)).transpose())
            .collect()
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        self.0.forward(tangents, saved.lead).map(Some)
    }
}

/// An op that is linear in each of two inputs.
pub(crate) trait Bilinear: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    /// The op with a tangent of `lead` directions in the place of input `side` (0 or 1).
    fn forward(&self, a: &Var, b: &Var, side: usize, lead: Option<usize>) -> Result<Var>;
    /// The adjoint towards input `side`; `other` is the other input.
    fn adjoint(&self, side: usize, cotangent: &Var, other: &Var, lead: Option<usize>) -> Result<Var>;
}

pub(crate) struct BilinearRule<B>(pub(crate) B);

impl<B: Bilinear> Rule for BilinearRule<B> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        let side = |i: usize| -> Result<Option<Var>> {
            if needs[i] { self.0.adjoint(i, cotangent, saved.input(1 - i)?, saved.lead).map(Some) } else { Ok(None) }
        };
        Ok(SmallVec::from_iter([side(0)?, side(1)?]))
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let first = tangents[0].as_ref().map(|da| self.0.forward(da, saved.input(1)?, 0, saved.lead)).transpose()?;
        let second = tangents[1].as_ref().map(|db| self.0.forward(saved.input(0)?, db, 1, saved.lead)).transpose()?;
        accumulate(first, second)
    }
}

/// `product(a, b) + bias + residual`, the bias repeated over the result; one node, because kernels add both at no cost.
/// Inputs are the operands, then bias and residual as far as they are there.
pub(crate) struct AffineRule<B> {
    pub(crate) product: BilinearRule<B>,
    pub(crate) bias: Option<Repeated>,
    pub(crate) result: Dims,
}

/// A bias's own shape, and the shape in which it repeats to the result's.
pub(crate) struct Repeated {
    pub(crate) own: Dims,
    pub(crate) wide: Dims,
}

impl<B: Bilinear> Rule for AffineRule<B> {
    fn name(&self) -> &'static str {
        self.product.name()
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        let mut cotangents = self.product.vjp(saved, cotangent, needs)?;
        let to_bias =
            |bias: &Repeated| cotangent.sum_to_lead(&bias.wide, saved.lead)?.reshape(&with_lead(saved.lead, &bias.own));
        for (&need, i) in needs[2..].iter().zip(0..) {
            let own = || self.bias.as_ref().filter(|_| i == 0).map_or_else(|| Ok(cotangent.clone()), to_bias);
            cotangents.push(need.then(own).transpose()?);
        }
        Ok(cotangents)
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let mut all = self.product.jvp(saved, &tangents[..2])?;
        for (tangent, i) in tangents[2..].iter().zip(0..) {
            let own = match (tangent, self.bias.as_ref().filter(|_| i == 0)) {
                (Some(tangent), Some(bias)) => Some(self.repeat(bias, tangent, saved.lead)?),
                (tangent, _) => tangent.clone(),
            };
            all = accumulate(all, own)?;
        }
        Ok(all)
    }
}

impl<B> AffineRule<B> {
    fn repeat(&self, bias: &Repeated, tangent: &Var, lead: Option<usize>) -> Result<Var> {
        let wide = tangent.reshape(&with_lead(lead, &bias.wide))?;
        lift(&wide, bias.wide.len(), self.result.len(), lead)?.broadcast_to(&with_lead(lead, &self.result))
    }
}

/// The sum of two gradients, where `None` is zero.
pub fn accumulate(a: Option<Var>, b: Option<Var>) -> Result<Option<Var>> {
    match (a, b) {
        (Some(a), Some(b)) => a.add(&b).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// An op with kernels of its own for forward and backward, and a definition in primitives.
pub(crate) trait Fused: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    /// The backward kernel, one cotangent of the result's shape. `extra` is what the forward pass recorded.
    fn backward(
        &self,
        inputs: &[Tensor],
        extra: &[Tensor],
        cotangent: &Tensor,
        needs: &[bool],
    ) -> Result<Vec<Option<Tensor>>>;
    /// The op in primitives.
    fn composite(&self, inputs: &[Var]) -> Result<Var>;
}

pub(crate) struct FusedRule<F>(pub(crate) F);

impl<F: Fused> FusedRule<F> {
    /// `k` cotangents are `k` runs of the backward kernel: the same bits as one by one.
    fn backward(&self, saved: &SavedVars, cotangent: &Tensor, needs: &[bool]) -> Result<Cotangents> {
        let inputs: Vec<Tensor> = saved.inputs.iter().flatten().map(|input| input.value.clone()).collect();
        let one = |cotangent: &Tensor| self.0.backward(&inputs, &saved.extra, cotangent, needs);
        let Some(lead) = saved.lead else {
            return Ok(one(cotangent)?.into_iter().map(|gradient| gradient.map(Var::constant)).collect());
        };
        let shape = cotangent.shape()[1..].to_vec();
        let mut runs = Vec::with_capacity(lead);
        for k in 0..lead {
            runs.push(one(&cotangent.narrow(0, k, 1)?.reshape(&shape)?)?);
        }
        (0..needs.len()).map(|i| stacked(&runs, i, &inputs[i]).map(|x| x.map(Var::constant))).collect()
    }
}

/// Input `i`'s gradients of all runs along a new leading axis.
fn stacked(runs: &[Vec<Option<Tensor>>], i: usize, like: &Tensor) -> Result<Option<Tensor>> {
    let rows = runs.iter().filter_map(|run| run[i].as_ref());
    let mut shape = vec![1];
    shape.extend_from_slice(like.shape());
    let rows = rows.map(|row| Ok(row.reshape(&shape)?)).collect::<Result<Vec<_>>>()?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(Tensor::concat(&rows.iter().collect::<Vec<_>>(), 0)?))
}

impl<F: Fused> Rule for FusedRule<F> {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn vjp(&self, saved: &SavedVars, cotangent: &Var, needs: &[bool]) -> Result<Cotangents> {
        if cotangent.is_plain() && saved.inputs.iter().flatten().all(Var::is_plain) {
            return self.backward(saved, &cotangent.value, needs);
        }
        // Aliases, so that the gradient stops at this op's inputs even where one was computed from another. Constants that
        // nobody asks about stay constants.
        let alias =
            |(input, need): (&Var, &bool)| if *need || input.is_active() { input.alias() } else { Ok(input.clone()) };
        let inputs = saved.inputs.iter().flatten().zip(needs).map(alias).collect::<Result<Vec<_>>>()?;
        let result = self.0.composite(&inputs)?;
        let wanted: Vec<&Var> = inputs.iter().zip(needs).filter(|(_, need)| **need).map(|(input, _)| input).collect();
        let create_graph = cotangent.is_active() || saved.inputs.iter().flatten().any(Var::is_active);
        let how = Grad { create_graph, retain: false, ..Grad::default() };
        let mut gradients = grad_all(&[(&result, cotangent.clone())], &wanted, how)?.into_vars().into_iter();
        Ok(needs.iter().map(|need| if *need { gradients.next().flatten() } else { None }).collect())
    }
    fn jvp(&self, saved: &SavedVars, tangents: &[Option<Var>]) -> Result<Option<Var>> {
        let duals: Vec<Var> =
            saved.inputs.iter().flatten().zip(tangents).map(|(x, dx)| x.with_tangent(dx.clone())).collect();
        Ok(self.0.composite(&duals)?.tangent().cloned())
    }
}
