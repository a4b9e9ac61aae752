//! Two-dimensional convolution. Convolution, input gradient and weight gradient are one trilinear form with one operand
//! missing: each is bilinear, and they differentiate into each other.

use super::with_lead;
use crate::check::{Case, case};
use crate::error::{Error, Result};
use crate::ops::epilogue::Epilogue;
use crate::rule::{AffineRule, Bilinear, BilinearRule, Repeated, Saves, record};
use crate::var::Var;
use smallvec::SmallVec;
use tensor::Dims;
pub use tensor::ops::conv::Conv;

impl Var {
    /// `x [n, c, h, w]` with `weight [o, c / groups, kh, kw]` and `bias [o]`: `[n, o, ho, wo]`, stored channels last.
    #[track_caller]
    pub fn conv2d(&self, weight: &Var, bias: Option<&Var>, p: &Conv) -> Result<Var> {
        self.conv2d_with(weight, &Epilogue::bias(bias), p)
    }

    /// The same, and what else the epilogue does.
    #[track_caller]
    pub fn conv2d_with(&self, weight: &Var, epilogue: &Epilogue, p: &Conv) -> Result<Var> {
        epilogue.apart(self, weight, |epilogue| {
            let value = self.value.conv2d_with(&weight.value, &epilogue.values(), p)?;
            let (a, b, result) = (self.dims(), weight.dims(), value.dims());
            let product = BilinearRule(Form { missing: Missing::Output, p: *p, a, b, result });
            let wide = |bias: &Var| Dims::new(&[bias.value.count(), 1, 1]).unwrap_or(bias.dims());
            let bias = epilogue.bias.map(|bias| Repeated { own: bias.dims(), wide: wide(bias) });
            let inputs: SmallVec<[&Var; 4]> = [self, weight].into_iter().chain(epilogue.inputs()).collect();
            record(AffineRule { product, bias, result }, Saves::First(2), &inputs, value, [])
        })
    }
}

/// Which of the three operands x, w, g is the result.
#[derive(Clone, Copy, PartialEq)]
enum Missing {
    /// y from (x, w)
    Output,
    /// dx from (g, w)
    Input,
    /// dw from (x, g)
    Weight,
}

/// The form with `missing` as its result, of shape `shape` where the operands leave it open.
#[track_caller]
fn form(missing: Missing, a: &Var, b: &Var, p: &Conv, shape: &[usize]) -> Result<Var> {
    let value = match missing {
        Missing::Output => a.value.conv2d(&b.value, None, p)?,
        Missing::Input => a.value.conv2d_input_gradient(&b.value, p, shape)?,
        Missing::Weight => a.value.conv2d_weight_gradient(&b.value, p, shape)?,
    };
    let rule = Form { missing, p: *p, a: a.dims(), b: b.dims(), result: value.dims() };
    record(BilinearRule(rule), Saves::Inputs, &[a, b], value, [])
}

struct Form {
    missing: Missing,
    p: Conv,
    a: Dims,
    b: Dims,
    result: Dims,
}

const LEADS: &str = "a weight gradient of several cotangents at once is not offered; take them one by one";

impl Form {
    /// The form with result `missing`, where `direction` (operand `side`, or the cotangent) carries `lead` directions: they
    /// are folded into the batch, which is exact, because every image is computed by itself.
    fn folded(&self, missing: Missing, a: &Var, b: &Var, shape: &[usize], lead: Option<usize>) -> Result<Var> {
        let Some(k) = lead else { return form(missing, a, b, &self.p, shape) };
        let images = |x: &Var, own: usize| -> Result<Var> {
            if x.rank() > own {
                x.reshape(&[&[x.shape()[0] * x.shape()[1]], &x.shape()[2..]].concat())
            } else {
                Ok(x.clone())
            }
        };
        // Both operands of a weight gradient are images; and a weight with directions is not an image.
        if missing == Missing::Weight || b.rank() > 4 {
            return self.one_by_one(missing, a, b, shape, k);
        }
        let mut wide = shape.to_vec();
        if let Some(batch) = wide.first_mut() {
            *batch *= k;
        }
        let folded = form(missing, &images(a, 4)?, b, &self.p, &wide)?;
        let own = [k, folded.shape()[0] / k.max(1)];
        folded.reshape(&[&own, &folded.shape()[1..]].concat())
    }

