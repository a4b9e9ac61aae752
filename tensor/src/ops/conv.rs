//! Two-dimensional convolution and its two gradients; images `[N, C, H, W]`, stored channels last.
//!
//! Packed weights are kept with the weight's storage until that is written in place.

use super::epilogue::Epilogue;
use super::{common, scratch};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::{DType, Layout, Tensor};
pub use kernels::conv::Conv;
use kernels::conv::{self, Packed, Role};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

impl Tensor {
    /// `x [n, c, h, w]` with `weight [o, c / groups, kh, kw]` and `bias [o]`: `[n, o, ho, wo]`.
    #[track_caller]
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, p: &Conv) -> Result<Tensor> {
        self.conv2d_with(weight, &Epilogue::bias(bias), p)
    }

    /// The same, and what else the epilogue does.
    #[track_caller]
    pub fn conv2d_with(&self, weight: &Tensor, epilogue: &Epilogue, p: &Conv) -> Result<Tensor> {
        let operands: Vec<&Tensor> = [self, weight].into_iter().chain(epilogue.operands()).collect();
        let (device, dtype) = common("conv2d", &operands)?;
        let shape = p.output_shape(self.shape(), weight.shape())?;
        let x = self.channels_last()?;
        let y = Tensor::empty("conv2d", &device, dtype, Layout::channels_last(shape))?;
        let (d, cost) = (device.kernels(), conv::cost(p, x.layout(), weight.layout()));
        let space = scratch("conv2d", &device, room(d, p, Role::Forward, x.layout(), weight.layout(), dtype))?;
        let mut space = space.storage().write("conv2d")?;
        let stored = epilogue.stored_for("conv2d", y.layout())?;
        let held_epilogue = stored.read("conv2d")?;
        let epilogue = held_epilogue.view(y.layout())?;
        let x = x.read("conv2d")?;
        let x = x.view()?;
        if dtype == DType::F32 && device.is_cpu() {
            let packed = packed(weight, p, Role::Forward)?;
            let held = packed.read("conv2d")?;
            let w = Packed { data: bytemuck::cast_slice(held.bytes("conv2d")?), shape: four(weight)? };
            y.fill_with(cost, |y| conv::forward_packed(d, p, x, w, epilogue, y, space.data()))?;
        } else {
            let w = weight.read("conv2d")?;
            let w = w.view()?;
            y.fill_with(cost, |y| conv::forward(d, p, x, w, epilogue, y, space.data()))?;
        }
        Ok(y)
    }

    /// The gradient by the input of shape `x`, from this cotangent `[n, o, ho, wo]`.
    #[track_caller]
    pub fn conv2d_input_gradient(&self, weight: &Tensor, p: &Conv, x: &[usize]) -> Result<Tensor> {
        let (device, dtype) = common("conv2d", &[self, weight])?;
        let shape = crate::tensor::dims("conv2d", x)?;
        let dx = Tensor::empty("conv2d", &device, dtype, Layout::channels_last(shape))?;
        let g = self.channels_last()?;
        let (d, cost) = (device.kernels(), conv::cost(p, dx.layout(), weight.layout()));
        let space = scratch("conv2d", &device, room(d, p, Role::InputGradient, dx.layout(), weight.layout(), dtype))?;
        let mut space = space.storage().write("conv2d")?;
        let g = g.read("conv2d")?;
        let g = g.view()?;
        if dtype == DType::F32 && device.is_cpu() {
            let packed = packed(weight, p, Role::InputGradient)?;
            let held = packed.read("conv2d")?;
            let w = Packed { data: bytemuck::cast_slice(held.bytes("conv2d")?), shape: four(weight)? };
            dx.fill_with(cost, |dx| conv::input_gradient_packed(d, p, g, w, dx, space.data()))?;
        } else {
            let w = weight.read("conv2d")?;
            let w = w.view()?;
            dx.fill_with(cost, |dx| conv::input_gradient(d, p, g, w, dx, space.data()))?;
        }
        Ok(dx)
    }

    /// The gradient by the weight of shape `w`, summed over the batch, from the input and a cotangent.
    #[track_caller]
    pub fn conv2d_weight_gradient(&self, cotangent: &Tensor, p: &Conv, w: &[usize]) -> Result<Tensor> {
        let (device, dtype) = common("conv2d", &[self, cotangent])?;
        let dw = Tensor::empty("conv2d", &device, dtype, Layout::contiguous(crate::tensor::dims("conv2d", w)?))?;
        let (x, g) = (self.channels_last()?, cotangent.channels_last()?);
        let (d, cost) = (device.kernels(), conv::cost(p, x.layout(), dw.layout()));
        let space = scratch("conv2d", &device, conv::weight_gradient_scratch(d, p, x.layout(), dw.layout(), dtype))?;
        let mut space = space.storage().write("conv2d")?;
        let (x, g) = (x.read("conv2d")?, g.read("conv2d")?);
        let (x, g) = (x.view()?, g.view()?);
        dw.fill_with(cost, |dw| conv::weight_gradient(d, p, x, g, dw, space.data()))?;
        Ok(dw)
    }
}

/// Bytes of scratch: beside packed weights, where those are used.
fn room(d: &kernels::Device, p: &Conv, role: Role, x: &Layout, w: &Layout, dtype: DType) -> usize {
    match (d, role) {
        (kernels::Device::Cpu(_), _) if dtype == DType::F32 => conv::packed_scratch(d, p, role, x, w),
        (_, Role::Forward) => conv::forward_scratch(d, p, x, w, dtype),
        (_, Role::InputGradient) => conv::input_gradient_scratch(d, p, x, w, dtype),
    }
}

fn four(weight: &Tensor) -> Result<[usize; 4]> {
    weight
        .shape()
        .try_into()
        .map_err(|_| Error::shape("conv2d", format!("the weight {:?} must have 4 axes", weight.shape())))
}

/// The packed form of a weight, made once for each content of its storage.
fn packed(weight: &Tensor, p: &Conv, role: Role) -> Result<Arc<Storage>> {
    let mut key = DefaultHasher::new();
    ("conv", p, role, &weight.layout().shape, &weight.layout().strides, weight.layout().offset).hash(&mut key);
    weight.storage().derived(key.finish(), || {
        let device = weight.device();
        let storage = Storage::new("conv2d", device, conv::packed_len(p, role, weight.layout()) * DType::F32.size())?;
        let from = weight.read("conv2d")?;
        let mut to = storage.write("conv2d")?;
        let packed = bytemuck::cast_slice_mut(to.data().into_host("conv2d")?);
        conv::pack(device.kernels(), p, role, from.view()?, packed)?;
        drop(to);
        Ok(storage)
    })
}
