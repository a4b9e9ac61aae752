//! Convolution from a ring of stages: which problems suit, the weights in the order the kernels want, and the launches.

use super::{Geometry as Sizes, OP, Shares};
use crate::conv::Role;
use crate::conv::geometry::Conv;
use crate::copy;
use crate::cuda::nest::{Divisor, divisor};
use crate::cuda::tensor_tile::{fits, is_aligned, takes, tensor_names, tiles};
use crate::cuda::{CudaContext, DevicePtr, Source};
use crate::epilogue::DeviceEpilogue;
use crate::view::DataMut;
use crate::{DType, Dims, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};

pub(crate) static V2: Source = Source { name: "conv_v2.cu", text: include_str!("v2.cu") };

/// Whether the operands suit: numbers that the kernels take, every 16 bytes of an image that the depth runs along, or
/// the rows, within one tap and at a boundary of 16. Nothing of this depends on the batch. `channels` are those of one
/// group that must.
pub(super) fn suits(dtype: DType, channels: &[usize], operands: &[DevicePtr]) -> bool {
    takes(dtype)
        && channels.iter().all(|&count| count > 0 && fits(dtype, count))
        && operands.iter().all(|&operand| is_aligned(operand))
}

/// Bytes of scratch for the weight of a forward product or an input gradient, as the kernels want it.
pub(super) fn weight_scratch(p: &Conv, role: Role, w: &Layout, dtype: DType) -> usize {
    let channels = match role {
        Role::Forward => w.shape[1],
        Role::InputGradient => w.shape[0] / p.groups.max(1),
    };
    if suits(dtype, &[channels], &[]) { w.count() * dtype.size() } else { 0 }
}

/// The weight with the depth along its rows, copied into `space` unless it lies so.
pub(super) fn weight(cuda: &CudaContext, p: &Conv, role: Role, w: View, space: &Scratch) -> Result<DevicePtr> {
    let (own, wanted) = orders(p, role, w.layout())
        .ok_or_else(|| KernelError::Shape { op: OP, what: format!("{:?} in {} groups", w.layout().shape, p.groups) })?;
    let is_so = |axis: usize| own.shape[axis] == 1 || own.strides[axis] == wanted.strides[axis];
    let start = w.pointer(OP)?;
    if (0..own.rank()).all(is_so) && is_aligned(start) {
        return Ok(start);
    }
    let bytes = w.layout().count() * w.dtype().size();
    let room = scratch::device(space, bytes, OP)?;
    let to = ViewMut::new(DataMut::Device(room, bytes, std::marker::PhantomData), w.dtype(), wanted)?;
    copy::cuda::copy(cuda, w.with_layout(own)?, to)?;
    Ok(room)
}

/// The axes `[group, o, c, kh, kw]` of a weight as it lies, and as the kernels want it.
fn orders(p: &Conv, role: Role, w: &Layout) -> Option<(Layout, Layout)> {
    let (&[o, c, kh, kw], &[so, sc, sh, sw]) = (&*w.shape, &*w.strides) else { return None };
    let of_group = o / p.groups;
    let shape = Dims::new(&[p.groups, of_group, c, kh, kw])?;
    let strides = Dims::new(&[of_group * so, so, sc, sh, sw])?;
    let order = match role {
        Role::Forward => [0, 1, 3, 4, 2],
        Role::InputGradient => [0, 2, 3, 4, 1],
    };
    Some((Layout { shape, strides, offset: w.offset }, Layout::in_order(shape, &order)))
}

pub(super) fn forward(
    cuda: &CudaContext,
    p: &Conv,
    g: &Sizes,
    [x, w]: [View; 2],
    e: DeviceEpilogue,
    y: ViewMut,
    space: &Scratch,
) -> Result {
    let (w, dtype) = (weight(cuda, p, Role::Forward, w, space)?, y.dtype());
    let size = [(g.n * g.ho * g.wo) as usize, g.o as usize];
    let (name, grid) = tiles(cuda, tensor_names!("conv_v2"), dtype, size, p.groups);
    let (x, y) = (x.pointer(OP)?, y.pointer(OP)?);
    let aligned = u32::from(fits(dtype, g.o as usize) && [y, e.bias, e.residual].into_iter().all(is_aligned));
    cuda.launch(&V2, name, grid, &[&x, &w, &e, &y, &aligned, &Geometry::of(g)])
}

pub(super) fn input_gradient(
    cuda: &CudaContext,
    p: &Conv,
    g: &Sizes,
    [dy, w]: [View; 2],
    dx: ViewMut,
    space: &Scratch,
) -> Result {
    let (w, dtype) = (weight(cuda, p, Role::InputGradient, w, space)?, dx.dtype());
    let size = [(g.n * g.h * g.w) as usize, g.c as usize];
    let (name, grid) = tiles(cuda, tensor_names!("conv_input_gradient_v2"), dtype, size, p.groups);
    let (dy, dx) = (dy.pointer(OP)?, dx.pointer(OP)?);
    let aligned = u32::from(fits(dtype, g.c as usize) && is_aligned(dx));
    cuda.launch(&V2, name, grid, &[&dy, &w, &dx, &aligned, &Geometry::of(g)])
}

/// The sums of each share of the output pixels, into `partial`.
pub(super) fn weight_gradient(
    cuda: &CudaContext,
    g: &Sizes,
    dtype: DType,
    [x, dy, partial]: [DevicePtr; 3],
    shares: Shares,
) -> Result {
    let size = [g.o as usize, (g.c * g.kh * g.kw) as usize];
    let names = tensor_names!("conv_weight_gradient_v2");
    let (name, grid) = tiles(cuda, names, dtype, size, g.groups as usize * shares.count);
    cuda.launch(&V2, name, grid, &[&x, &dy, &partial, &(shares.pixels as u32), &Geometry::of(g)])
}

/// `Geometry` of `convolution.cuh`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    n: u32,
    groups: u32,
    kh: u32,
    before: [u32; 2],
    dilation: [u32; 2],
    c: Divisor,
    h: Divisor,
    w: Divisor,
    o: Divisor,
    ho: Divisor,
    wo: Divisor,
    kw: Divisor,
    stride: [Divisor; 2],
}

// SAFETY: u32 throughout, so no padding.
unsafe impl bytemuck::Zeroable for Geometry {}
// SAFETY: as above.
unsafe impl bytemuck::Pod for Geometry {}

impl Geometry {
    pub(super) fn of(g: &Sizes) -> Geometry {
        let [c, h, w, o, ho, wo, kw] = [g.c, g.h, g.w, g.o, g.ho, g.wo, g.kw].map(divisor);
        let (&Sizes { n, groups, kh, before, dilation, .. }, stride) = (g, g.stride.map(divisor));
        Geometry { n, groups, kh, before, dilation, c, h, w, o, ho, wo, kw, stride }
    }
}
