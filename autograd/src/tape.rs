//! The nodes a result was computed from, in the order of their making.

use crate::node::Node;
use crate::var::{Origin, Var};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Ids are unique and dense: they are their own hash.
#[derive(Default)]
pub(crate) struct IdHasher(u64);
impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, id: u64) {
        // The table takes the bucket from the low bits and a tag from the high ones.
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
pub(crate) type IdMap<T> = HashMap<u64, T, BuildHasherDefault<IdHasher>>;

/// Every node that the roots depend on, ascending.
pub(crate) struct Tape {
    pub(crate) nodes: Vec<Arc<Node>>,
    pub(crate) index: IdMap<usize>,
}

impl Tape {
    pub(crate) fn of<'a>(roots: impl IntoIterator<Item = &'a Var>) -> Tape {
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        let mut index: IdMap<usize> = IdMap::default();
        let mut visit = |origin: &Origin, nodes: &mut Vec<Arc<Node>>| {
            if let Origin::Node(node) = origin
                && index.insert(node.id, 0).is_none()
            {
                nodes.push(node.clone());
            }
        };
        for root in roots {
            visit(&root.origin, &mut nodes);
        }
        let mut next = 0;
        while next < nodes.len() {
            let node = nodes[next].clone();
            node.inputs.iter().for_each(|origin| visit(origin, &mut nodes));
            next += 1;
        }
        nodes.sort_unstable_by_key(|node| node.id);
        for (at, node) in nodes.iter().enumerate() {
            index.insert(node.id, at);
        }
        Tape { nodes, index }
    }

    /// Ids of the leaves that the nodes read.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = u64> + '_ {
        self.nodes.iter().flat_map(|node| &node.inputs).filter_map(|origin| match origin {
            Origin::Leaf(id) => Some(*id),
            _ => None,
        })
    }

    /// For each node, whether it depends on one of `wanted` (or is one).
    pub(crate) fn useful(&self, wanted: &IdMap<usize>) -> Vec<bool> {
        let mut useful = vec![false; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            useful[at] = node.inputs.iter().any(|origin| self.needs(origin, wanted, &useful));
        }
        useful
    }

    /// Whether a cotangent is needed at `origin`.
    pub(crate) fn needs(&self, origin: &Origin, wanted: &IdMap<usize>, useful: &[bool]) -> bool {
        let Some(id) = origin.id() else { return false };
        wanted.contains_key(&id) || self.index.get(&id).is_some_and(|&at| useful[at])
    }
}
