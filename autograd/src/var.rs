//! A value and how it came to be.

use crate::error::{Error, Result};
use crate::node::{Node, next_id};
use std::sync::Arc;
use tensor::{DType, Device, Dims, Tensor};

/// A tensor that remembers what it was computed from, where that matters. Cloning costs reference counts only.
///
/// Invariants: a tangent has no tangent of its own (one forward level); its shape is the value's, or that with one axis of
/// directions more on the left.
#[derive(Clone)]
pub struct Var {
    pub(crate) value: Tensor,
    pub(crate) origin: Origin,
    pub(crate) tangent: Option<Arc<Var>>,
}

/// Where a value comes from, as far as derivatives are concerned.
#[derive(Clone)]
pub(crate) enum Origin {
    /// Nothing to differentiate.
    Constant,
    /// An input of the graph.
    Leaf(u64),
    /// The result of an op.
    Node(Arc<Node>),
}

impl Origin {
    /// The id of a leaf or node.
    pub(crate) fn id(&self) -> Option<u64> {
        match self {
            Origin::Constant => None,
            Origin::Leaf(id) => Some(*id),
            Origin::Node(node) => Some(node.id),
        }
    }
}

impl Var {
    /// A value without derivatives.
    pub fn constant(value: Tensor) -> Var {
        Var { value, origin: Origin::Constant, tangent: None }
    }

    /// A value that gradients can be taken with respect to.
    pub fn leaf(value: Tensor) -> Var {
        Var { value, origin: Origin::Leaf(next_id()), tangent: None }
    }

    /// The same value without its past and without its tangent.
    pub fn detach(&self) -> Var {
        Var::constant(self.value.clone())
    }

    /// The value.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// The directional derivative that travels with the value inside [`jvp`], shape `[..]` or `[k, ..]`.
    pub fn tangent(&self) -> Option<&Var> {
        self.tangent.as_deref()
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// Sizes as a value.
    pub fn dims(&self) -> Dims {
        self.value.dims()
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.value.rank()
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.value.dtype()
    }

    /// The device.
    pub fn device(&self) -> &Device {
        self.value.device()
    }

    /// Whether it is a leaf or was computed from one.
    pub fn is_active(&self) -> bool {
        !matches!(self.origin, Origin::Constant)
    }

    /// Whether it carries neither a past nor a tangent.
    pub(crate) fn is_plain(&self) -> bool {
        !self.is_active() && self.tangent.is_none()
    }

    /// The value with its past, without its tangent.
    pub(crate) fn primal(&self) -> Var {
        Var { value: self.value.clone(), origin: self.origin.clone(), tangent: None }
    }

    pub(crate) fn with_tangent(&self, tangent: Option<Var>) -> Var {
        Var { value: self.value.clone(), origin: self.origin.clone(), tangent: tangent.map(Arc::new) }
    }

    /// The number of directions of `direction`, a tangent or cotangent of a value of this shape.
    pub(crate) fn directions(&self, direction: &Tensor) -> Result<Option<usize>> {
        directions(self.shape(), direction.shape())
    }
}

/// `None` for a single direction, `Some(k)` for `k` of them; an error when the shapes do not belong together.
pub(crate) fn directions(own: &[usize], direction: &[usize]) -> Result<Option<usize>> {
    match direction.len().checked_sub(own.len()) {
        Some(0) if direction == own => Ok(None),
        Some(1) if direction[1..] == *own => Ok(Some(direction[0])),
        _ => Err(Error::argument(format!(
            "a direction of shape {direction:?} does not belong to a value of shape {own:?}; it has that shape, or one axis \
             of directions more on the left"
        ))),
    }
}

/// Runs `f` with tangents on the inputs: whatever it computes carries its directional derivative, see [`Var::tangent`].
///
/// Each tangent has its input's shape, or `[k, ..]` for `k` directions at once, the same `k` for all. Inside `f`, gradients
/// may be taken (forward over reverse); another `jvp` on the same values is refused.
pub fn jvp<R>(inputs: &[(&Var, Tensor)], f: impl FnOnce(&[Var]) -> Result<R>) -> Result<R> {
    let mut lead = None;
    let duals = inputs
        .iter()
        .map(|(input, tangent)| {
            if input.tangent.is_some() {
                return Err(Error::forbidden("jvp", "a value inside a jvp has a tangent already; forward over forward is not offered, take forward over reverse"));
            }
            let own = input.directions(tangent)?;
            if *lead.get_or_insert(own) != own {
                return Err(Error::argument("jvp: all tangents must have the same number of directions"));
            }
            if tangent.dtype() != input.dtype() {
                return Err(Error::argument(format!("jvp: a {} value cannot have a {} tangent", input.dtype(), tangent.dtype())));
            }
            Ok(input.with_tangent(Some(Var::constant(tangent.clone()))))
        })
        .collect::<Result<Vec<_>>>()?;
    f(&duals)
}

impl std::fmt::Debug for Var {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.origin {
            Origin::Constant => "constant",
            Origin::Leaf(_) => "leaf",
            Origin::Node(node) => node.rule.name(),
        };
        write!(f, "{kind} {:?}", self.value)
    }
}
