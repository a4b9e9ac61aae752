//! The value itself: making one, looking at it, seeing it through another layout.

use crate::error::{Error, Kind, Result};
use crate::storage::{Reading, Storage, Writing};
use crate::{Cost, DType, Device, Dims, Element, Layout};
use kernels::{View, ViewMut};
use std::sync::Arc;

/// Numbers of one type with a shape, on one device. Cloning shares the memory.
#[derive(Clone)]
pub struct Tensor {
    storage: Arc<Storage>,
    layout: Layout,
    dtype: DType,
}

impl Tensor {
    /// Memory of unspecified content in a dense `layout`; for ops that write all of it.
    #[track_caller]
    pub(crate) fn empty(op: &'static str, device: &Device, dtype: DType, layout: Layout) -> Result<Tensor> {
        Ok(Tensor { storage: Storage::new(op, device, layout.count() * dtype.size())?, layout, dtype })
    }

    /// Row-major, `value` everywhere (rounded to the dtype).
    #[track_caller]
    pub fn full(device: &Device, dtype: DType, shape: &[usize], value: f64) -> Result<Tensor> {
        Tensor::full_in("full", device, dtype, Layout::contiguous(dims("full", shape)?), value)
    }

    /// `value` everywhere, in a dense `layout`.
    pub(crate) fn full_in(
        op: &'static str,
        device: &Device,
        dtype: DType,
        layout: Layout,
        value: f64,
    ) -> Result<Tensor> {
        let tensor = Tensor::empty(op, device, dtype, layout)?;
        let cost = kernels::copy::fill_cost(&layout, dtype);
        tensor.fill_with(cost, |out| kernels::copy::fill(device.kernels(), value, out))?;
        Ok(tensor)
    }

    /// Row-major zeros.
    #[track_caller]
    pub fn zeros(device: &Device, dtype: DType, shape: &[usize]) -> Result<Tensor> {
        Tensor::full(device, dtype, shape, 0.0)
    }

    /// Row-major, from numbers in row-major order. An error when their count is not that of `shape`.
    #[track_caller]
    pub fn from_slice<T: Element>(device: &Device, shape: &[usize], data: &[T]) -> Result<Tensor> {
        let shape = dims("from_slice", shape)?;
        if shape.count() != data.len() {
            return Err(Error::shape("from_slice", format!("{} numbers do not fill shape {shape:?}", data.len())));
        }
        let tensor = Tensor::empty("from_slice", device, T::DTYPE, Layout::contiguous(shape))?;
        tensor.storage.write("from_slice")?.fill(bytemuck(data))?;
        Ok(tensor)
    }

