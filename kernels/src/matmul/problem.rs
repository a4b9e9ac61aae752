//! Which operands belong together, and where the matrices of a batch lie.

use super::OP;
use crate::layout::broadcast_shapes;
use crate::nest::Nest;
use crate::{Dims, KernelError, Layout, Result, View};

/// The shape of `a b`; `None` when they do not fit.
pub fn output_shape(a: &Layout, b: &Layout) -> Option<Dims> {
    let (ar, br) = (a.rank().checked_sub(2)?, b.rank().checked_sub(2)?);
    if a.shape[ar + 1] != b.shape[br] {
        return None;
    }
    let lead = broadcast_shapes(&a.shape[..ar], &b.shape[..br])?;
    join(&lead, &[a.shape[ar], b.shape[br + 1]])
}

/// A checked product.
pub(super) struct Problem {
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
    /// `[row, column]` strides of a matrix of `a` and of `b`; row stride of `c`, whose columns are neighbours.
    pub(super) a_step: [usize; 2],
    pub(super) b_step: [usize; 2],
    pub(super) c_row: usize,
    /// Where each matrix starts in `c`, `a`, `b`.
    pub(super) batch: Nest<3>,
    /// Where each row starts in `c` and `a`, if all share one `b`.
    pub(super) rows: Option<Nest<2>>,
}

impl Problem {
    /// Checks shapes, and that `c` can be written row by row.
    pub(super) fn new(a: &Layout, b: &Layout, bias: Option<&View>, c: &Layout) -> Result<Problem> {
        let wrong = |what| KernelError::Shape { op: OP, what };
        let unfit = || wrong(format!("{:?} does not multiply {:?}", a.shape, b.shape));
        let shape = output_shape(a, b).ok_or_else(unfit)?;
        if shape != c.shape {
            return Err(wrong(format!("{:?} times {:?} is {shape:?}, not {:?}", a.shape, b.shape, c.shape)));
        }
        let lead = shape.len() - 2;
        let [m, k, n] = [shape[lead], a.shape[a.rank() - 1], shape[lead + 1]];
        if k.checked_mul(n.next_multiple_of(16)).is_none_or(|room| room >= 1 << 52) {
            return Err(wrong(format!("{:?} is too large", b.shape)));
        }
        if let Some(bias) = bias.filter(|bias| *bias.layout().shape != [n]) {
            return Err(wrong(format!("the bias is {:?}, expected [{n}]", bias.layout().shape)));
        }
        let in_rows = (n == 1 || c.strides[lead + 1] == 1) && (m == 1 || c.strides[lead] >= n);
        if c.count() > 0 && !(in_rows && c.is_injective()) {
            return Err(KernelError::Order { op: OP, what: "the result", want: "row-major in its last two axes" });
        }
        let outer = |layout: &Layout| cut(layout, 2)?.broadcast(Dims::new(&shape[..lead])?);
        let (bc, ba, bb) = (outer(c).ok_or_else(unfit)?, outer(a).ok_or_else(unfit)?, outer(b).ok_or_else(unfit)?);
        let shared = (0..lead).all(|axis| bb.shape[axis] == 1 || bb.strides[axis] == 0);
        let with_rows = |outer: &Layout, layout: &Layout| {
            let row = layout.rank() - 2;
            let (shape, strides) = (join(&outer.shape, &[m])?, join(&outer.strides, &[layout.strides[row]])?);
            Some(Layout { shape, strides, offset: layout.offset })
        };
        let rows = with_rows(&bc, c).zip(with_rows(&ba, a)).filter(|_| shared).map(|(c, a)| Nest::new([&c, &a]));
        Ok(Problem {
            m,
            k,
            n,
            a_step: last_two(&a.strides),
            b_step: last_two(&b.strides),
            c_row: c.strides[lead],
            batch: Nest::new([&bc, &ba, &bb]),
            rows,
        })
    }
}

/// `layout` without its last `axes`.
fn cut(layout: &Layout, axes: usize) -> Option<Layout> {
    let rank = layout.rank() - axes;
    let (shape, strides) = (Dims::new(&layout.shape[..rank])?, Dims::new(&layout.strides[..rank])?);
    Some(Layout { shape, strides, offset: layout.offset })
}

fn join(head: &[usize], rest: &[usize]) -> Option<Dims> {
    if head.len() + rest.len() > crate::layout::MAX_RANK {
        return None;
    }
    let mut dims = Dims::filled(head.len() + rest.len(), 0);
    dims[..head.len()].copy_from_slice(head);
    dims[head.len()..].copy_from_slice(rest);
    Some(dims)
}

fn last_two(strides: &[usize]) -> [usize; 2] {
    [strides[strides.len() - 2], strides[strides.len() - 1]]
}
