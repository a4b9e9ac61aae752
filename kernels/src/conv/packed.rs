//! Weights in the order the kernels read them, packed once and used many times.

use super::images::Images;
use super::sweep::{Sweep, sweeps};
use super::{Conv, OP, check, transforms, winograd};
use crate::cpu::CpuContext;
use crate::cpu::team::Parts;
use crate::tile::panels;
use crate::{Device, Dims, Epilogue, KernelError, Layout, Result, Scratch, View, ViewMut, scratch};

/// What packed weights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// [`super::forward`]
    Forward,
    /// [`super::input_gradient`]
    InputGradient,
}

/// Weights made by [`pack`] on the same device for the same [`Conv`].
#[derive(Clone, Copy)]
pub struct Packed<'a> {
    /// What [`pack`] wrote.
    pub data: &'a [f32],
    /// The weight's shape `[o, c / groups, kh, kw]`.
    pub shape: [usize; 4],
}

/// Elements that [`pack`] writes for weights of layout `w`, rank 4.
pub fn packed_len(p: &Conv, role: Role, w: &Layout) -> usize {
    let &[o, own, kh, kw] = &*w.shape else { return 0 };
    let outputs = o / p.groups.max(1);
    let (depth, columns) = if role == Role::Forward { (own, outputs) } else { (outputs, own) };
    let rows = if winograd::suits(p, [o, own], [kh, kw]) { transforms::POINTS } else { kh * kw };
    p.groups * rows * panels::room(depth, columns)
}

/// Packs f32 weights `w [o, c / groups, kh, kw]` of any strides into exactly [`packed_len`] elements.
pub fn pack(d: &Device, p: &Conv, role: Role, w: View, packed: &mut [f32]) -> Result {
    let cpu = d.cpu()?;
    let l = *w.layout();
    // Any image of the right channels will do to check the parameters: the smallest that the kernel fits.
    p.output_shape(&smallest_input(p, &l), &l.shape)?;
    check_len(packed.len(), packed_len(p, role, &l))?;
    let data = w.data::<f32>(OP)?;
    if l.count() > 0 {
        pack_all(cpu, p, role, &data[l.offset..], &l, packed);
    }
    Ok(())
}

/// [`super::forward`] with packed weights; f32, the same bits.
pub fn forward_packed(
    d: &Device,
    p: &Conv,
    x: View,
    w: Packed,
    e: Epilogue,
    mut y: ViewMut,
    scratch: Scratch,
) -> Result {
    let cpu = d.cpu()?;
    let (xl, yl, wl) = (*x.layout(), *y.layout(), w.layout());
    check(p, &xl, &wl, e.bias.as_ref(), &yl)?;
    e.check(OP, &y)?;
    sweep(cpu, p, Role::Forward, x, w.data, &wl, e.bias, y.again(), scratch.into_host(OP)?)?;
    e.finish(d, OP, y)
}

/// [`super::input_gradient`] with packed weights; f32, the same bits.
pub fn input_gradient_packed(d: &Device, p: &Conv, g: View, w: Packed, dx: ViewMut, scratch: Scratch) -> Result {
    let cpu = d.cpu()?;
    let (gl, xl, wl) = (*g.layout(), *dx.layout(), w.layout());
    check(p, &xl, &wl, None, &gl)?;
    sweep(cpu, p, Role::InputGradient, g, w.data, &wl, None, dx, scratch.into_host(OP)?)
}

/// Bytes of scratch for [`forward_packed`] and [`input_gradient_packed`]; `x` is the layout of the input, `w` of the
/// weight.
pub fn packed_scratch(d: &Device, p: &Conv, role: Role, x: &Layout, w: &Layout) -> usize {
    let Device::Cpu(cpu) = d else { return 0 };
    let Ok(y) = p.output_shape(&x.shape, &w.shape) else { return 0 };
    scratch::bytes(copies(cpu, p, role, x, &Layout::channels_last(y), w))
}

/// f32 of scratch for the copies of bands.
pub(super) fn copies(cpu: &CpuContext, p: &Conv, role: Role, x: &Layout, y: &Layout, w: &Layout) -> usize {
    of_layouts(cpu, p, role, x, y, w).map(|sweep| sweep.copy_len()).max().unwrap_or(0) * cpu.team.threads()
}

/// Packs weights of layout `w` from their first element on.
pub(super) fn pack_all(cpu: &CpuContext, p: &Conv, role: Role, data: &[f32], w: &Layout, packed: &mut [f32]) {
    let (s, t) = (&w.shape, &w.strides);
    let channels = |channels| Images { count: 0, channels, height: 0, width: 0 };
    let (x, y) = (channels(s[1] * p.groups), channels(s[0]));
    let steps = if role == Role::Forward { [t[0], t[1], t[2], t[3]] } else { [t[1], t[0], t[2], t[3]] };
    let mut rest = packed;
    for sweep in sweeps(cpu, p, role, x, y, [s[2], s[3]]) {
        let (own, others) = rest.split_at_mut(sweep.packed());
        sweep.pack(cpu, data, steps, s[0] / p.groups * t[0], own);
        rest = others;
    }
}

/// Runs the sweeps of a role on checked operands.
pub(super) fn sweep(
    cpu: &CpuContext,
    p: &Conv,
    role: Role,
    from: View,
    packed: &[f32],
    w: &Layout,
    bias: Option<View>,
    mut to: ViewMut,
    scratch: &mut [u8],
) -> Result {
    let (x, y) = if role == Role::Forward { (from.layout(), to.layout()) } else { (to.layout(), from.layout()) };
    let (x, y) = (*x, *y);
    check_len(packed.len(), packed_len(p, role, w))?;
    let room = scratch::floats(scratch, copies(cpu, p, role, &x, &y, w), OP)?;
    let bias = bias.map(|bias| bias.dense::<f32>(OP)).transpose()?;
    let (from, to) = (from.dense::<f32>(OP)?, Parts::new(to.dense::<f32>(OP)?));
    let mut rest = packed;
    for sweep in of_layouts(cpu, p, role, &x, &y, w) {
        let (own, others) = rest.split_at(sweep.packed());
        sweep.run(cpu, from, own, bias, &to, room);
        rest = others;
    }
    Ok(())
}

fn of_layouts<'a>(
    cpu: &'a CpuContext,
    p: &'a Conv,
    role: Role,
    x: &Layout,
    y: &Layout,
    w: &Layout,
) -> impl Iterator<Item = Sweep> + 'a {
    sweeps(cpu, p, role, Images::of(x), Images::of(y), [w.shape[2], w.shape[3]])
}

fn smallest_input(p: &Conv, w: &Layout) -> [usize; 4] {
    let size =
        |axis: usize| w.shape.get(2 + axis).map_or(0, |&k| k.saturating_sub(1).saturating_mul(p.dilation[axis]) + 1);
    [0, w.shape.get(1).map_or(0, |c| c.saturating_mul(p.groups)), size(0), size(1)]
}

fn check_len(got: usize, want: usize) -> Result {
    if got == want { Ok(()) } else { Err(KernelError::Buffer { op: OP, got, want }) }
}

impl Packed<'_> {
    fn layout(&self) -> Layout {
        let mut shape = Dims::filled(4, 0);
        shape.copy_from_slice(&self.shape);
        Layout::contiguous(shape)
    }
}
