//! The inverse of a multiple of the identity and a matrix of low rank, applied.

use super::gram::{in_rows, of_batch};
use super::{common, scratch};
use crate::error::{Error, Kind, Result};
use crate::{Layout, Tensor};
use kernels::woodbury::{self, Operands};

impl Tensor {
    /// `(alpha I + P C P')^-1` applied to this, `[.., n, m]`, for P `[.., n, r]` with orthonormal columns, C `[.., r, r]`
    /// symmetric positive semidefinite, of which the lower triangle is read, and positive alpha: one number, or one a matrix,
    /// `[..]`. Batches repeat to one; r is at most 128. Where P and this have 16 bits, C and alpha may be wider.
    ///
    /// `(v - P C (alpha I + C)^-1 P' v) / alpha`; P is read twice, nothing of n by n is held. Of columns that are not
    /// orthonormal the result is this formula, not the inverse; a column of P that is 0 is left out.
    ///
    /// An alpha that is not positive, or a C that is so far from semidefinite that `alpha I + C` is not positive definite, is
    /// an error that names the matrix. On a GPU, where asking would mean waiting, its result is NaN.
    #[track_caller]
    pub fn woodbury(&self, p: &Tensor, c: &Tensor, alpha: &Tensor) -> Result<Tensor> {
        const OP: &str = "woodbury";
        let (device, dtype) = common(OP, &[self, p])?;
        if [c, alpha].iter().any(|other| other.device() != &device) {
            return Err(Kind::Device { op: OP }.into());
        }
        let (c, alpha) = (c.cast(dtype.wide())?, alpha.cast(dtype.wide())?);
        let shape = match (self.shape(), p.shape(), c.shape()) {
            (&[ref of_v @ .., n, m], &[ref of_p @ .., k, r], &[ref of_c @ .., s, t]) if (n, r, r) == (k, s, t) => {
                of_batch(&[of_v, of_p, of_c, alpha.shape()], n, m)
            }
            _ => None,
        };
        let unfit = || {
            let what = "v [.., n, m], P [.., n, r], C [.., r, r] and alpha [..] want equal n and r, and batch axes that \
                        broadcast";
            let shapes = [self, p, &c, &alpha].map(|x| x.shape().to_vec());
            Error::shape(OP, format!("{shapes:?}: {what}"))
        };
        let layout = Layout::contiguous(shape.ok_or_else(unfit)?);
        let (p, v) = (in_rows(p)?, in_rows(self)?);
        let out = Tensor::empty(OP, &device, dtype, layout)?;
        let space = scratch(OP, &device, woodbury::apply_scratch(device.kernels(), p.layout(), &layout, dtype))?;
        let mut space = space.storage().write(OP)?;
        let cost = woodbury::apply_cost(p.layout(), &layout, dtype);
        let (p, c, alpha, v) = (p.read(OP)?, c.read(OP)?, alpha.read(OP)?, v.read(OP)?);
        let operands = Operands { p: p.view()?, c: c.view()?, alpha: alpha.view()?, v: v.view()? };
        out.fill_with(cost, |y| woodbury::apply(device.kernels(), &operands, y, space.data()))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::random::Stream;
    use crate::{DType, Device, Result, Tensor};

    #[test]
    fn the_matrix_times_the_result_is_the_operand_and_refusals_say_why() -> Result<()> {
        let device = Device::cpu(2);
        let draw = |purpose, shape: &[usize]| {
            Tensor::normal(&device, DType::F64, shape, &Stream { seed: 4, purpose, step: 0 }, 0)
        };
        let p = draw(0, &[2, 300, 9])?.orthonormal()?;
        let c = draw(1, &[2, 4, 9])?;
        let (c, v) = (c.gram(&c)?, draw(2, &[2, 300, 3])?);
        let alpha = Tensor::from_slice(&device, &[2], &[0.01, 5.0])?;
        let y = v.woodbury(&p, &c, &alpha)?;
        let back = p.matmul(&c.matmul(&p.gram(&y)?)?)?.add(&alpha.reshape(&[2, 1, 1])?.mul(&y)?)?;
        let off = back.sub(&v)?.to_f64()?.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert!(off <= 1e-11, "{off:e}");
        let said = v.woodbury(&p, &c, &alpha.scale(-1.0)?).unwrap_err().to_string();
        assert!(said.contains("it must be positive"), "{said}");
        let said = v.woodbury(&p, &draw(3, &[2, 8, 8])?, &alpha).unwrap_err().to_string();
        assert!(said.contains("[2, 8, 8]") && said.contains("want equal n and r"), "{said}");
        Ok(())
    }
}
