//! Weights in the order the kernels read them, packed once and used many times.

use super::{Conv, forward, input_gradient};
use crate::{Device, Dims, KernelError, Layout, Result, View, ViewMut};

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

/// Elements that [`pack`] writes for weights of layout `w` (rank 4).
pub fn packed_len(_p: &Conv, _role: Role, w: &Layout) -> usize {
    w.count()
}

/// Packs f32 weights `w [o, c / groups, kh, kw]` of any strides into exactly [`packed_len`] elements.
pub fn pack(_d: &Device, p: &Conv, role: Role, w: View, packed: &mut [f32]) -> Result {
    let (got, want) = (packed.len(), packed_len(p, role, w.layout()));
    if got != want {
        return Err(KernelError::Buffer { op: "conv", got, want });
    }
    let (data, l) = (w.data::<f32>("conv")?, w.layout());
    let dense = Layout::contiguous(l.shape);
    let nest = crate::nest::Nest::new([&dense, l]);
    for index in 0..nest.count() {
        let [to, from] = nest.element(index);
        packed[to] = data[from];
    }
    Ok(())
}

/// [`super::forward`] with packed weights; f32.
pub fn forward_packed(
    d: &Device,
    p: &Conv,
    x: View,
    w: Packed,
    bias: Option<View>,
    y: ViewMut,
    scratch: &mut [u8],
) -> Result {
    forward(d, p, x, w.view()?, bias, y, scratch)
}

/// [`super::input_gradient`] with packed weights; f32.
pub fn input_gradient_packed(d: &Device, p: &Conv, g: View, w: Packed, dx: ViewMut, scratch: &mut [u8]) -> Result {
    input_gradient(d, p, g, w.view()?, dx, scratch)
}

impl<'a> Packed<'a> {
    fn view(self) -> Result<View<'a>> {
        View::of(self.data, Layout::contiguous(Dims::new(&self.shape).unwrap_or(Dims::filled(4, 0))))
    }
}
