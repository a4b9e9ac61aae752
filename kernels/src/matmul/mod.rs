//! Matrix products: `c[.., i, j] = bias[j] + sum over p of a[.., i, p] b[.., p, j]`.
//!
//! Batch axes broadcast. `a` and `b` may have any strides (transposed and repeated views); `c` is row-major in its last two
//! axes. Every element is summed over p in ascending order whatever the shape, the batch and the threads.

mod packed;
pub mod reference;

pub use packed::{forward_packed, pack, packed_len};

use crate::layout::broadcast_shapes;
use crate::nest::Nest;
use crate::{Cost, DType, Device, Dims, KernelError, Layout, Result, View, ViewMut};

/// Multiplies: `a [.., m, k]`, `b [.., k, n]`, `bias [n]`, `c [.., m, n]`; f32 or f64, all of one dtype.
pub fn forward(d: &Device, a: View, b: View, bias: Option<View>, c: ViewMut, scratch: &mut [u8]) -> Result {
    if c.dtype() == DType::F64 {
        return reference::forward::<f64>(a, b, bias, c);
    }
    let (_, _) = (d, scratch);
    reference::forward::<f32>(a, b, bias, c)
}

/// Bytes of scratch for [`forward`].
pub fn forward_scratch(_d: &Device, _a: &Layout, _b: &Layout, _dtype: DType) -> usize {
    0
}

/// What [`forward`] costs at the least, four bytes a number. Nothing for shapes that do not fit.
pub fn forward_cost(a: &Layout, b: &Layout) -> Cost {
    let Some(shape) = output_shape(a, b) else { return Cost::default() };
    let k = a.shape[a.rank() - 1];
    Cost { flops: 2 * (shape.count() * k) as u64, bytes: 4 * (a.count() + b.count() + shape.count()) as u64 }
}

/// The shape of `a b`; `None` when they do not fit.
pub fn output_shape(a: &Layout, b: &Layout) -> Option<Dims> {
    let (ar, br) = (a.rank().checked_sub(2)?, b.rank().checked_sub(2)?);
    if a.shape[ar + 1] != b.shape[br] {
        return None;
    }
    let lead = broadcast_shapes(&a.shape[..ar], &b.shape[..br])?;
    let mut shape = Dims::filled(lead.len() + 2, 0);
    shape[..lead.len()].copy_from_slice(&lead);
    shape[lead.len()..].copy_from_slice(&[a.shape[ar], b.shape[br + 1]]);
    Some(shape)
}

/// A checked product: sizes, and where each matrix of the batch starts in `c`, `a`, `b`.
struct Problem {
    m: usize,
    k: usize,
    n: usize,
    batch: Nest<3>,
}

fn check(a: &Layout, b: &Layout, bias: Option<&View>, c: &Layout) -> Result<Problem> {
    let op = "matmul";
    let wrong = |what| KernelError::Shape { op, what };
    let shape = output_shape(a, b).ok_or_else(|| wrong(format!("{:?} does not multiply {:?}", a.shape, b.shape)))?;
    if shape != c.shape {
        return Err(wrong(format!("{:?} times {:?} is {shape:?}, not {:?}", a.shape, b.shape, c.shape)));
    }
    let rank = shape.len();
    let [m, k, n] = [shape[rank - 2], a.shape[a.rank() - 1], shape[rank - 1]];
    if let Some(bias) = bias.filter(|bias| *bias.layout().shape != [n]) {
        return Err(wrong(format!("the bias is {:?}, expected [{n}]", bias.layout().shape)));
    }
    let rows = (n == 1 || c.strides[rank - 1] == 1) && (m == 1 || c.strides[rank - 2] >= n);
    if c.count() > 0 && !(rows && c.is_injective()) {
        return Err(KernelError::Order { op, what: "the result", want: "row-major in its last two axes" });
    }
    let lead = |layout: &Layout| {
        let own = layout.rank() - 2;
        let outer =
            Layout { shape: head(&layout.shape, own), strides: head(&layout.strides, own), offset: layout.offset };
        outer.broadcast(head(&shape, rank - 2))
    };
    let (Some(c), Some(a), Some(b)) = (lead(c), lead(a), lead(b)) else {
        return Err(wrong(format!("{:?} does not multiply {:?}", a.shape, b.shape)));
    };
    Ok(Problem { m, k, n, batch: Nest::new([&c, &a, &b]) })
}

fn head(dims: &Dims, rank: usize) -> Dims {
    let mut out = Dims::filled(rank, 0);
    out.copy_from_slice(&dims[..rank]);
    out
}
