//! Average pooling of the last two axes, without padding, and its adjoint.

#[cfg(test)]
mod tests;

use crate::window::{Window, pixels, sums};
use crate::{Cost, DType, Device, KernelError, Layout, Result, View, ViewMut};

/// The window of an average pool; `[height, width]`, 1 or more each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Sizes of the window.
    pub kernel: [usize; 2],
    /// Steps from one window to the next.
    pub stride: [usize; 2],
}

impl Pool {
    /// Pixels of the result along both axes, for an input of `[height, width]`: `(input - kernel) / stride + 1`. An error
    /// where no window fits.
    pub fn size(&self, input: [usize; 2]) -> Result<[usize; 2]> {
        let op = "average_pool";
        if self.kernel.contains(&0) || self.stride.contains(&0) {
            return Err(KernelError::Parameter { op, what: format!("{self:?} must be 1 or more everywhere") });
        }
        let along = |axis: usize| Some(input[axis].checked_sub(self.kernel[axis])? / self.stride[axis] + 1);
        along(0).zip(along(1)).map(|(h, w)| [h, w]).ok_or_else(|| {
            let what = format!("a window of {:?} does not fit into {input:?}", self.kernel);
            KernelError::Shape { op, what }
        })
    }

    fn scale(&self) -> f64 {
        1.0 / (self.kernel[0] * self.kernel[1]) as f64
    }

    /// An error unless the pool turns `input` into `output`.
    fn fits(&self, input: [usize; 2], output: [usize; 2]) -> Result {
        let want = self.size(input)?;
        if want == output {
            return Ok(());
        }
        let what = format!("the result has {output:?} pixels, expected {want:?}");
        Err(KernelError::Shape { op: "average_pool", what })
    }
}

/// `y[.., i, j]` = the mean of `x` over window `(i, j)`, from `[.., h, w]` to `[.., ]` [`Pool::size`]; f32 or f64, any strides.
pub fn average(device: &Device, pool: &Pool, x: View, y: ViewMut) -> Result {
    let (input, output) = pixels("average_pool", x.layout(), y.layout())?;
    pool.fits(input, output)?;
    let window = |axis: usize| Window::Taken { size: pool.kernel[axis], stride: pool.stride[axis] };
    sums(device, "average_pool", pool.scale(), x, y, window(0), window(1))
}

/// The adjoint: every pixel gets its share of the windows it is in. `g` has the shape of [`average`]'s `y`, `dx` of its `x`.
pub fn average_adjoint(device: &Device, pool: &Pool, g: View, dx: ViewMut) -> Result {
    let (output, input) = pixels("average_pool", g.layout(), dx.layout())?;
    pool.fits(input, output)?;
    let around = |axis: usize| {
        let (size, stride) = (pool.kernel[axis], pool.stride[axis]);
        Window::Around { size, stride, count: output[axis] }
    };
    sums(device, "average_pool", pool.scale(), g, dx, around(0), around(1))
}

/// What [`average`] from layout `x` to `y` costs, or its adjoint from `y` to `x`.
pub fn average_cost(pool: &Pool, x: &Layout, y: &Layout, dtype: DType) -> Cost {
    let flops = pool.kernel.iter().fold(y.count(), |flops, &size| flops.saturating_mul(size));
    Cost { flops: flops as u64, bytes: ((x.count() + y.count()) * dtype.size()) as u64 }
}
