//! Numbers that differ from sample to sample, as a column that multiplies a batch.

use crate::error::Result;
use tensor::Tensor;

/// `f` of each item, `[n, 1, ..]` for `like` `[n, ..]`.
pub(crate) fn per_sample<T>(like: &Tensor, items: &[T], f: impl Fn(&T) -> f64) -> Result<Tensor> {
    let numbers: Vec<f64> = items.iter().map(f).collect();
    let mut shape = vec![1; like.rank()];
    shape[0] = items.len();
    Ok(Tensor::from_slice(like.device(), &shape, &numbers)?.cast(like.dtype())?)
}
