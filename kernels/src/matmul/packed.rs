//! A right side in the order the kernels read it, packed once and used many times: the weights of a linear layer.

use super::single::{multiply_rows, pack_matrix};
use super::{OP, Problem};
use crate::cpu::team::Parts;
use crate::tile::panels;
use crate::{Device, Dims, Epilogue, KernelError, Layout, Result, View, ViewMut};

/// Elements that [`pack`] writes for a `[k, n]` matrix.
pub fn packed_len(k: usize, n: usize) -> usize {
    panels::room(k, n)
}

/// Packs an f32 matrix `b [k, n]` of any strides (so `w^T` is a view) into exactly [`packed_len`] elements.
pub fn pack(d: &Device, b: View, packed: &mut [f32]) -> Result {
    let cpu = d.cpu()?;
    let (l, data) = (*b.layout(), b.data::<f32>(OP)?);
    let &[k, n] = &*l.shape else {
        return Err(KernelError::Shape { op: OP, what: format!("{:?} must have 2 axes to be packed", l.shape) });
    };
    check_len(packed.len(), k, n)?;
    if l.count() > 0 {
        pack_matrix(cpu, &data[l.offset..], [l.strides[0], l.strides[1]], k, n, packed);
    }
    Ok(())
}

/// [`super::forward`] with a packed right side of `n` columns: `a [.., m, k]` of any strides, `c [.., m, n]`; f32. The
/// same bits as unpacked.
pub fn forward_packed(d: &Device, a: View, packed: &[f32], n: usize, e: Epilogue, mut c: ViewMut) -> Result {
    let cpu = d.cpu()?;
    e.check(OP, &c)?;
    let k = a.layout().shape.last().copied().unwrap_or(0);
    check_len(packed.len(), k, n)?;
    let b = Layout::contiguous(Dims::new(&[k, n]).unwrap_or(Dims::filled(2, 0)));
    let problem = Problem::new(a.layout(), &b, e.bias.as_ref(), c.layout())?;
    let bias = e.bias.as_ref().map(|bias| bias.dense::<f32>(OP)).transpose()?;
    let empty = c.layout().count() == 0;
    let a = a.data::<f32>(OP)?;
    if !empty {
        multiply_rows(cpu, &problem, a, packed, bias, &Parts::new(c.data::<f32>(OP)?));
    }
    e.finish(d, OP, c)
}

fn check_len(got: usize, k: usize, n: usize) -> Result {
    let want = packed_len(k, n);
    if got == want { Ok(()) } else { Err(KernelError::Buffer { op: OP, got, want }) }
}
