//! Reverse mode. Nodes are visited by descending id; each gives its saved values back as it is used up, so the peak is
//! that of the forward pass; contributions to one value are added in that fixed order, so gradients repeat bit for bit.

use crate::error::{Error, Kind, Result};
use crate::tape::{IdMap, Tape};
use crate::var::{Origin, Var};
use smallvec::SmallVec;
use tensor::Tensor;

/// How to take gradients.
#[derive(Clone, Default)]
pub struct Grad {
    /// What to pull back: the result's shape, or `[k, ..]` for `k` at once. Default: 1, for results of one element.
    pub cotangent: Option<Var>,
    /// Whether the gradients are themselves differentiable.
    pub create_graph: bool,
    /// Whether the graph may be used again.
    pub retain: bool,
}

/// Gradients in the order they were asked for.
#[derive(Debug)]
pub struct Gradients(Vec<Option<Var>>);

impl Gradients {
    /// Gradient `i`; an error when the result does not depend on input `i`.
    pub fn get(&self, i: usize) -> Result<&Var> {
        self.0.get(i).and_then(Option::as_ref).ok_or_else(|| Kind::Missing { what: format!("input {i}") }.into())
    }

    /// All of them; `None` where the result does not depend on the input.
    pub fn into_vars(self) -> Vec<Option<Var>> {
        self.0
    }
}

/// The gradients of `y` (pulled back from `how.cotangent`) with respect to `wrt`: leaves, or values on the way.
pub fn grad(y: &Var, wrt: &[&Var], how: Grad) -> Result<Gradients> {
    let cotangent = match &how.cotangent {
        Some(cotangent) => cotangent.clone(),
        None if y.value.count() == 1 => Var::constant(Tensor::full(y.device(), y.dtype(), y.shape(), 1.0)?),
        None => {
            return Err(Error::argument(format!(
                "grad: a result of shape {:?} needs a cotangent; give one, or sum to one number first",
                y.shape()
            )));
        }
    };
    grad_all(&[(y, cotangent)], wrt, how)
}

/// The gradients of several results at once, each pulled back from its own cotangent (`how.cotangent` is not looked at).
pub fn grad_all(results: &[(&Var, Var)], wrt: &[&Var], how: Grad) -> Result<Gradients> {
    let wanted: IdMap<usize> = wrt.iter().enumerate().filter_map(|(i, var)| Some((var.origin.id()?, i))).collect();
    let tape = Tape::of(results.iter().map(|(y, _)| *y));
    let useful = tape.useful(&wanted);
    let mut sweep =
        Sweep { at_node: vec![None; tape.nodes.len()], at_wanted: vec![None; wrt.len()], tape, wanted, useful };
    for (y, cotangent) in results {
        y.directions(&cotangent.value)?;
        sweep.add(&y.origin, cotangent.clone())?;
    }
    let retain = how.retain || how.create_graph;
    for at in (0..sweep.tape.nodes.len()).rev() {
        sweep.visit(at, how.create_graph, retain)?;
    }
    // The same leaf may be asked for twice.
    let found = |var: &&Var| var.origin.id().and_then(|id| sweep.at_wanted[*sweep.wanted.get(&id)?].clone());
    Ok(Gradients(wrt.iter().map(found).collect()))
}

struct Sweep {
    tape: Tape,
    wanted: IdMap<usize>,
    useful: Vec<bool>,
    at_node: Vec<Option<Var>>,
    at_wanted: Vec<Option<Var>>,
}

impl Sweep {
    fn visit(&mut self, at: usize, create_graph: bool, retain: bool) -> Result<()> {
        let Some(cotangent) = self.at_node[at].take() else { return Ok(()) };
        let node = self.tape.nodes[at].clone();
        let needs: SmallVec<[bool; 3]> =
            node.inputs.iter().map(|origin| self.tape.needs(origin, &self.wanted, &self.useful)).collect();
        let mut saved = node.open(create_graph, retain)?;
        saved.lead = crate::var::directions(&node.shape, cotangent.shape())?;
        let cotangents = node.rule.vjp(&saved, &cotangent, &needs)?;
        drop((saved, cotangent));
        for (origin, cotangent) in node.inputs.iter().zip(cotangents) {
            if let Some(cotangent) = cotangent {
                self.add(origin, cotangent)?;
            }
        }
        Ok(())
    }

    /// Adds to the cotangent of whatever `origin` is, if anybody needs it.
    fn add(&mut self, origin: &Origin, cotangent: Var) -> Result<()> {
        let Some(id) = origin.id() else { return Ok(()) };
        let node = self.tape.index.get(&id).copied().filter(|&at| self.useful[at]);
        if let Some(&i) = self.wanted.get(&id) {
            accumulate(&mut self.at_wanted[i], cotangent.clone())?;
        }
        if let Some(at) = node {
            accumulate(&mut self.at_node[at], cotangent)?;
        }
        Ok(())
    }
}

/// `slot += cotangent`, in place where nobody else can see it.
fn accumulate(slot: &mut Option<Var>, cotangent: Var) -> Result<()> {
    let Some(mut sum) = slot.take() else {
        *slot = Some(cotangent);
        return Ok(());
    };
    let in_place = sum.is_plain()
        && cotangent.is_plain()
        && sum.shape() == cotangent.shape()
        && sum.value.layout().is_dense()
        && sum.value.is_unique();
    if in_place {
        sum.value.accumulate(1.0, &cotangent.value)?;
    } else {
        sum = sum.add(&cotangent)?;
    }
    *slot = Some(sum);
    Ok(())
}
