//! Attention, `out = softmax(scale q k^T) v`, without the map: block by block of keys with a running maximum and sum (flash
//! attention, Dao et al. 2022), and in the backward the map again from lse, the logarithm of each row's sum.
//!
//! q: `[b, h, s, e]`, k: `[b, h, t, e]`, v: `[b, h, t, f]`, out: `[b, h, s, f]`, lse: `[b, h, s]` row-major. The last axis has
//! unit stride, the others any: heads beside each other in `[b, s, h e]` are a view. f32 or f64. A query's result depends
//! on that query and its keys alone; with no keys it is 0, and lse is -inf. With a [`Rotation`] the rows of q and k are
//! turned by the angles of their positions on their way in, and their gradients turned back on their way out: rotary position
//! embedding without turned copies of q and k.

mod backward;
mod block;
pub(crate) mod cuda;
mod forward;
mod geometry;
mod reference;
mod rotation;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turned;

use crate::cpu::team::{Parts, WORTH_WAKING};
use crate::tile::Tile;
use crate::{Cost, CpuContext, DType, Device, Element, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};
use geometry::{Rows, RowsMut, Sizes};
pub use rotation::Rotation;
use rotation::Turn;

/// Parameters of an attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attention {
    /// Multiplies the scores; usually 1 / sqrt(e).
    pub scale: f64,
}

/// out and lse. scratch: [`forward_scratch`] bytes.
pub fn forward(
    d: &Device,
    p: &Attention,
    rotation: Option<&Rotation>,
    q: View,
    k: View,
    v: View,
    mut out: ViewMut,
    mut lse: ViewMut,
    scratch: Scratch,
) -> Result {
    const OP: &str = "attention";
    let sizes = Sizes::of(OP, q.layout(), k.layout(), v.layout())?;
    sizes.check(OP, "out", out.layout(), lse.layout())?;
    rotation.map_or(Ok(()), |rotation| rotation.check(OP, &sizes, q.dtype()))?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => return cuda::forward(gpu, OP, p, rotation, &sizes, [q, k, v], out, lse),
    };
    match q.dtype() {
        DType::F32 => {
            let (q, k, v) = (Rows::of(OP, "q", &q)?, Rows::of(OP, "k", &k)?, Rows::of(OP, "v", &v)?);
            let (out, lse) = (RowsMut::of(OP, "out", &mut out)?, Parts::new(lse.dense(OP)?));
            let tile = Tile::of(cpu.isa);
            let turns = turns(OP, rotation)?;
            let work = forward::Forward { tile, sizes, scale: p.scale as f32, q, k, v, turns, out, lse };
            let (room, flops) = (forward::room(tile, &sizes, rotation.is_some()), sizes.cost(1, 1, 4, 1).flops);
            with_room(cpu, work.items(), flops, OP, scratch.into_host(OP)?, room, |item, room| work.block(item, room))?;
        }
        DType::F64 => {
            let inputs = [Rows::of(OP, "q", &q)?, Rows::of(OP, "k", &k)?, Rows::of(OP, "v", &v)?];
            let out = &mut RowsMut::of(OP, "out", &mut out)?;
            reference::forward::<f64>(&sizes, p.scale, turns(OP, rotation)?, inputs, out, lse.dense(OP)?);
        }
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// dq, dk and dv for the cotangent g of out; out and lse as [`forward`] left them. scratch: [`backward_scratch`] bytes.
pub fn backward(
    d: &Device,
    p: &Attention,
    rotation: Option<&Rotation>,
    q: View,
    k: View,
    v: View,
    out: View,
    lse: View,
    g: View,
    mut dq: ViewMut,
    mut dk: ViewMut,
    mut dv: ViewMut,
    scratch: Scratch,
) -> Result {
    const OP: &str = "attention backward";
    let sizes = Sizes::of(OP, q.layout(), k.layout(), v.layout())?;
    sizes.check(OP, "out", out.layout(), lse.layout())?;
    sizes.check(OP, "g", g.layout(), lse.layout())?;
    for (what, gradient, operand) in [("dq", &dq, &q), ("dk", &dk, &k), ("dv", &dv, &v)] {
        crate::rows::shaped(OP, what, gradient.layout(), &operand.layout().shape)?;
    }
    rotation.map_or(Ok(()), |rotation| rotation.check(OP, &sizes, q.dtype()))?;
    let cpu = match d {
        Device::Cpu(cpu) => cpu,
        Device::Cuda(gpu) => {
            return cuda::backward(gpu, OP, p, rotation, &sizes, [q, k, v], [out, lse, g], [dq, dk, dv], scratch);
        }
    };
    match q.dtype() {
        DType::F32 => {
            let (q, k, v) = (Rows::of(OP, "q", &q)?, Rows::of(OP, "k", &k)?, Rows::of(OP, "v", &v)?);
            let (out, lse, g) = (Rows::of(OP, "out", &out)?, lse.dense(OP)?, Rows::of(OP, "g", &g)?);
            let (dq, dk) = (RowsMut::of(OP, "dq", &mut dq)?, RowsMut::of(OP, "dk", &mut dk)?);
            let dv = RowsMut::of(OP, "dv", &mut dv)?;
            let tile = Tile::of(cpu.isa);
            let (turns, scale) = (turns(OP, rotation)?, p.scale as f32);
            let work = backward::Backward { tile, sizes, scale, q, k, v, turns, out, lse, g, dq, dk, dv };
            let (room, flops) = (backward::room(tile, &sizes, rotation.is_some()), sizes.cost(3, 2, 6, 2).flops);
            with_room(cpu, sizes.pairs(), flops, OP, scratch.into_host(OP)?, room, |pair, room| work.pair(pair, room))?;
        }
        DType::F64 => {
            let inputs = [Rows::of(OP, "q", &q)?, Rows::of(OP, "k", &k)?, Rows::of(OP, "v", &v)?];
            let results = (&Rows::of(OP, "out", &out)?, lse.dense(OP)?, &Rows::of(OP, "g", &g)?);
            let (mut dq, mut dk) = (RowsMut::of(OP, "dq", &mut dq)?, RowsMut::of(OP, "dk", &mut dk)?);
            let gradients = [&mut dq, &mut dk, &mut RowsMut::of(OP, "dv", &mut dv)?];
            reference::backward::<f64>(&sizes, p.scale, turns(OP, rotation)?, inputs, results, gradients);
        }
        got => return Err(KernelError::DType { op: OP, got, want: "f32 or f64" }),
    }
    Ok(())
}

/// Calls `body` for every item, with `room` f32 of its own for as long as it runs; in parallel if that pays.
fn with_room(
    cpu: &CpuContext,
    items: usize,
    flops: u64,
    op: &'static str,
    scratch: &mut [u8],
    room: usize,
    body: impl Fn(usize, &mut [f32]) + Sync,
) -> Result {
    let rooms = scratch::floats(scratch, room * cpu.team.threads(), op)?;
    if flops < WORTH_WAKING {
        (0..items).for_each(|item| body(item, &mut rooms[..room]));
        return Ok(());
    }
    let rooms = Parts::new(rooms);
    cpu.team.run_with_slots(items, |slot, item| {
        // SAFETY: one thread at a time has a slot.
        body(item, unsafe { rooms.part(slot * room..(slot + 1) * room) });
    });
    Ok(())
}

/// Of q and k, as numbers.
fn turns<'a, T: Element>(op: &'static str, rotation: Option<&Rotation<'a>>) -> Result<[Option<Turn<'a, T>>; 2]> {
    rotation.map_or(Ok([None, None]), |rotation| Ok(rotation.turns(op)?.map(Some)))
}

