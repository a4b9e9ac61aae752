//! Orthonormal columns, by Cholesky QR twice: a composition of Gram matrices, factors and solves.

use crate::check::{Case, case};
use crate::error::Result;
use crate::var::Var;
use tensor::{DType, Tensor};

impl Var {
    /// Q `[.., n, r]` with the span of these columns and `Q' Q = I`, of this dtype, computed in f64; see
    /// [`tensor::Tensor::orthonormal`].
    ///
    /// Columns that depend on each other have no derivative: with one, they are an error, or NaN on a GPU; of a constant they
    /// become 0.
    #[track_caller]
    pub fn orthonormal(&self) -> Result<Var> {
        if self.is_plain() {
            return Ok(Var::constant(self.value.orthonormal()?));
        }
        let mut q = self.cast(DType::F64)?;
        for _ in 0..2 {
            let l = q.gram(&q)?.cholesky()?;
            q = l.solve_triangular(&q.transpose(0, 1)?, false)?.transpose(0, 1)?;
        }
        q.cast(self.dtype())
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    // Near the first columns of an identity, far from dependent ones, near which slopes have no bounds.
    let of = |x: &[Var]| {
        let &[.., n, r] = x[0].shape() else { return x[0].orthonormal() };
        let first = Tensor::identity(x[0].device(), x[0].dtype(), r)?.pad(&[n, r], &[0, 0])?;
        x[0].scale(0.25)?.add(&Var::constant(first))?.orthonormal()
    };
    vec![(
        "orthonormal",
        vec![
            case(of).inputs(&[&[2, 9, 3]]).batched(&[0]),
            case(of).inputs(&[&[20, 5]]),
            case(of).inputs(&[&[4, 1]]),
            case(of).inputs(&[&[0, 4, 2]]),
        ],
    )]
}
