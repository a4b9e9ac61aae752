//! A kernel's operands: borrowed memory with a dtype and a layout.
//!
//! Invariant: a view's layout stays inside its buffer ([`View::new`] checks it), so kernels index without further checks
//! wherever they stay inside the shape.

use crate::cuda::DevicePtr;
use crate::{DType, Element, KernelError, Layout};
use std::marker::PhantomData;

/// Borrowed memory, of the host or of a device.
#[derive(Clone, Copy)]
pub enum Data<'a> {
    /// The processor's.
    Host(&'a [u8]),
    /// A GPU's: where it starts, its bytes, and who lends it.
    Device(DevicePtr, usize, PhantomData<&'a [u8]>),
}

/// Memory borrowed to be written.
pub enum DataMut<'a> {
    /// The processor's.
    Host(&'a mut [u8]),
    /// A GPU's: where it starts, its bytes, and who lends it.
    Device(DevicePtr, usize, PhantomData<&'a mut [u8]>),
}

/// An operand that is read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    data: Data<'a>,
    dtype: DType,
    layout: Layout,
}

/// An operand that is written. Never overlaps another operand.
pub struct ViewMut<'a> {
    data: DataMut<'a>,
    dtype: DType,
    layout: Layout,
}

impl<'a> Data<'a> {
    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Data::Host(bytes) => bytes.len(),
            Data::Device(_, bytes, _) => *bytes,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, when the processor may read them.
    pub fn host(&self, op: &'static str) -> Result<&'a [u8], KernelError> {
        match self {
            Data::Host(bytes) => Ok(bytes),
            Data::Device(..) => Err(elsewhere(op)),
        }
    }
}

impl<'a> DataMut<'a> {
    /// The bytes for as long as they were borrowed, when the processor may write them.
    pub fn into_host(self, op: &'static str) -> Result<&'a mut [u8], KernelError> {
        match self {
            DataMut::Host(bytes) => Ok(bytes),
            DataMut::Device(..) => Err(elsewhere(op)),
        }
    }

    /// The bytes, when the processor may write them.
    pub fn host(&mut self, op: &'static str) -> Result<&mut [u8], KernelError> {
        match self {
            DataMut::Host(bytes) => Ok(bytes),
            DataMut::Device(..) => Err(elsewhere(op)),
        }
    }
}

impl<'a> From<&'a [u8]> for Data<'a> {
    fn from(bytes: &'a [u8]) -> Data<'a> {
        Data::Host(bytes)
    }
}
impl<'a> From<&'a mut [u8]> for DataMut<'a> {
    fn from(bytes: &'a mut [u8]) -> DataMut<'a> {
        DataMut::Host(bytes)
    }
}

fn elsewhere(op: &'static str) -> KernelError {
    KernelError::Order { op, what: "a buffer", want: "in the processor's memory" }
}

fn check(bytes: usize, dtype: DType, layout: &Layout) -> Result<(), KernelError> {
    let (got, want) = (bytes / dtype.size(), layout.end());
    if got < want { Err(KernelError::Buffer { op: "view", got, want }) } else { Ok(()) }
}

impl<'a> View<'a> {
    /// A view of memory, which must be aligned for `dtype`. An error when `layout` reaches beyond it.
    pub fn new(data: impl Into<Data<'a>>, dtype: DType, layout: Layout) -> Result<Self, KernelError> {
        let data = data.into();
        check(data.len(), dtype, &layout)?;
        Ok(View { data, dtype, layout })
    }

    /// A row-major view of a slice; for tests and tools.
    pub fn of<T: Element>(data: &'a [T], layout: Layout) -> Result<Self, KernelError> {
        View::new(bytemuck::cast_slice::<T, u8>(data), T::DTYPE, layout)
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
        View::new(self.data, self.dtype, layout)
    }

    /// Where the layout's first element lies in a GPU's memory.
    pub(crate) fn pointer(&self, op: &'static str) -> Result<DevicePtr, KernelError> {
        match self.data {
            Data::Device(start, ..) => Ok(start.offset(self.layout.offset * self.dtype.size())),
            Data::Host(_) => Err(KernelError::Order { op, what: "a buffer", want: "in the GPU's memory" }),
        }
    }

    /// The whole buffer as elements; index it through the layout. An error when `T` is not its dtype.
    pub fn data<T: Element>(&self, op: &'static str) -> Result<&'a [T], KernelError> {
        typed::<T>(self.dtype, op)?;
        bytemuck::try_cast_slice(self.data.host(op)?).map_err(|_| KernelError::Order {
            op,
            what: "a buffer",
            want: "aligned",
        })
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
    /// A view of memory, which must be aligned for `dtype`. An error when `layout` reaches beyond it.
    pub fn new(data: impl Into<DataMut<'a>>, dtype: DType, layout: Layout) -> Result<Self, KernelError> {
        let data = data.into();
        let bytes = match &data {
            DataMut::Host(bytes) => bytes.len(),
            DataMut::Device(_, bytes, _) => *bytes,
        };
        check(bytes, dtype, &layout)?;
        Ok(ViewMut { data, dtype, layout })
    }

    /// A row-major view of a slice; for tests and tools.
    pub fn of<T: Element>(data: &'a mut [T], layout: Layout) -> Result<Self, KernelError> {
        ViewMut::new(bytemuck::cast_slice_mut::<T, u8>(data), T::DTYPE, layout)
    }

    /// Where the layout's first element lies in a GPU's memory.
    pub(crate) fn pointer(&self, op: &'static str) -> Result<DevicePtr, KernelError> {
        match self.data {
            DataMut::Device(start, ..) => Ok(start.offset(self.layout.offset * self.dtype.size())),
            DataMut::Host(_) => Err(KernelError::Order { op, what: "the result", want: "in the GPU's memory" }),
        }
    }

    /// The same view, for less long.
    pub(crate) fn again(&mut self) -> ViewMut<'_> {
        let data = match &mut self.data {
            DataMut::Host(bytes) => DataMut::Host(bytes),
            DataMut::Device(start, bytes, _) => DataMut::Device(*start, *bytes, PhantomData),
        };
        ViewMut { data, ..*self }
    }

    /// What a kernel that writes here in place reads.
    pub(crate) fn on_device(&self, op: &'static str) -> Result<View<'static>, KernelError> {
        match self.data {
            DataMut::Device(start, bytes, _) => {
                View::new(Data::Device(start, bytes, PhantomData), self.dtype, self.layout)
            }
            DataMut::Host(_) => Err(elsewhere(op)),
        }
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
        bytemuck::try_cast_slice_mut(self.data.host(op)?).map_err(|_| KernelError::Order {
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