    /// The numbers in row-major order. Waits for the device.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        if T::DTYPE != self.dtype {
            return Err(Kind::DType { op: "to_vec", got: self.dtype, want: T::DTYPE.name() }.into());
        }
        self.device().pool().count_sync();
        let dense = self.contiguous()?;
        let reading = dense.storage.read("to_vec")?;
        if self.device().is_cpu() {
            let view = reading.view(dense.dtype, dense.layout)?;
            return Ok(view.dense::<T>("to_vec")?.to_vec());
        }
        let (at, bytes) = (dense.layout.offset, reading.to_vec()?);
        let (size, mut numbers) = (dense.dtype.size(), vec![T::zeroed(); dense.count()]);
        ::bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(&bytes[at * size..(at + dense.count()) * size]);
        Ok(numbers)
    }

    /// Row-major, from the bytes of numbers of `dtype` in row-major order, as [`Tensor::to_bytes`] gives them. An error when
    /// they are not as many as `shape` takes.
    #[track_caller]
    pub fn from_bytes(device: &Device, dtype: DType, shape: &[usize], bytes: &[u8]) -> Result<Tensor> {
        let shape = dims("from_bytes", shape)?;
        if shape.count() * dtype.size() != bytes.len() {
            return Err(Error::shape("from_bytes", format!("{} bytes do not fill {dtype} {shape:?}", bytes.len())));
        }
        let tensor = Tensor::empty("from_bytes", device, dtype, Layout::contiguous(shape))?;
        tensor.storage.write("from_bytes")?.fill(bytes)?;
        Ok(tensor)
    }

    /// The bytes of the numbers in row-major order, as the machine has them. Waits for the device.
    #[track_caller]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.device().pool().count_sync();
        let (dense, size) = (self.contiguous()?, self.dtype.size());
        let (reading, start) = (dense.storage.read("to_bytes")?, dense.layout.offset * size);
        let range = start..start + dense.count() * size;
        match self.device().is_cpu() {
            true => Ok(reading.bytes("to_bytes")?[range].to_vec()),
            false => Ok(reading.to_vec()?[range].to_vec()),
        }
    }

    /// The numbers in row-major order, widened to f64 whatever their type. Waits for the device.
    #[track_caller]
    pub fn to_f64(&self) -> Result<Vec<f64>> {
        self.cast(DType::F64)?.to_vec()
    }

    /// The only number of a tensor of one element. Waits for the device.
    #[track_caller]
    pub fn item(&self) -> Result<f64> {
        match self.to_f64()?.as_slice() {
            [one] => Ok(*one),
            _ => Err(Error::shape("item", format!("shape {:?} does not hold one number", self.shape()))),
        }
    }

    /// Sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    /// Sizes as a value.
    pub fn dims(&self) -> Dims {
        self.layout.shape
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.layout.rank()
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.layout.count()
    }

    /// Shape, strides and offset.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The device.
    pub fn device(&self) -> &Device {
        self.storage.device()
    }

    /// The memory behind it.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// Whether nothing else refers to its memory, so that it may be written in place unseen.
    pub fn is_unique(&mut self) -> bool {
        Arc::strong_count(&self.storage) == 1 // recordings refer to it weakly
    }

    /// The same memory through another layout, which must lie inside it.
    pub(crate) fn with_layout(&self, layout: Layout) -> Tensor {
        Tensor { storage: self.storage.clone(), layout, dtype: self.dtype }
    }

    /// Holds it for reading.
    pub(crate) fn read(&self, op: &'static str) -> Result<Operand<'_>> {
        self.storage.take_part();
        Ok(Operand { guard: self.storage.read(op)?, layout: self.layout, dtype: self.dtype })
    }

    /// Holds a result for its first writing.
    pub(crate) fn write(&self, op: &'static str) -> Result<Target<'_>> {
        self.storage.take_part();
        Ok(Target { guard: self.storage.write(op)?, layout: self.layout, dtype: self.dtype })
    }

    /// Runs a kernel that writes all of it, at a cost that goes to the device's account.
    pub(crate) fn fill_with(&self, cost: Cost, kernel: impl FnOnce(ViewMut) -> kernels::Result) -> Result<()> {
        kernel(self.write("fill")?.view()?)?;
        self.device().count(cost);
        Ok(())
    }
}

/// A tensor held for reading.
pub(crate) struct Operand<'a> {
    guard: Reading<'a>,
    layout: Layout,
    dtype: DType,
}

impl Operand<'_> {
    pub(crate) fn view(&self) -> Result<View<'_>> {
        self.guard.view(self.dtype, self.layout)
    }
}

/// A tensor held for writing.
pub(crate) struct Target<'a> {
    guard: Writing<'a>,
    layout: Layout,
    dtype: DType,
}

impl Target<'_> {
    pub(crate) fn view(&mut self) -> Result<ViewMut<'_>> {
        self.guard.view(self.dtype, self.layout)
    }
}

/// `sizes` as [`Dims`]; an error beyond the largest rank.
#[track_caller]
pub(crate) fn dims(op: &'static str, sizes: &[usize]) -> Result<Dims> {
    Dims::new(sizes).ok_or_else(|| {
        Error::shape(
            op,
            format!("shape {sizes:?} has {} axes; at most {} are held", sizes.len(), kernels::layout::MAX_RANK),
        )
    })
}

fn bytemuck<T: Element>(data: &[T]) -> &[u8] {
    ::bytemuck::cast_slice(data)
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} {:?} on {:?}", self.dtype, self.shape(), self.device())?;
        if self.count() <= 16
            && let Ok(data) = self.to_f64()
        {
            write!(f, ": {data:?}")?;
        }
        f.write_str(")")
    }
}
