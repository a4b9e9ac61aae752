//! `-log softmax(logits)[label]`, one number a sample.

use crate::check::{Case, case};
use crate::error::Result;
use crate::rule::{Fused, FusedRule, Saves, record};
use crate::var::Var;
use tensor::{DType, Tensor};

impl Var {
    /// Logits `[.., k]` and labels `[..]` (i64, below k): losses `[..]`, not averaged.
    #[track_caller]
    pub fn cross_entropy(&self, labels: &Tensor) -> Result<Var> {
        let value = self.value.cross_entropy(labels)?;
        record(FusedRule(CrossEntropy { labels: labels.clone() }), Saves::Inputs, &[self], value, [])
    }
}

struct CrossEntropy {
    labels: Tensor,
}

impl Fused for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn backward(&self, x: &[Tensor], _extra: &[Tensor], g: &Tensor, _needs: &[bool]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(x[0].cross_entropy_backward(&self.labels, g)?)])
    }
    fn composite(&self, inputs: &[Var]) -> Result<Var> {
        let x = &inputs[0];
        let last = [x.rank() - 1];
        let z = x.sub(&Var::constant(x.value.max_keep(&last)?))?;
        let chosen = z.mul(&Var::constant(one_hot(&self.labels, x)?))?.sum_keep(&last)?;
        z.exp()?.sum_keep(&last)?.ln()?.sub(&chosen)?.reshape(self.labels.shape())
    }
}

/// 1 at the label, 0 elsewhere: the shape and dtype of `like`.
fn one_hot(labels: &Tensor, like: &Var) -> Result<Tensor> {
    let width = like.shape().last().copied().unwrap_or(1);
    let mut data = vec![0u8; like.value.count()];
    for (row, label) in labels.to_vec::<i64>()?.into_iter().enumerate() {
        data[row * width + label as usize] = 1;
    }
    Ok(Tensor::from_slice(like.device(), like.shape(), &data)?.cast(like.dtype())?)
}

pub(super) fn rows() -> Vec<(&'static str, Vec<Case>)> {
    let loss = |x: &[Var]| {
        let (rows, k) = x[0].shape().split_at(x[0].rank() - 1);
        let count: usize = rows.iter().product();
        let labels: Vec<i64> = (0..count).map(|i| ((i * 7 + 3) % k[0]) as i64).collect();
        let labels = Tensor::from_slice(x[0].device(), rows, &labels)?;
        debug_assert_eq!(labels.dtype(), DType::I64);
        x[0].cross_entropy(&labels)
    };
    let shapes: [&[usize]; 4] = [&[3, 10], &[2, 3, 11], &[1, 1], &[0, 4]];
    let mut cases: Vec<Case> = shapes.iter().map(|shape| case(loss).inputs(&[shape]).range(-3.0, 3.0)).collect();
    cases.push(case(loss).inputs(&[&[2, 10]]).batched(&[0]));
    vec![("cross_entropy", cases)]
}
