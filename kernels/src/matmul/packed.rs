//! A right-hand side in the order the kernels read it, packed once and used many times: the weights of a linear layer.

use super::forward;
use crate::{Device, Dims, KernelError, Layout, Result, View, ViewMut};

/// Elements that [`pack`] writes for a `[k, n]` matrix.
pub fn packed_len(k: usize, n: usize) -> usize {
    k * n
}

/// Packs an f32 matrix `b [k, n]` of any strides (so `w^T` is a view) into exactly [`packed_len`] elements.
pub fn pack(_d: &Device, b: View, packed: &mut [f32]) -> Result {
    let l = *b.layout();
    if l.rank() != 2 {
        return Err(KernelError::Shape { op: "matmul", what: format!("{:?} must have 2 axes to be packed", l.shape) });
    }
    let (got, want) = (packed.len(), packed_len(l.shape[0], l.shape[1]));
    if got != want {
        return Err(KernelError::Buffer { op: "matmul", got, want });
    }
    let data = b.data::<f32>("matmul")?;
    let dense = Layout::contiguous(l.shape);
    let nest = crate::nest::Nest::new([&dense, &l]);
    for index in 0..nest.count() {
        let [to, from] = nest.element(index);
        packed[to] = data[from];
    }
    Ok(())
}

/// [`super::forward`] with a packed right-hand side of `n` columns: `a [.., m, k]` with unit stride along `k`,
/// `c [.., m, n]`; f32.
pub fn forward_packed(d: &Device, a: View, packed: &[f32], n: usize, bias: Option<View>, c: ViewMut) -> Result {
    let rank = a.layout().rank();
    let k = if rank == 0 { 0 } else { a.layout().shape[rank - 1] };
    let shape = Dims::new(&[k, n]).unwrap_or(Dims::filled(2, 0));
    forward(d, a, View::of(packed, Layout::contiguous(shape))?, bias, c, &mut [])
}
