//! Orthonormal columns, by Cholesky QR twice (Yamamoto et al. 2015, "Roundoff error analysis of the CholeskyQR2 algorithm").
//!
//! ```text
//! G = P' P,   G = L L',   Q = P L^-T       and once more, from Q
//! ```
//!
//! Four passes over numbers of P's size, where Householder's reflections take r. The first turn leaves an error of eps times
//! the square of P's condition, which the second removes; what the square leaves of f32 is too little, so both are in f64
//! whatever the type of P.

use super::cholesky::Pivots;
use crate::error::Result;
use crate::{DType, Tensor};

impl Tensor {
    /// Q `[.., n, r]` with the span of these columns and `Q' Q = I`, of this dtype; the i-th column of Q is that of
    /// Gram-Schmidt. r is at most 128. Orthonormal to some roundings of the dtype.
    ///
    /// A column that depends on those before it, to working precision (what is left of it is shorter than eps of the dtype
    /// times its length, or some 1e-7 of it if that is more), becomes 0, and so does each of more columns than rows: `Q Q'` is the
    /// projection to the span all the same, and there is no error to handle.
    #[track_caller]
    pub fn orthonormal(&self) -> Result<Tensor> {
        let rank = self.shape().last().copied().unwrap_or(0);
        let floor = self.dtype().epsilon().powi(2).max(8.0 * rank as f64 * f64::EPSILON);
        let mut q = self.cast(DType::F64)?;
        for _ in 0..2 {
            let l = q.gram(&q)?.cholesky_with(Pivots::Drop(floor))?;
            q = l.solve_triangular(&q.transpose(0, 1)?, false)?.transpose(0, 1)?;
        }
        q.cast(self.dtype())
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Device, Result, Tensor};

    /// Columns that grow out of one direction: `condition` is what they differ by.
    fn columns(n: usize, r: usize, condition: f64) -> Result<Tensor> {
        let number =
            |i: usize, j: usize| (1.0 + (i * (j + 1)) as f64 * 0.7).sin() / if j == 0 { 1.0 } else { condition };
        let data: Vec<f64> = (0..n * r).map(|e| number(e / r, e % r) + (e / r) as f64 / n as f64).collect();
        Tensor::from_slice(&Device::cpu(2), &[n, r], &data)
    }

    fn furthest_from_identity(q: &Tensor) -> Result<f64> {
        let (g, r) = (q.cast(DType::F64)?.gram(&q.cast(DType::F64)?)?.to_f64()?, q.shape()[1]);
        let off = |e: usize| (g[e] - if e.is_multiple_of(r + 1) { 1.0 } else { 0.0 }).abs();
        Ok((0..r * r).map(off).fold(0.0, f64::max))
    }

    #[test]
    fn columns_are_orthonormal_to_rounding_and_keep_their_span() -> Result<()> {
        for (n, r, condition) in [(1, 1, 1.0), (50, 7, 1.0), (700, 64, 10.0), (200, 6, 1e4)] {
            for dtype in [DType::F32, DType::F64] {
                let p = columns(n, r, condition)?.cast(dtype)?;
                let q = p.orthonormal()?;
                let off = furthest_from_identity(&q)?;
                assert!(off <= 8.0 * dtype.epsilon() * (r as f64).sqrt(), "{n} by {r} in {dtype}: {off:e}");
                // p = q q' p: columns of the size of one, in the span.
                let back = q.matmul(&q.gram(&p)?)?.sub(&p)?.to_f64()?;
                let off = back.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                assert!(off <= 32.0 * dtype.epsilon() * (r as f64).sqrt(), "{n} by {r} in {dtype}: {off:e}");
            }
        }
        Ok(())
    }

    #[test]
    fn dependent_columns_become_nothing() -> Result<()> {
        let p = columns(40, 3, 1.0)?;
        let twice = Tensor::concat(&[&p, &p.scale(2.0)?, &Tensor::zeros(p.device(), DType::F64, &[40, 1])?], 1)?;
        for dtype in [DType::F32, DType::F64] {
            let q = twice.cast(dtype)?.orthonormal()?;
            assert!(q.narrow(1, 3, 4)?.to_f64()?.iter().all(|&x| x == 0.0), "{dtype}");
            assert!(furthest_from_identity(&q.narrow(1, 0, 3)?)? <= 8.0 * dtype.epsilon());
        }
        // More columns than rows, and neither.
        let wide = columns(3, 5, 1.0)?.orthonormal()?;
        assert!(furthest_from_identity(&wide.narrow(1, 0, 3)?)? <= 1e-14);
        assert!(wide.narrow(1, 3, 2)?.to_f64()?.iter().all(|&x| x == 0.0));
        assert_eq!(Tensor::zeros(p.device(), DType::F32, &[2, 4, 0])?.orthonormal()?.shape(), [2, 4, 0]);
        Ok(())
    }
}
