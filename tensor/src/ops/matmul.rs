//! Matrix products: general, and with a weight that is packed once.

use super::epilogue::Epilogue;
use super::{common, scratch};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::{DType, Layout, Tensor};
use kernels::matmul;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

impl Tensor {
    /// `[.., m, k] x [.., k, n] = [.., m, n]`; batch axes broadcast. Row-major whatever the strides of the operands.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let (device, dtype) = common("matmul", &[self, other])?;
        let shape = matmul::output_shape(self.layout(), other.layout()).ok_or_else(|| {
            let (a, b) = (self.shape(), other.shape());
            Error::shape(
                "matmul",
                format!("{a:?} x {b:?}: [.., m, k] x [.., k, n] wants equal k, and batch axes that broadcast"),
            )
        })?;
        if self.count() == 0 || other.count() == 0 {
            return Tensor::full_in("matmul", &device, dtype, Layout::contiguous(shape), 0.0);
        }
        let out = Tensor::empty("matmul", &device, dtype, Layout::contiguous(shape))?;
        let space = scratch(
            "matmul",
            &device,
            matmul::forward_scratch(device.kernels(), self.layout(), other.layout(), dtype),
        )?;
        let mut space = space.storage().write("matmul")?;
        let (a, b) = (self.read("matmul")?, other.read("matmul")?);
        let (a, b) = (a.view()?, b.view()?);
        let cost = matmul::forward_cost(self.layout(), other.layout());
        out.fill_with(cost, |c| matmul::forward(device.kernels(), a, b, Default::default(), c, space.data()))?;
        Ok(out)
    }

    /// `x [.., in]` with `weight [out, in]` and `bias [out]`: `x weight' + bias`, `[.., out]`. The packed weight is kept.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        self.linear_with(weight, &Epilogue::bias(bias))
    }

    /// The same, and what else the epilogue does.
    #[track_caller]
    pub fn linear_with(&self, weight: &Tensor, epilogue: &Epilogue) -> Result<Tensor> {
        let bias = epilogue.bias;
        let operands: Vec<&Tensor> = [self, weight].into_iter().chain(epilogue.operands()).collect();
        let (device, dtype) = common("linear", &operands)?;
        let fits = match weight.shape() {
            &[out, inner] => self.shape().last() == Some(&inner) && bias.is_none_or(|bias| bias.shape() == [out]),
            _ => false,
        };
        if !fits {
            let what = format!(
                "{:?} with weight {:?} and bias {:?}: [.., in] wants [out, in] and [out]",
                self.shape(),
                weight.shape(),
                bias.map(|bias| bias.shape())
            );
            return Err(Error::shape("linear", what));
        }
        let (inner, outer) = (weight.shape()[1], weight.shape()[0]);
        let mut shape = self.dims();
        let last = shape.len() - 1;
        shape[last] = outer;
        let rows = self.reshape(&[self.count() / inner.max(1), inner])?.contiguous()?;
        let out = Tensor::empty("linear", &device, dtype, Layout::contiguous(shape))?;
        let flat = out.reshape(&[rows.shape()[0], outer])?;
        let stored = epilogue.stored_for("linear", out.layout())?;
        let held_epilogue = stored.read("linear")?;
        let epilogue = held_epilogue.view(flat.layout())?;
        let turned = weight.transpose(0, 1)?;
        let cost = matmul::forward_cost(rows.layout(), turned.layout());
        let a = rows.read("linear")?;
        let a = a.view()?;
        if dtype == DType::F32 && device.is_cpu() {
            let packed = packed(weight)?;
            let held = packed.read("linear")?;
            let packed = bytemuck::cast_slice(held.bytes("linear")?);
            flat.fill_with(cost, |c| matmul::forward_packed(device.kernels(), a, packed, outer, epilogue, c))?;
        } else {
            let b = turned.read("linear")?;
            let b = b.view()?;
            flat.fill_with(cost, |c| matmul::forward(device.kernels(), a, b, epilogue, c, (&mut [][..]).into()))?;
        }
        Ok(out)
    }
}

fn packed(weight: &Tensor) -> Result<Arc<Storage>> {
    let mut key = DefaultHasher::new();
    ("linear", &weight.layout().shape, &weight.layout().strides, weight.layout().offset).hash(&mut key);
    weight.storage().derived(key.finish(), || {
        let device = weight.device();
        let turned = weight.transpose(0, 1)?;
        let storage = Storage::new(
            "linear",
            device,
            matmul::packed_len(turned.shape()[0], turned.shape()[1]) * DType::F32.size(),
        )?;
        let from = turned.read("linear")?;
        let mut to = storage.write("linear")?;
        let packed = bytemuck::cast_slice_mut(to.data().into_host("linear")?);
        matmul::pack(device.kernels(), from.view()?, packed)?;
        drop(to);
        Ok(storage)
    })
}