    fn one_by_one(&self, missing: Missing, a: &Var, b: &Var, shape: &[usize], k: usize) -> Result<Var> {
        let row = |x: &Var, i: usize| -> Result<Var> {
            if x.rank() > 4 { x.narrow(0, i, 1)?.reshape(&x.shape()[1..]) } else { Ok(x.clone()) }
        };
        let rows = (0..k).map(|i| {
            let one = form(missing, &row(a, i)?, &row(b, i)?, &self.p, shape)?;
            one.reshape(&with_lead(Some(1), one.shape()))
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Var::concat(&rows.iter().collect::<Vec<_>>(), 0)
    }
}

impl Bilinear for Form {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn forward(&self, a: &Var, b: &Var, _side: usize, lead: Option<usize>) -> Result<Var> {
        self.folded(self.missing, a, b, &self.result, lead)
    }

    fn adjoint(&self, side: usize, cotangent: &Var, other: &Var, lead: Option<usize>) -> Result<Var> {
        let shape = if side == 0 { &self.a } else { &self.b };
        match (self.missing, side) {
            (Missing::Output, 0) => self.folded(Missing::Input, cotangent, other, shape, lead),
            (Missing::Input, 0) => self.folded(Missing::Output, cotangent, other, &[], lead),
            // With respect to the weight.
            (Missing::Output, _) | (Missing::Input, _) if lead.is_some() => Err(Error::forbidden("conv2d", LEADS)),
            (Missing::Output, _) => form(Missing::Weight, other, cotangent, &self.p, shape),
            (Missing::Input, _) => form(Missing::Weight, cotangent, other, &self.p, shape),
            // dw = W(x, g): <dw, v> = <y(x, v), g>.
            (Missing::Weight, 0) => self.folded(Missing::Input, other, cotangent, shape, lead),
            (Missing::Weight, _) => self.folded(Missing::Output, other, cotangent, &[], lead),
        }
    }
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let with = |p: Conv| move |x: &[Var]| x[0].conv2d(&x[1], x.get(2), &p);
    let row = |p: Conv, x: &[usize], w: &[usize]| {
        case(with(p)).inputs(&[x, w, &w[..1]]).products(w[1..].iter().product()).single(&[1])
    };
    let same = Conv::padded(1);
    let down = Conv { stride: [2; 2], padding: [[0, 1], [0, 1]], ..Conv::default() };
    let all = Conv { stride: [2, 3], padding: [[1, 2], [0, 1]], dilation: [2, 1], groups: 2 };
    let wide = Conv { dilation: [2, 1], groups: 2, ..Conv::padded(2) };
    vec![(
        "conv2d",
        vec![
            row(same, &[2, 3, 6, 5], &[4, 3, 3, 3]).batched(&[0]),
            row(same, &[2, 1, 7, 4], &[33, 1, 3, 3]).batched(&[0]),
            row(same, &[1, 20, 5, 5], &[1, 20, 3, 3]).batched(&[0]),
            row(down, &[2, 4, 8, 6], &[5, 4, 3, 3]).batched(&[0]),
            row(wide, &[2, 4, 6, 7], &[6, 2, 3, 2]).batched(&[0]),
            row(all, &[2, 4, 9, 8], &[6, 2, 3, 2]).batched(&[0]),
            // By Winograd.
            row(same, &[2, 32, 7, 6], &[33, 32, 3, 3]).batched(&[0]),
            row(Conv::default(), &[2, 17, 3, 3], &[18, 17, 1, 1]).batched(&[0]),
            row(same, &[0, 2, 4, 4], &[3, 2, 3, 3]),
            case(move |x: &[Var]| x[0].conv2d_with(&x[1], &Epilogue::residual(&x[2], &x[3]), &down))
                .inputs(&[&[2, 3, 6, 5], &[4, 3, 3, 3], &[4], &[2, 4, 3, 2]])
                .products(27)
                .batched(&[0, 3])
                .single(&[1]),
            case(move |x: &[Var]| x[0].conv2d(&x[1], None, &same))
                .inputs(&[&[1, 2, 4, 4], &[2, 2, 3, 3]])
                .products(18)
                .single(&[1]),
        ],
    )]
}
