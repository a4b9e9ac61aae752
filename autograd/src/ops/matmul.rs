//! Matrix products. NN, NT and TN are one op on transposed views, so products differentiate into products.

use super::lift;
use super::pointwise::Function;
use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::ops::epilogue::Epilogue;
use crate::rule::{AffineRule, Bilinear, BilinearRule, Repeated, Saves, record};
use crate::var::Var;
use smallvec::SmallVec;
use tensor::Dims;

impl Var {
    /// `[.., m, k] x [.., k, n] = [.., m, n]`; batch axes broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Var) -> Result<Var> {
        let value = self.value.matmul(&other.value)?;
        let rule = Product { rank: value.rank(), shapes: [self.dims(), other.dims()] };
        record(BilinearRule(rule), Saves::Inputs, &[self, other], value, [])
    }

    /// `x [.., in]` with `weight [out, in]` and `bias [out]`: `x weight' + bias`, `[.., out]`.
    #[track_caller]
    pub fn linear(&self, weight: &Var, bias: Option<&Var>) -> Result<Var> {
        self.linear_with(weight, &Epilogue::bias(bias))
    }

    /// The same, and what else the epilogue does.
    #[track_caller]
    pub fn linear_with(&self, weight: &Var, epilogue: &Epilogue) -> Result<Var> {
        epilogue.apart(self, weight, |epilogue| {
            let value = self.value.linear_with(&weight.value, &epilogue.values())?;
            let product = BilinearRule(Weighted { rows: self.dims(), weight: weight.dims() });
            let bias = epilogue.bias.map(|bias| Repeated { own: bias.dims(), wide: bias.dims() });
            let inputs: SmallVec<[&Var; 4]> = [self, weight].into_iter().chain(epilogue.inputs()).collect();
            let rule = AffineRule { product, bias, result: value.dims() };
            record(rule, Saves::First(2), &inputs, value, [])
        })
    }
}

struct Product {
    rank: usize,
    shapes: [Dims; 2],
}

impl Bilinear for Product {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn forward(&self, a: &Var, b: &Var, side: usize, lead: Option<usize>) -> Result<Var> {
        let own = self.shapes[side].len();
        if side == 0 { lift(a, own, self.rank, lead)?.matmul(b) } else { a.matmul(&lift(b, own, self.rank, lead)?) }
    }
    fn adjoint(&self, side: usize, cotangent: &Var, other: &Var, lead: Option<usize>) -> Result<Var> {
        let turned = other.transpose(0, 1)?;
        let product = if side == 0 { cotangent.matmul(&turned)? } else { turned.matmul(cotangent)? };
        product.sum_to_lead(&self.shapes[side], lead)
    }
}

/// `x w'` for a weight that is packed once.
struct Weighted {
    rows: Dims,
    weight: Dims,
}

impl Bilinear for Weighted {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn forward(&self, x: &Var, w: &Var, side: usize, lead: Option<usize>) -> Result<Var> {
        match lead {
            Some(_) if side == 1 => x.matmul(&lift(w, 2, self.rows.len().max(2), lead)?.transpose(0, 1)?),
            _ => x.linear(w, None),
        }
    }
    fn adjoint(&self, side: usize, cotangent: &Var, other: &Var, lead: Option<usize>) -> Result<Var> {
        if side == 0 {
            return cotangent.linear(&other.transpose(0, 1)?, None);
        }
        if lead.is_some() {
            let reason = "a weight gradient of several cotangents at once is not offered; take them one by one";
            return Err(Error::forbidden("linear", reason));
        }
        let rows = self.rows.count() / self.weight[1].max(1);
        let (g, x) = (cotangent.reshape(&[rows, self.weight[0]])?, other.reshape(&[rows, self.weight[1]])?);
        g.transpose(0, 1)?.matmul(&x)
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let product = |x: &[Var]| x[0].matmul(&x[1]);
    let shapes: [([&[usize]; 2], usize); 6] = [
        ([&[3, 4], &[4, 5]], 4),
        ([&[2, 3, 33], &[2, 33, 7]], 33),
        ([&[2, 1, 5, 4], &[3, 4, 2]], 4),
        ([&[1, 1], &[1, 1]], 1),
        ([&[0, 3], &[3, 2]], 3),
        ([&[17, 2], &[2, 18]], 2),
    ];
    let mut products: Vec<Case> = shapes.iter().map(|(pair, k)| case(product).inputs(pair).products(*k)).collect();
    products.push(case(product).inputs(&[&[2, 3, 5], &[5, 4]]).products(5).batched(&[0]));
    let linear = |x: &[Var]| x[0].linear(&x[1], x.get(2));
    let onto = |x: &[Var]| x[0].linear_with(&x[1], &Epilogue::residual(&x[2], &x[3]));
    let activated = |x: &[Var]| {
        let activation = Some(Function::Gelu);
        x[0].linear_with(&x[1], &Epilogue { activation, ..Epilogue::residual(&x[2], &x[3]) })
    };
    let linears = vec![
        case(onto).inputs(&[&[2, 3, 5], &[4, 5], &[4], &[2, 3, 4]]).products(5).batched(&[0, 3]).single(&[1]),
        case(activated).inputs(&[&[3, 5], &[4, 5], &[4], &[3, 4]]).products(5).batched(&[0, 3]).single(&[1]),
        case(linear).inputs(&[&[3, 5], &[4, 5], &[4]]).products(5).batched(&[0]).single(&[1]),
        case(linear).inputs(&[&[2, 3, 20], &[33, 20]]).products(20).batched(&[0]).single(&[1]),
    ];
    vec![("matmul", products), ("linear", linears)]
}
