//! Rotary position embedding on a GPU.

use super::{OP, Tokens};
use crate::cuda::elementwise::{real, reals};
use crate::cuda::nest::DeviceNest;
use crate::cuda::{CudaContext, Grid, Source};
use crate::{KernelError, Result, View, ViewMut};

pub(crate) static SOURCE: Source = Source { name: "rope.cu", text: include_str!("rope.cu") };

pub(super) fn rotate(cuda: &CudaContext, tokens: &Tokens, back: bool, x: View, table: View, y: ViewMut) -> Result {
    let dtype = y.dtype();
    for (operand, want) in [(&x, dtype), (&table, dtype.wide())] {
        if operand.dtype() != want {
            return Err(KernelError::DType { op: OP, got: operand.dtype(), want: want.name() });
        }
    }
    let nest = DeviceNest::of(OP, &tokens.nest)?;
    let pairs = nest.count as usize * tokens.width / 2;
    if pairs == 0 {
        return Ok(());
    }
    let half = tokens.width / tokens.p.axes / 2;
    let geometry: [u32; 8] = [
        tokens.width as u32,
        tokens.positions as u32,
        half as u32,
        tokens.p.interleaved.into(),
        tokens.step[0] as u32,
        tokens.step[1] as u32,
        back.into(),
        0,
    ];
    let (x, table, y) = (x.pointer(OP)?, table.pointer(OP)?, y.pointer(OP)?);
    cuda.launch(
        &SOURCE,
        real(OP, reals!("rope"), dtype)?,
        Grid::stride(cuda, pairs),
        &[&x, &table, &y, &nest, &geometry],
    )
}
