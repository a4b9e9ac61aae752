//! Rotary position embedding.

use crate::Tensor;
use crate::error::Result;
pub use kernels::rope::Rope;

impl Tensor {
    /// The pairs of `[.., s, e]` turned by `table [2, s, e / 2]` (cosines, then sines), back where `back` says so. The table
    /// has this tensor's dtype, or f32 for 16 bits.
    #[track_caller]
    pub fn rope(&self, table: &Tensor, p: &Rope, back: bool) -> Result<Tensor> {
        let device = self.device().clone();
        if table.device() != &device {
            return Err(crate::Kind::Device { op: "rope" }.into());
        }
        let table = table.cast(self.dtype().wide())?.contiguous()?;
        let out = Tensor::empty("rope", &device, self.dtype(), super::result_layout(self.dims(), &[self]))?;
        let (x, table) = (self.read("rope")?, table.read("rope")?);
        let (x, table) = (x.view()?, table.view()?);
        let cost = kernels::rope::rotate_cost(out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::rope::rotate(device.kernels(), p, back, x, table, y))?;
        Ok(out)
    }
}
