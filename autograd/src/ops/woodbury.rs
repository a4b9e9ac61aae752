//! The inverse of a multiple of the identity and a matrix of low rank, applied by Woodbury's identity.
//!
//! ```text
//! y = (v - P u) / alpha,   u = t - alpha w,   w = S^-1 t,   t = P' v,     S = alpha I + C
//! ```
//!
//! Of the cotangent g of y, with `s = P' g`, `z = S^-1 s`, `q = s - alpha z`:
//!
//! ```text
//! v: (g - P q) / alpha            the same map, which is symmetric
//! P: -(g u' + v q') / alpha
//! C: -(z w' + w z') / 2
//! alpha: -(<g, v> - <s, t>) / alpha^2 - <z, w>
//! ```

use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Fused, FusedRule, Saves, record};
use crate::var::Var;
use tensor::Tensor;
use tensor::ops::pointwise::Function;

impl Var {
    /// `(alpha I + P C P')^-1` applied to this, `[.., n, m]`, for P `[.., n, r]` with orthonormal columns, C `[.., r, r]`
    /// symmetric positive semidefinite and positive alpha `[..]`; see [`tensor::Tensor::woodbury`]. Its derivatives are those
    /// of `(v - P C (alpha I + C)^-1 P' v) / alpha`.
    #[track_caller]
    pub fn woodbury(&self, p: &Var, c: &Var, alpha: &Var) -> Result<Var> {
        let value = self.value.woodbury(&p.value, &c.value, &alpha.value)?;
        record(FusedRule(Woodbury), Saves::Inputs, &[self, p, c, alpha], value, [])
    }
}

struct Woodbury;

/// A shape with two axes of size 1 more.
fn beside(shape: &[usize]) -> Vec<usize> {
    [shape, &[1, 1]].concat()
}

impl Fused for Woodbury {
    fn name(&self) -> &'static str {
        "woodbury"
    }

    fn backward(&self, inputs: &[Tensor], _: &[Tensor], g: &Tensor, needs: &[bool]) -> Result<Vec<Option<Tensor>>> {
        let [v, p, c, alpha] = [&inputs[0], &inputs[1], &inputs[2], &inputs[3]];
        let to_v = needs[0].then(|| g.woodbury(p, c, alpha)?.sum_to(v.shape())).transpose()?;
        if !needs[1..].contains(&true) {
            return Ok(vec![to_v, None, None, None]);
        }
        let (own, wide) = (v.dtype(), v.dtype().wide());
        let a = alpha.cast(wide)?.reshape(&beside(alpha.shape()))?;
        let size = p.shape().last().copied().unwrap_or(0);
        let l = c.cast(wide)?.add(&Tensor::identity(p.device(), wide, size)?.mul(&a)?)?.cholesky()?;
        let (t, s) = (p.gram(v)?, p.gram(g)?);
        let (w, z) = (l.solve_cholesky(&t)?, l.solve_cholesky(&s)?);
        let inverse = a.map(Function::Reciprocal, 0)?;
        let to_p = needs[1].then(|| -> Result<Tensor> {
            let row = |own_part: &Tensor, solved: &Tensor| -> Result<Tensor> {
                Ok(own_part.sub(&solved.mul(&a)?)?.mul(&inverse)?.cast(own)?.transpose(0, 1)?)
            };
            let (by_g, by_v) = (g.matmul(&row(&t, &w)?)?, v.matmul(&row(&s, &z)?)?);
            Ok(Tensor::combine(&[(-1.0, &by_g), (-1.0, &by_v)])?.sum_to(p.shape())?)
        });
        let to_c = needs[2].then(|| -> Result<Tensor> {
            let outer = z.matmul(&w.transpose(0, 1)?)?;
            let both = Tensor::combine(&[(-0.5, &outer), (-0.5, &outer.transpose(0, 1)?)])?;
            Ok(both.sum_to(c.shape())?.cast(c.dtype())?)
        });
        let to_alpha = needs[3].then(|| -> Result<Tensor> {
            let inner = |a: &Tensor, b: &Tensor| -> Result<Tensor> {
                let product = a.cast(wide)?.mul(&b.cast(wide)?)?;
                Ok(product.sum_keep(&[product.rank() - 2, product.rank() - 1])?)
            };
            let outside = inner(g, v)?.sub(&inner(&s, &t)?)?.mul(&inverse)?.mul(&inverse)?;
            let both = Tensor::combine(&[(-1.0, &outside), (-1.0, &inner(&z, &w)?)])?;
            Ok(both.sum_to(&beside(alpha.shape()))?.reshape(alpha.shape())?.cast(alpha.dtype())?)
        });
        Ok(vec![to_v, to_p.transpose()?, to_c.transpose()?, to_alpha.transpose()?])
    }

    fn composite(&self, inputs: &[Var]) -> Result<Var> {
        let [v, p, c, alpha] = [&inputs[0], &inputs[1], &inputs[2], &inputs[3]];
        let (own, wide) = (v.dtype(), v.dtype().wide());
        let a = alpha.cast(wide)?.reshape(&beside(alpha.shape()))?;
        let size = p.shape().last().copied().unwrap_or(0);
        let identity = Var::constant(Tensor::identity(p.device(), wide, size)?);
        let l = c.cast(wide)?.add(&identity.mul(&a)?)?.cholesky()?;
        let t = p.gram(v)?;
        let u = t.sub(&l.solve_cholesky(&t)?.mul(&a)?)?;
        let rest = v.cast(wide)?.sub(&p.matmul(&u.cast(own)?)?.cast(wide)?)?;
        rest.div(&a)?.cast(own)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    // C = x' x and alpha = x^2 + 1/2, so that any numbers will do.
    let apply = |x: &[Var]| x[0].woodbury(&x[1].scale(0.5)?, &x[2].gram(&x[2])?, &x[3].square()?.shift(0.5)?);
    let row = |shapes: [&[usize]; 4]| case(apply).inputs(&shapes).ulps(200.0);
    vec![(
        "woodbury",
        vec![
            row([&[2, 7, 1], &[2, 7, 3], &[2, 3, 3], &[2]]).batched(&[0, 1, 2, 3]),
            row([&[2, 9, 6], &[2, 9, 2], &[2, 1, 2], &[2]]).batched(&[0, 1, 2, 3]),
            row([&[2, 3, 6, 2], &[3, 6, 2], &[2, 2], &[]]).batched(&[0]),
            row([&[5, 1], &[5, 4], &[2, 4, 4], &[3, 1]]),
            row([&[0, 4, 1], &[0, 4, 2], &[0, 2, 2], &[0]]),
        ],
    )]
}
