//! One recorded op. Nodes are owned by the values computed from them; when those go, they go.
//!
//! Invariants: ids grow with creation, so descending ids are a topological order; a node never holds the `Var` it made
//! (that would be a cycle): what a rule saves of the result is a plain tensor; dropping a chain of any length uses an
//! explicit stack.

use crate::error::{Kind, Result};
use crate::rule::{Rule, SavedVars};
use crate::var::{Origin, Var};
use smallvec::SmallVec;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tensor::{Dims, Tensor};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// The next id of a leaf or node.
pub(crate) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Relaxed)
}

pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) rule: Box<dyn Rule>,
    pub(crate) inputs: SmallVec<[Origin; 3]>,
    pub(crate) shape: Dims,
    saved: Mutex<Option<Saved>>,
    pub(crate) at: &'static Location<'static>,
}

/// What the derivative needs of the forward pass; `None` in the node once a backward pass has used it up.
#[derive(Clone, Default)]
pub(crate) struct Saved {
    pub(crate) inputs: SmallVec<[Option<SavedInput>; 3]>,
    pub(crate) extra: SmallVec<[SavedTensor; 2]>,
}

/// What the forward pass left beside its inputs, results among it, and the version of that.
#[derive(Clone)]
pub(crate) struct SavedTensor {
    value: Tensor,
    version: u64,
}

impl SavedTensor {
    pub(crate) fn new(value: Tensor) -> SavedTensor {
        SavedTensor { version: value.storage().version(), value }
    }
}

/// An input as it was: its value, the version of that, and its tangent.
#[derive(Clone)]
pub(crate) struct SavedInput {
    value: Tensor,
    version: u64,
    tangent: Option<Arc<Var>>,
}

impl SavedInput {
    pub(crate) fn new(var: &Var) -> SavedInput {
        SavedInput { value: var.value.clone(), version: var.value.storage().version(), tangent: var.tangent.clone() }
    }
}

impl Node {
    pub(crate) fn new(
        rule: Box<dyn Rule>,
        inputs: &[&Var],
        shape: Dims,
        saved: Saved,
        at: &'static Location<'static>,
    ) -> Arc<Node> {
        let inputs = inputs.iter().map(|input| input.origin.clone()).collect();
        Arc::new(Node { id: next_id(), rule, inputs, shape, saved: Mutex::new(Some(saved)), at })
    }

    /// The saved inputs as `Var`s: constants, or with their past when `create_graph`. Frees them unless `retain`.
    pub(crate) fn open(&self, create_graph: bool, retain: bool) -> Result<SavedVars> {
        let mut slot = self.saved.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let saved = if retain { slot.clone() } else { slot.take() };
        let Some(saved) = saved else { return Err(Kind::Freed { op: self.rule.name(), at: self.at }.into()) };
        if saved.extra.iter().any(|extra| extra.value.storage().version() != extra.version) {
            return Err(Kind::Stale { op: self.rule.name(), at: self.at }.into());
        }
        let mut inputs = SmallVec::with_capacity(saved.inputs.len());
        for (input, origin) in saved.inputs.into_iter().zip(&self.inputs) {
            inputs.push(match input {
                None => None,
                Some(input) if input.value.storage().version() != input.version => {
                    return Err(Kind::Stale { op: self.rule.name(), at: self.at }.into());
                }
                Some(SavedInput { value, tangent, .. }) if create_graph => {
                    Some(Var { value, origin: origin.clone(), tangent })
                }
                Some(SavedInput { value, tangent, .. }) => {
                    let tangent = tangent.map(|tangent| Arc::new(tangent.detach()));
                    Some(Var { value, origin: Origin::Constant, tangent })
                }
            });
        }
        Ok(SavedVars { inputs, extra: saved.extra.into_iter().map(|extra| extra.value).collect(), lead: None })
    }
}

thread_local! {
    /// Pasts of nodes that are being dropped further up this thread's stack.
    static DROPPING: RefCell<Option<Vec<Drops>>> = const { RefCell::new(None) };
}

/// What a dropped node held that may hold other nodes.
type Drops = (SmallVec<[Origin; 3]>, Option<Saved>);

impl Drop for Node {
    fn drop(&mut self) {
        let held = (
            std::mem::take(&mut self.inputs),
            self.saved.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).take(),
        );
        // The outermost drop empties the stack; drops inside it only push, so the depth of the call stack stays at two.
        let outermost = DROPPING.with_borrow_mut(|stack| match stack {
            Some(stack) => {
                stack.push(held);
                None
            }
            None => {
                *stack = Some(Vec::new());
                Some(held)
            }
        });
        let Some(first) = outermost else { return };
        drop(first);
        while let Some(next) = DROPPING.with_borrow_mut(|stack| stack.as_mut().and_then(Vec::pop)) {
            drop(next);
        }
        DROPPING.with_borrow_mut(|stack| *stack = None);
    }
}
