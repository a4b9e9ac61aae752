//! Two-dimensional convolution.

use crate::error::Result;
use crate::init::Init;
use crate::module::{Module, Visitor};
use crate::param::Param;
use autograd::Var;
use autograd::ops::conv::Conv;
use autograd::ops::epilogue::Epilogue;

/// A convolution with bias.
pub struct Conv2d {
    /// `[outputs, inputs / groups, kernel, kernel]`
    pub weight: Param,
    /// `[outputs]`
    pub bias: Param,
    /// Stride, padding, dilation, groups.
    pub geometry: Conv,
}

impl Conv2d {
    /// A new layer with a square kernel. `geometry.groups` divides both channel counts.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, kernel: usize, geometry: Conv) -> Result<Conv2d> {
        let own = inputs / geometry.groups.max(1);
        let products = own * kernel * kernel;
        let weight = init.uniform(&[outputs, own, kernel, kernel], products)?;
        Ok(Conv2d { weight, bias: init.uniform(&[outputs], products)?, geometry })
    }

    /// 3x3, of the input's size.
    pub fn same(init: &mut Init, inputs: usize, outputs: usize) -> Result<Conv2d> {
        Conv2d::new(init, inputs, outputs, 3, Conv::padded(1))
    }

    /// `x [n, inputs, h, w]`: `[n, outputs, h', w']`.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        Ok(x.conv2d(&self.weight.var(), Some(&self.bias.var()), &self.geometry)?)
    }

    /// The same plus `residual`, of the result's shape, in one pass.
    pub fn forward_onto(&self, residual: &Var, x: &Var) -> Result<Var> {
        let bias = self.bias.var();
        Ok(x.conv2d_with(&self.weight.var(), &Epilogue::residual(&bias, residual), &self.geometry)?)
    }

    /// The same plus `shift`, `[n, outputs]` or `[1, outputs]`, everywhere in the image. The bias joins the shift first, so
    /// that one pass adds both, and one reduction gives both gradients.
    pub fn forward_shifted(&self, x: &Var, shift: &Var) -> Result<Var> {
        let shift = shift.add(&self.bias.var())?;
        let shift = shift.reshape(&[shift.shape(), &[1, 1]].concat())?;
        Ok(x.conv2d(&self.weight.var(), None, &self.geometry)?.add(&shift)?)
    }
}

impl Module for Conv2d {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.param("weight", &self.weight);
        visitor.param("bias", &self.bias);
    }
}
