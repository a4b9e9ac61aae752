//! f32 products: the right side is packed into scratch, then multiplied block by block.

use super::product::Product;
use super::{OP, Problem};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::tile::{ALONE, Tile, panels};
use crate::{Result, View, ViewMut, scratch};

/// How the work of a batch is shared out. It never changes a bit of the result.
enum Sharing {
    /// One right side for all: packed once, all rows shared out.
    OneRight,
    /// Large matrices: one product after the other, each shared out.
    InTurn,
    /// Small matrices: each thread takes whole products.
    SideBySide,
}

impl Sharing {
    fn of(cpu: &CpuContext, problem: &Problem) -> Sharing {
        let (count, flops) = (problem.batch.count(), 2 * problem.m * problem.n * problem.k);
        match &problem.rows {
            Some(_) => Sharing::OneRight,
            None if count < 4 * cpu.team.threads() && flops > 8 * ALONE => Sharing::InTurn,
            None => Sharing::SideBySide,
        }
    }
}

/// f32 of scratch.
pub(super) fn room(cpu: &CpuContext, problem: &Problem) -> usize {
    let one = panels::room(problem.k, problem.n);
    match Sharing::of(cpu, problem) {
        Sharing::OneRight | Sharing::InTurn => one,
        Sharing::SideBySide => one * cpu.team.threads(),
    }
}

/// As [`super::forward`].
pub(super) fn forward(
    cpu: &CpuContext,
    a: View,
    b: View,
    bias: Option<View>,
    mut c: ViewMut,
    scratch: &mut [u8],
) -> Result {
    let problem = Problem::new(a.layout(), b.layout(), bias.as_ref(), c.layout())?;
    let bias = bias.as_ref().map(|bias| bias.dense::<f32>(OP)).transpose()?;
    let room = scratch::floats(scratch, room(cpu, &problem), OP)?;
    let empty = c.layout().count() == 0;
    let (a, b, c) = (a.data::<f32>(OP)?, b.data::<f32>(OP)?, Parts::new(c.data::<f32>(OP)?));
    if empty {
        return Ok(());
    }
    let tile = Tile::of(cpu.isa);
    match Sharing::of(cpu, &problem) {
        Sharing::OneRight => {
            pack(cpu, &problem, from(b, problem.batch.element(0)[2]), room);
            multiply_rows(cpu, &problem, a, room, bias, &c);
        }
        Sharing::InTurn => {
            for index in 0..problem.batch.count() {
                let [c_at, a_at, b_at] = problem.batch.element(index);
                pack(cpu, &problem, from(b, b_at), room);
                // SAFETY: the matrices of `c` are inside it and apart (`Problem::new`).
                unsafe { product(tile, &problem, from(a, a_at), room, bias).on_team(cpu, &c, c_at) };
            }
        }
        Sharing::SideBySide => {
            let slots = Parts::new(room);
            let one = panels::room(problem.k, problem.n);
            cpu.team.run_with_slots(problem.batch.count(), |slot, index| {
                let [c_at, a_at, b_at] = problem.batch.element(index);
                // SAFETY: one thread holds a slot at a time.
                let room = unsafe { slots.part(slot * one..(slot + 1) * one) };
                (0..panels::count(tile, problem.n)).for_each(|panel| {
                    pack_panel(tile, &problem, from(b, b_at), panel, room);
                });
                let product = product(tile, &problem, from(a, a_at), room, bias);
                // SAFETY: as above; this matrix of `c` is this item's alone.
                unsafe { product.whole(c.pointer().wrapping_add(c_at)) };
            });
        }
    }
    Ok(())
}

/// Every row of every `a` times the one packed `b`.
pub(super) fn multiply_rows(
    cpu: &CpuContext,
    problem: &Problem,
    a: &[f32],
    b: &[f32],
    bias: Option<&[f32]>,
    c: &Parts<f32>,
) {
    let Some(rows) = &problem.rows else { return };
    let (m, [c_row, a_row]) = rows.row();
    for index in 0..rows.rows() {
        let [c_at, a_at] = rows.start(index);
        let one = product(Tile::of(cpu.isa), problem, from(a, a_at), b, bias);
        let all = Product { m, a_step: [a_row, problem.a_step[1]], c_row, ..one };
        // SAFETY: the rows of `c` are inside it and apart (`Problem::new`).
        unsafe { all.on_team(cpu, c, c_at) };
    }
}

fn product<'a>(tile: Tile, problem: &Problem, a: &'a [f32], b: &'a [f32], bias: Option<&'a [f32]>) -> Product<'a> {
    let &Problem { m, k, n, a_step, c_row, .. } = problem;
    Product { tile, m, k, n, a, a_step, b, bias, c_row }
}

/// Packs a right side whose first element is `b[0]`.
fn pack(cpu: &CpuContext, problem: &Problem, b: &[f32], room: &mut [f32]) {
    pack_matrix(cpu, b, problem.b_step, problem.k, problem.n, room);
}

/// Packs `[k, n]` of strides `step`, its panels shared out.
pub(super) fn pack_matrix(cpu: &CpuContext, b: &[f32], step: [usize; 2], k: usize, n: usize, room: &mut [f32]) {
    let tile = Tile::of(cpu.isa);
    let parts = Parts::new(room);
    let one = |index| {
        let (range, width) = panels::panel(tile, k, n, index);
        // SAFETY: panels do not overlap.
        let panel = unsafe { parts.part(range) };
        let left = index * tile.panel() * step[1];
        panels::pack(tile, b, (0..k).map(|row| left + row * step[0]), step[1], width, panel);
    };
    let count = panels::count(tile, n);
    if k * n < ALONE { (0..count).for_each(one) } else { cpu.team.run(count, one) }
}

fn pack_panel(tile: Tile, problem: &Problem, b: &[f32], index: usize, room: &mut [f32]) {
    let (range, width) = panels::panel(tile, problem.k, problem.n, index);
    let [row, column] = problem.b_step;
    let left = index * tile.panel() * column;
    panels::pack(tile, b, (0..problem.k).map(|k| left + k * row), column, width, &mut room[range]);
}

/// What follows `at`; nothing for an operand without elements, wherever its layout starts.
fn from(data: &[f32], at: usize) -> &[f32] {
    data.get(at..).unwrap_or(&[])
}
