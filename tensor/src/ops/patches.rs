//! Windows of a canvas, taken out, put back, averaged.

use crate::error::{Error, Kind, Result};
use crate::{DType, Device, Layout, Tensor};
pub use kernels::patches::Patches;

/// Windows of `size` (rows, columns) on a canvas, whose top left pixels are `offsets`; see [`Patches::new`].
#[track_caller]
pub fn at(canvas: [usize; 2], size: [usize; 2], offsets: &[[usize; 2]]) -> Result<Patches> {
    Ok(Patches::new(canvas, size, offsets)?)
}

/// Windows `stride` apart that end with the canvas; see [`Patches::grid`].
#[track_caller]
pub fn grid(canvas: [usize; 2], size: [usize; 2], stride: [usize; 2]) -> Result<Patches> {
    Ok(Patches::grid(canvas, size, stride)?)
}

impl Tensor {
    /// `[.., c, H, W]` to its windows `[.., windows, c, h, w]`. Those of a batch join it without a copy:
    /// `[b, windows, c, h, w]` reshapes to `[b windows, c, h, w]`, channels last where this is.
    #[track_caller]
    pub fn gather_patches(&self, p: &Patches) -> Result<Tensor> {
        self.taken(p, None)
    }

    /// The adjoint of [`Tensor::gather_patches`]: `[.., windows, c, h, w]` to `[.., c, H, W]`, the sums of the windows that
    /// cover each pixel in ascending order; 0 where none does.
    #[track_caller]
    pub fn scatter_patches(&self, p: &Patches) -> Result<Tensor> {
        self.put(p, None)
    }

    /// `[.., windows, c, h, w]` to `[.., c, H, W]`: the average of the windows that cover each pixel, by `shares` as
    /// [`Tensor::patch_shares`] makes them.
    #[track_caller]
    pub fn average_patches(&self, p: &Patches, shares: &Tensor) -> Result<Tensor> {
        self.put(p, Some(shares))
    }

    /// The adjoint of [`Tensor::average_patches`]: the windows of this canvas, each pixel times its share.
    #[track_caller]
    pub fn average_patches_adjoint(&self, p: &Patches, shares: &Tensor) -> Result<Tensor> {
        self.taken(p, Some(shares))
    }

    /// What each pixel of each window counts in an average, `[windows, h, w]` in f32 or f64: its weight over the sum of the
    /// weights that meet there. `weights`: `[h, w]` row-major, of every window (a taper); without them a mean. An error that
    /// names a pixel which no window covers, or whose weights do not sum to a positive number.
    #[track_caller]
    pub fn patch_shares(device: &Device, dtype: DType, p: &Patches, weights: Option<&[f64]>) -> Result<Tensor> {
        let [h, w] = p.size();
        Tensor::from_slice(device, &[p.offsets().len(), h, w], &p.shares(weights)?)?.cast(dtype.wide())
    }

    #[track_caller]
    fn taken(&self, p: &Patches, shares: Option<&Tensor>) -> Result<Tensor> {
        let &[ref lead @ .., channels, _, _] = self.shape() else {
            return Err(Error::shape("gather_patches", format!("{:?} is not [.., c, h, w]", self.shape())));
        };
        let [h, w] = p.size();
        let out = self.images("gather_patches", &[lead, &[p.offsets().len(), channels, h, w]].concat())?;
        let cost = kernels::patches::gather_cost(out.layout(), self.dtype());
        let (x, shares) = (self.read("gather_patches")?, self.shares(shares)?);
        let shares = shares.as_ref().map(|shares| shares.read("gather_patches")).transpose()?;
        let (x, shares) = (x.view()?, shares.as_ref().map(|shares| shares.view()).transpose()?);
        out.fill_with(cost, |y| kernels::patches::gather(self.device().kernels(), p, shares, x, y))?;
        Ok(out)
    }

    #[track_caller]
    fn put(&self, p: &Patches, shares: Option<&Tensor>) -> Result<Tensor> {
        let &[ref lead @ .., _, channels, _, _] = self.shape() else {
            return Err(Error::shape("scatter_patches", format!("{:?} is not [.., windows, c, h, w]", self.shape())));
        };
        let [height, width] = p.canvas();
        let out = self.images("scatter_patches", &[lead, &[channels, height, width]].concat())?;
        let cost = kernels::patches::scatter_cost(self.layout(), out.layout(), self.dtype());
        let (x, shares) = (self.read("scatter_patches")?, self.shares(shares)?);
        let shares = shares.as_ref().map(|shares| shares.read("scatter_patches")).transpose()?;
        let (x, shares) = (x.view()?, shares.as_ref().map(|shares| shares.view()).transpose()?);
        out.fill_with(cost, |y| kernels::patches::scatter(self.device().kernels(), p, shares, x, y))?;
        Ok(out)
    }

    /// Room for images: channels last where this is, else row-major, whatever the order of this one's leading axes.
    #[track_caller]
    fn images(&self, op: &'static str, shape: &[usize]) -> Result<Tensor> {
        let shape = crate::tensor::dims(op, shape)?;
        let last = self.layout().is_channels_last() && !self.layout().is_contiguous();
        let layout = if last { Layout::channels_last(shape) } else { Layout::contiguous(shape) };
        Tensor::empty(op, self.device(), self.dtype(), layout)
    }

    /// Shares as the kernel takes them beside this.
    #[track_caller]
    fn shares(&self, shares: Option<&Tensor>) -> Result<Option<Tensor>> {
        if shares.is_some_and(|shares| shares.device() != self.device()) {
            return Err(Kind::Device { op: "average_patches" }.into());
        }
        shares.map(|shares| shares.cast(self.dtype().wide())?.contiguous()).transpose()
    }
}
