//! Copies: into a storage order, into a larger tensor, into another dtype.

use super::common;
use crate::error::{Error, Result};
use crate::{DType, Device, Layout, Tensor};

impl Tensor {
    /// Row-major; itself where it is already.
    #[track_caller]
    pub fn contiguous(&self) -> Result<Tensor> {
        self.stored(Layout::contiguous(self.dims()), self.layout().is_contiguous())
    }

    /// `[.., C, H, W]` stored as `[.., H, W, C]`; itself where it is already.
    #[track_caller]
    pub fn channels_last(&self) -> Result<Tensor> {
        self.stored(Layout::channels_last(self.dims()), self.layout().is_channels_last())
    }

    /// Stored as `layout`: itself where it `is` already. The strides of nothing are free to choose.
    fn stored(&self, layout: Layout, is: bool) -> Result<Tensor> {
        match (self.count(), is) {
            (0, _) => Ok(self.with_layout(layout)),
            (_, true) => Ok(self.clone()),
            (_, false) => self.copy_in(layout),
        }
    }

    /// A copy in memory of its own, in its own storage order.
    #[track_caller]
    pub fn copy(&self) -> Result<Tensor> {
        self.copy_in(super::result_layout(self.dims(), &[self]))
    }

    /// A copy in the order of `layout`, of the same shape.
    pub(crate) fn copy_as(&self, layout: &Layout) -> Result<Tensor> {
        self.copy_in(Layout { offset: 0, ..*layout })
    }

    fn copy_in(&self, layout: Layout) -> Result<Tensor> {
        let out = Tensor::empty("copy", self.device(), self.dtype(), layout)?;
        let from = self.read("copy")?;
        let from = from.view()?;
        let cost = kernels::copy::copy_cost(out.layout(), self.dtype(), self.dtype());
        out.fill_with(cost, |y| kernels::copy::copy(self.device().kernels(), from, y))?;
        Ok(out)
    }

    /// The numbers as `dtype`: rounded to nearest even; to integers truncated, at the ends of their range.
    #[track_caller]
    pub fn cast(&self, dtype: DType) -> Result<Tensor> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        let out = Tensor::empty("cast", self.device(), dtype, super::result_layout(self.dims(), &[self]))?;
        let from = self.read("cast")?;
        let from = from.view()?;
        let cost = kernels::copy::copy_cost(out.layout(), self.dtype(), dtype);
        out.fill_with(cost, |y| kernels::copy::cast(self.device().kernels(), from, y))?;
        Ok(out)
    }

    /// A copy on another device.
    #[track_caller]
    pub fn to_device(&self, device: &Device) -> Result<Tensor> {
        if device == self.device() {
            return Ok(self.clone());
        }
        let dense = self.copy()?;
        let out = Tensor::empty("to_device", device, self.dtype(), *dense.layout())?;
        let (from, mut to) = (dense.storage().read("to_device")?, out.storage().write("to_device")?);
        to.fill(&from.to_vec()?)?;
        drop(to);
        Ok(out)
    }

    /// Zeros of `shape` with this placed at `start` on every axis; the adjoint of narrow. An error when it reaches outside.
    #[track_caller]
    pub fn pad(&self, shape: &[usize], start: &[usize]) -> Result<Tensor> {
        let full = crate::tensor::dims("pad", shape)?;
        let inside = shape.len() == self.rank()
            && start.len() == self.rank()
            && (0..self.rank()).all(|axis| start[axis] + self.shape()[axis] <= shape[axis]);
        if !inside {
            return Err(Error::shape("pad", format!("{:?} at {start:?} is not inside {shape:?}", self.shape())));
        }
        let out = Tensor::full_in("pad", self.device(), self.dtype(), self.layout().like(full), 0.0)?;
        out.place(self, start)?;
        Ok(out)
    }

    /// The parts side by side along `axis`; their other sizes are equal.
    #[track_caller]
    pub fn concat(parts: &[&Tensor], axis: usize) -> Result<Tensor> {
        let Some(first) = parts.first() else { return Err(Error::shape("concat", "nothing to concatenate")) };
        let (device, dtype) = common("concat", parts)?;
        let mut shape = first.dims();
        let fits = |part: &Tensor| {
            part.rank() == first.rank() && (0..first.rank()).all(|a| a == axis || part.shape()[a] == first.shape()[a])
        };
        if axis >= first.rank() || !parts.iter().all(|part| fits(part)) {
            let shapes: Vec<_> = parts.iter().map(|part| part.shape()).collect();
            return Err(Error::shape("concat", format!("shapes {shapes:?} may differ along axis {axis} only")));
        }
        shape[axis] = parts.iter().map(|part| part.shape()[axis]).sum();
        let out = Tensor::empty("concat", &device, dtype, super::result_layout(shape, parts))?;
        let mut start = vec![0; first.rank()];
        for part in parts {
            out.place(part, &start)?;
            start[axis] += part.shape()[axis];
        }
        Ok(out)
    }

    /// Writes `part` into this fresh tensor at `start`.
    fn place(&self, part: &Tensor, start: &[usize]) -> Result<()> {
        let mut layout = *self.layout();
        layout.shape = part.dims();
        if part.count() == 0 {
            return Ok(());
        }
        layout.offset += start.iter().zip(layout.strides.iter()).map(|(at, stride)| at * stride).sum::<usize>();
        let from = part.read("place")?;
        let from = from.view()?;
        let cost = kernels::copy::copy_cost(&layout, part.dtype(), self.dtype());
        self.with_layout(layout).fill_with(cost, |y| kernels::copy::copy(self.device().kernels(), from, y))
    }
}