/// Bytes of scratch for [`forward`], of the layouts of q, k and v, with a rotation or without.
pub fn forward_scratch(d: &Device, rotated: bool, q: &Layout, k: &Layout, v: &Layout, dtype: DType) -> usize {
    let Device::Cpu(cpu) = d else { return 0 };
    match (dtype, Sizes::of("attention", q, k, v)) {
        (DType::F32, Ok(sizes)) => {
            scratch::bytes(cpu.team.threads() * forward::room(Tile::of(cpu.isa), &sizes, rotated))
        }
        _ => 0,
    }
}

/// Bytes of scratch for [`backward`], of the layouts of q, k and v, with a rotation or without.
pub fn backward_scratch(d: &Device, rotated: bool, q: &Layout, k: &Layout, v: &Layout, dtype: DType) -> usize {
    let Device::Cpu(cpu) = d else {
        return Sizes::of("attention backward", q, k, v).map_or(0, |sizes| cuda::backward_scratch(&sizes, dtype));
    };
    match (dtype, Sizes::of("attention backward", q, k, v)) {
        (DType::F32, Ok(sizes)) => {
            scratch::bytes(cpu.team.threads() * backward::room(Tile::of(cpu.isa), &sizes, rotated))
        }
        _ => 0,
    }
}

/// Two products, and four operations a score (an exponential counted one); q, k, v and out once. 0 for shapes that do
/// not fit together.
pub fn forward_cost(q: &Layout, k: &Layout, v: &Layout) -> Cost {
    Sizes::of("attention", q, k, v).map_or(Cost::default(), |sizes| sizes.cost(1, 1, 4, 1))
}

/// Five products, and six operations a score; q, k, v, out and their cotangents once.
pub fn backward_cost(q: &Layout, k: &Layout, v: &Layout) -> Cost {
    Sizes::of("attention backward", q, k, v).map_or(Cost::default(), |sizes| sizes.cost(3, 2, 6, 2))
}

/// What a [`Rotation`] adds to [`forward_cost`] or [`backward_cost`]: three operations a number of q and k.
pub fn rotation_cost(q: &Layout, k: &Layout) -> Cost {
    Cost { flops: 3 * (q.count() + k.count()) as u64, bytes: 0 }
}
