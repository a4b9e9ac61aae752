//! Parameter updates in place: Adam, moving average; and the norm that clipping needs. Versions of what is written move.

use super::common;
use crate::error::Result;
use crate::{DType, Layout, Tensor};
pub use kernels::optim::Adam;

impl Tensor {
    /// One Adam(W) step on this parameter with its gradient and moments, which are dense, of one shape and storage order.
    /// `step` counts from 1; the gradient is multiplied by `gradient_scale` first.
    #[track_caller]
    pub fn adam_step(
        &mut self,
        p: &Adam,
        lr: f64,
        step: u64,
        gradient_scale: f64,
        gradient: &Tensor,
        m: &mut Tensor,
        v: &mut Tensor,
    ) -> Result<()> {
        let (device, dtype) = common("adam", &[self, gradient, m, v])?;
        let gradient =
            if gradient.layout().same_order(self.layout()) { gradient.clone() } else { gradient.contiguous()? };
        let correction = |beta: f64| 1.0 - beta.powi(i32::try_from(step).unwrap_or(i32::MAX));
        for written in [&*self, m, v] {
            written.storage().bump();
        }
        let g = gradient.read("adam")?;
        let (mut param, mut m, mut v) = (self.write("adam")?, m.write("adam")?, v.write("adam")?);
        let (one, two) = (correction(p.beta1), correction(p.beta2));
        let d = device.kernels();
        kernels::optim::adam(d, p, lr, one, two, gradient_scale, param.view()?, g.view()?, m.view()?, v.view()?)?;
        device.count(kernels::optim::adam_cost(gradient.count(), dtype));
        Ok(())
    }

    /// `self += (1 - decay) (param - self)` in place.
    #[track_caller]
    pub fn ema_step(&mut self, decay: f64, param: &Tensor) -> Result<()> {
        let (device, dtype) = common("ema", &[self, param])?;
        self.storage().bump();
        let param = param.read("ema")?;
        let param = param.view()?;
        let cost = kernels::optim::ema_cost(self.count(), dtype);
        self.fill_with(cost, |ema| kernels::optim::ema(device.kernels(), decay, ema, param))
    }

    /// The sum of squares of all elements as f64, shape `[1]`.
    #[track_caller]
    pub fn sum_of_squares(&self) -> Result<Tensor> {
        let x = if self.layout().is_dense() { self.clone() } else { self.contiguous()? };
        let out =
            Tensor::empty(self.device(), DType::F64, Layout::contiguous(crate::tensor::dims("sum_of_squares", &[1])?))?;
        let cost = kernels::optim::sum_of_squares_cost(x.count(), x.dtype());
        let d = self.device().kernels();
        let space = super::scratch(self.device(), kernels::optim::sum_of_squares_scratch(d, x.count()))?;
        let mut space = space.storage().write("sum_of_squares")?;
        let x = x.read("sum_of_squares")?;
        let x = x.view()?;
        out.fill_with(cost, |y| kernels::optim::sum_of_squares(d, x, y, space.data()))?;
        Ok(out)
    }
}
