//! The ops, one file a family, named as in `kernels` and `tensor`. Each file: the op on `Var`s, its rule, its rows.
//!
//! [`registry`] lists every op with its rows of tests; the test of this module runs them all and fails for an op without.

pub mod attention;
pub mod cholesky;
pub mod combine;
pub mod conv;
pub mod copy;
pub mod cross_entropy;
pub mod epilogue;
pub mod gather;
pub mod gram;
pub mod matmul;
pub mod multiply;
pub mod norm;
pub mod orthonormal;
pub mod patches;
pub mod pointwise;
pub mod pool;
pub mod reduce;
pub mod resize;
pub mod rope;
pub mod shape;
pub mod softmax;
pub mod triangular;
pub mod woodbury;

use crate::check::Case;
use crate::error::{Error, Result};
use crate::var::Var;

/// Every op with its rows for [`crate::check::check_op`].
pub fn registry() -> Vec<(&'static str, Vec<Case>)> {
    let families = [
        attention::rows(),
        cholesky::rows(),
        combine::rows(),
        conv::rows(),
        copy::rows(),
        cross_entropy::rows(),
        gather::rows(),
        gram::rows(),
        matmul::rows(),
        multiply::rows(),
        norm::rows(),
        orthonormal::rows(),
        patches::rows(),
        pointwise::rows(),
        pool::rows(),
        reduce::rows(),
        resize::rows(),
        rope::rows(),
        shape::rows(),
        softmax::rows(),
        triangular::rows(),
        woodbury::rows(),
    ];
    families.into_iter().flatten().collect()
}

/// A direction of a value of rank `own`, as a direction of a value of rank `rank` that it broadcasts to: the axis of
/// directions stays outermost, axes of size 1 come between.
pub(crate) fn lift(direction: &Var, own: usize, rank: usize, lead: Option<usize>) -> Result<Var> {
    match lead {
        Some(k) if rank > own => {
            let mut shape = vec![1; 1 + rank - own];
            shape[0] = k;
            shape.extend_from_slice(&direction.shape()[1..]);
            direction.reshape(&shape)
        }
        _ => Ok(direction.clone()),
    }
}

/// `sizes` with the axis of directions in front.
pub(crate) fn with_lead(lead: Option<usize>, sizes: &[usize]) -> Vec<usize> {
    lead.into_iter().chain(sizes.iter().copied()).collect()
}

/// The one tangent of an op of one input.
pub(crate) fn only(tangents: &[Option<Var>]) -> Result<&Var> {
    tangents.iter().flatten().next().ok_or_else(|| Error::argument("an op was differentiated along no direction"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn every_op_has_rows_and_passes_them() {
        let mut seen = HashSet::new();
        for (name, cases) in super::registry() {
            assert!(seen.insert(name), "{name} is registered twice");
            assert!(!cases.is_empty(), "{name} has no rows");
            assert!(cases.iter().any(crate::check::Case::has_batch), "{name} has no row of a batch");
            for case in cases {
                crate::check::check_op(name, &case);
            }
        }
    }
}
