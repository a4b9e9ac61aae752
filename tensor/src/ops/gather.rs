//! Rows picked by an index, and its adjoint, rows added at an index.

use super::result_layout;
use crate::error::{Error, Kind, Result};
use crate::{DType, Tensor};

impl Tensor {
    /// `y[.., j, ..] = x[.., index[j], ..]` along `axis`; `index` `[m]` of i64. An index outside is an error.
    #[track_caller]
    pub fn gather(&self, axis: usize, index: &Tensor) -> Result<Tensor> {
        let mut shape = self.dims();
        self.indexed(axis, index)?;
        shape[axis] = index.count();
        let out = Tensor::empty("gather", self.device(), self.dtype(), result_layout(shape, &[self]))?;
        let (x, index) = (self.read("gather")?, index.read("gather")?);
        let (x, index) = (x.view()?, index.view()?);
        let cost = kernels::gather::forward_cost(out.layout(), self.dtype());
        out.fill_with(cost, |y| kernels::gather::forward(self.device().kernels(), axis, x, index, y))?;
        Ok(out)
    }

    /// Zeros with `size` along `axis`, to which row `j` of this is added at `index[j]`, in ascending `j`.
    #[track_caller]
    pub fn scatter_add(&self, axis: usize, index: &Tensor, size: usize) -> Result<Tensor> {
        let mut shape = self.dims();
        self.indexed(axis, index)?;
        if index.count() != shape[axis] {
            return Err(Error::shape(
                "scatter_add",
                format!("{} indices for {:?} along axis {axis}", index.count(), self.shape()),
            ));
        }
        shape[axis] = size;
        let out = Tensor::empty("scatter_add", self.device(), self.dtype(), result_layout(shape, &[self]))?;
        let (g, index) = (self.read("scatter_add")?, index.read("scatter_add")?);
        let (g, index) = (g.view()?, index.view()?);
        let cost = kernels::gather::scatter_add_cost(self.layout(), out.layout(), self.dtype());
        out.fill_with(cost, |dx| kernels::gather::scatter_add(self.device().kernels(), axis, g, index, dx))?;
        Ok(out)
    }

    fn indexed(&self, axis: usize, index: &Tensor) -> Result<()> {
        if index.dtype() != DType::I64 {
            return Err(Kind::DType { op: "gather", got: index.dtype(), want: "i64 indices" }.into());
        }
        if index.rank() != 1 || axis >= self.rank() {
            let what = format!(
                "index {:?} along axis {axis} of {:?}: wants [m], and an axis that is there",
                index.shape(),
                self.shape()
            );
            return Err(Error::shape("gather", what));
        }
        Ok(())
    }
}
