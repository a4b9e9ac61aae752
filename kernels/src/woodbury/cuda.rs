//! The Woodbury identity on a GPU: the sums of P' v, the small systems, the correction.

use super::{OP, Operands, Problem};
use crate::cholesky::cuda::{BLOCKS, wide};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::triangular::cuda::{shared, side};
use crate::{Result, Scratch, ViewMut, gram, matrix, scratch};

pub(crate) static SOURCE: Source = Source { name: "woodbury.cu", text: include_str!("woodbury.cu") };

/// Right-hand sides that `woodbury_few` takes, rows of a block of it, rows and columns of a tile. As in `woodbury.cu`.
const FEW: usize = 4;
const ROWS: usize = 64;
const TILE: usize = 64;

pub(super) fn apply(cuda: &CudaContext, problem: &Problem, x: &Operands, y: ViewMut, space: Scratch) -> Result {
    matrix::reachable(OP, &[x.p.layout(), x.c.layout(), x.alpha.layout(), x.v.layout(), y.layout()])?;
    let Problem { tall, rank, sides, step, .. } = problem;
    let (dtype, count) = (y.dtype(), problem.batch.count());
    if y.layout().count() == 0 {
        return Ok(());
    }
    let batch = DeviceNest::of(OP, &problem.batch)?;
    let (small, chunks, size) = (count * rank * sides, tall.chunks(), dtype.wide().size());
    let u = scratch::device(&space, small * (1 + chunks) * size, OP)?;
    let sums = u.offset(small * size);
    let [p, c, alpha, v] = [x.p.pointer(OP)?, x.c.pointer(OP)?, x.alpha.pointer(OP)?, x.v.pointer(OP)?];
    gram::cuda::sums(cuda, tall, dtype, [p, v], sums)?;
    if small > 0 {
        let name = wide(OP, ["woodbury_small_f32", "woodbury_small_f64"], dtype.wide())?;
        let side = side(*sides);
        let sizes = [*rank, *sides, side, chunks, step[0], step[1]].map(|size| size as u32);
        let grid = Grid::new(count * sides.div_ceil(side), 256).shared(shared(*rank, side, dtype.wide()));
        cuda.launch(&SOURCE, name, grid, &[&sums, &c, &alpha, &u, &batch, &sizes])?;
    }
    let sizes = [tall.rows, *rank, *sides, tall.row[0], tall.row[1], 0].map(|size| size as u32);
    let few = *sides <= FEW;
    let blocks = match few {
        true => [tall.rows.div_ceil(ROWS), BLOCKS.min(count), 1],
        false => [tall.rows.div_ceil(TILE), sides.div_ceil(TILE), BLOCKS.min(count)],
    };
    let name = real(OP, if few { reals!("woodbury_few") } else { reals!("woodbury") }, dtype)?;
    let grid = Grid { blocks, ..Grid::new(1, 256) };
    cuda.launch(&SOURCE, name, grid, &[&p, &v, &alpha, &u, &y.pointer(OP)?, &batch, &sizes])
}
