//! A kernel's operands: borrowed bytes with a dtype and a layout.
//!
//! Invariant: a view's layout stays inside its buffer ([`View::new`] checks it), so kernels index without further checks
//! wherever they stay inside the shape.

use crate::{DType, Element, KernelError, Layout};

/// An operand that is read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    bytes: &'a [u8],
    dtype: DType,
    layout: Layout,
}

/// An operand that is written. Never overlaps another operand.
pub struct ViewMut<'a> {
    bytes: &'a mut [u8],
    dtype: DType,
    layout: Layout,
}

fn check(bytes: usize, dtype: DType, layout: &Layout) -> Result<(), KernelError> {
    let (got, want) = (bytes / dtype.size(), layout.end());
    if got < want { Err(KernelError::Buffer { op: "view", got, want }) } else { Ok(()) }
}

impl<'a> View<'a> {
    /// A view of `bytes`, which must be aligned for `dtype`. An error when `layout` reaches beyond them.
    pub fn new(bytes: &'a [u8], dtype: DType, layout: Layout) -> Result<Self, KernelError> {
        check(bytes.len(), dtype, &layout)?;
        Ok(View { bytes, dtype, layout })
    }

    /// A row-major view of a slice; for tests and tools.
    pub fn of<T: Element>(data: &'a [T], layout: Layout) -> Result<Self, KernelError> {
        View::new(bytemuck::cast_slice(data), T::DTYPE, layout)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Shape, strides and offset.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The same buffer seen through another layout.
    pub fn with_layout(&self, layout: Layout) -> Result<View<'a>, KernelError> {
        View::new(self.bytes, self.dtype, layout)
    }

    /// The whole buffer as elements; index it through the layout. An error when `T` is not its dtype.
    pub fn data<T: Element>(&self, op: &'static str) -> Result<&'a [T], KernelError> {
        typed::<T>(self.dtype, op)?;
        bytemuck::try_cast_slice(self.bytes).map_err(|_| KernelError::Order { op, what: "a buffer", want: "aligned" })
    }

    /// The elements from the layout's offset on, when they are dense: `count` of them in storage order.
    pub fn dense<T: Element>(&self, op: &'static str) -> Result<&'a [T], KernelError> {
        if !self.layout.is_dense() {
            return Err(KernelError::Order { op, what: "an operand", want: "dense" });
        }
        let at = self.layout.offset;
        let data = self.data(op)?;
        Ok(if self.layout.count() == 0 { &[] } else { &data[at..at + self.layout.count()] })
    }
}

impl<'a> ViewMut<'a> {
    /// A view of `bytes`, which must be aligned for `dtype`. An error when `layout` reaches beyond them.
    pub fn new(bytes: &'a mut [u8], dtype: DType, layout: Layout) -> Result<Self, KernelError> {
        check(bytes.len(), dtype, &layout)?;
        Ok(ViewMut { bytes, dtype, layout })
    }

    /// A row-major view of a slice; for tests and tools.
    pub fn of<T: Element>(data: &'a mut [T], layout: Layout) -> Result<Self, KernelError> {
        ViewMut::new(bytemuck::cast_slice_mut(data), T::DTYPE, layout)
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Shape, strides and offset.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The whole buffer as elements; index it through the layout. An error when `T` is not its dtype.
    pub fn data<T: Element>(&mut self, op: &'static str) -> Result<&mut [T], KernelError> {
        typed::<T>(self.dtype, op)?;
        bytemuck::try_cast_slice_mut(self.bytes).map_err(|_| KernelError::Order {
            op,
            what: "a buffer",
            want: "aligned",
        })
    }

    /// The elements from the layout's offset on, when they are dense: `count` of them in storage order.
    pub fn dense<T: Element>(&mut self, op: &'static str) -> Result<&mut [T], KernelError> {
        if !self.layout.is_dense() {
            return Err(KernelError::Order { op, what: "the result", want: "dense" });
        }
        let (at, count) = (self.layout.offset, self.layout.count());
        let data = self.data(op)?;
        Ok(if count == 0 { &mut [] } else { &mut data[at..at + count] })
    }
}

fn typed<T: Element>(dtype: DType, op: &'static str) -> Result<(), KernelError> {
    if T::DTYPE == dtype { Ok(()) } else { Err(KernelError::DType { op, got: dtype, want: T::DTYPE.name() }) }
}
