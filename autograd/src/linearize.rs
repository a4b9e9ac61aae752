//! The derivative of a function at a point, to be applied as often as wanted: one taped evaluation, then tangents pushed
//! forward and cotangents pulled back along it. iLQR and Gauss-Newton are written on this noun alone.

use crate::backward::{Grad, grad};
use crate::error::{Kind, Result};
use crate::tape::{IdMap, Tape};
use crate::var::{Var, directions};
use smallvec::SmallVec;
use tensor::Tensor;

/// `f` near `x`: `y`, and `J` as two products.
pub struct LinearMap {
    input: Var,
    result: Var,
    tape: Tape,
}

/// Evaluates `f` once at `x` and keeps its tape.
pub fn linearize(f: impl FnOnce(&Var) -> Result<Var>, x: &Tensor) -> Result<LinearMap> {
    let input = Var::leaf(x.clone());
    let result = f(&input)?;
    let tape = Tape::of([&result]);
    Ok(LinearMap { input, result, tape })
}

impl LinearMap {
    /// `f(x)`.
    pub fn value(&self) -> &Tensor {
        &self.result.value
    }

    /// `J dx` for `dx` of x's shape, or `[k, ..]` for `k` directions: shape of y, or `[k, ..]`.
    pub fn jvp(&self, dx: &Tensor) -> Result<Tensor> {
        let lead = self.input.directions(dx)?;
        let mut tangents: IdMap<Var> = IdMap::default();
        if let Some(id) = self.input.origin.id() {
            tangents.insert(id, Var::constant(dx.clone()));
        }
        for node in &self.tape.nodes {
            let inputs: SmallVec<[Option<Var>; 3]> =
                node.inputs.iter().map(|origin| origin.id().and_then(|id| tangents.get(&id).cloned())).collect();
            if inputs.iter().all(Option::is_none) {
                continue;
            }
            let mut saved = node.open(false, true)?;
            saved.lead = lead;
            if let Some(tangent) = node.rule.jvp(&saved, &inputs)? {
                debug_assert!(directions(&node.shape, tangent.shape()).is_ok_and(|own| own == lead));
                tangents.insert(node.id, tangent);
            }
        }
        match self.result.origin.id().and_then(|id| tangents.remove(&id)) {
            Some(tangent) => Ok(tangent.value),
            None => self.zeros(self.value(), lead),
        }
    }

    /// `J' g` for `g` of y's shape, or `[k, ..]` for `k` cotangents: shape of x, or `[k, ..]`.
    pub fn vjp(&self, g: &Tensor) -> Result<Tensor> {
        let lead = self.result.directions(g)?;
        let how = Grad { cotangent: Some(Var::constant(g.clone())), retain: true, create_graph: false };
        match grad(&self.result, &[&self.input], how)?.get(0) {
            Ok(gradient) => Ok(gradient.value.clone()),
            Err(error) if matches!(error.kind(), Kind::Missing { .. }) => self.zeros(&self.input.value, lead),
            Err(error) => Err(error),
        }
    }

    fn zeros(&self, like: &Tensor, lead: Option<usize>) -> Result<Tensor> {
        let shape: Vec<usize> = lead.into_iter().chain(like.shape().iter().copied()).collect();
        Ok(Tensor::zeros(like.device(), like.dtype(), &shape)?)
    }
}
