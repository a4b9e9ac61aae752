//! What follows the normalisation: `z = (xhat weight + bias) (1 + scale) + shift`, every part optional.

use super::Sizes;
use crate::cpu::Simd;
use crate::rows::shaped;
use crate::{Element, KernelError, Real, Result, View, ViewMut};

/// The optional operands of a norm, of the dtype of x.
#[derive(Clone, Copy, Default)]
pub struct Affine<'a> {
    /// `[c]`, contiguous; 1 when absent.
    pub weight: Option<View<'a>>,
    /// `[c]`, contiguous; 0 when absent.
    pub bias: Option<View<'a>>,
    /// `[n, c]` with unit stride along c (half of a `[n, 2c]` will do); 0 when absent.
    pub scale: Option<View<'a>>,
    /// `[n, c]`, as `scale`.
    pub shift: Option<View<'a>>,
}

/// Where the gradients of [`Affine`]'s operands go; those absent are not computed. Each is wanted or not whether or not
/// its operand was there.
#[derive(Default)]
pub struct AffineGradients<'a> {
    /// `[c]`, contiguous.
    pub weight: Option<ViewMut<'a>>,
    /// `[c]`, contiguous.
    pub bias: Option<ViewMut<'a>>,
    /// `[n, c]`, row-major.
    pub scale: Option<ViewMut<'a>>,
    /// `[n, c]`, row-major.
    pub shift: Option<ViewMut<'a>>,
}

/// Rows of channels, one a sample.
#[derive(Clone, Copy)]
pub(crate) struct PerSample<'a, T> {
    data: &'a [T],
    stride: usize,
    channels: usize,
}

impl<'a, T> PerSample<'a, T> {
    #[inline(always)]
    pub(crate) fn row(&self, sample: usize) -> &'a [T] {
        &self.data[sample * self.stride..][..self.channels]
    }
}

/// [`Affine`] with its shapes checked and its type known.
#[derive(Clone, Copy)]
pub(crate) struct Typed<'a, T> {
    pub(crate) weight: Option<&'a [T]>,
    pub(crate) bias: Option<&'a [T]>,
    pub(crate) scale: Option<PerSample<'a, T>>,
    pub(crate) shift: Option<PerSample<'a, T>>,
}

impl<'a> Affine<'a> {
    pub(crate) fn typed<T: Element>(&self, op: &'static str, sizes: Sizes) -> Result<Typed<'a, T>> {
        let channel = |what, view: Option<View<'a>>| -> Result<Option<&'a [T]>> {
            let Some(view) = view else { return Ok(None) };
            shaped(op, what, view.layout(), &[sizes.channels])?;
            view.dense(op).map(Some)
        };
        let sample = |what, view: Option<View<'a>>| -> Result<Option<PerSample<'a, T>>> {
            let Some(view) = view else { return Ok(None) };
            let layout = view.layout();
            shaped(op, what, layout, &[sizes.samples, sizes.channels])?;
            if layout.strides[1] != 1 && sizes.channels > 1 {
                return Err(KernelError::Order { op, what, want: "contiguous along the channels" });
            }
            let data = if layout.count() == 0 { &[] } else { &view.data::<T>(op)?[layout.offset..] };
            Ok(Some(PerSample { data, stride: layout.strides[0], channels: sizes.channels }))
        };
        Ok(Typed {
            weight: channel("weight", self.weight)?,
            bias: channel("bias", self.bias)?,
            scale: sample("scale", self.scale)?,
            shift: sample("shift", self.shift)?,
        })
    }
}

impl<T: Real> Typed<'_, T> {
    /// `weight (1 + scale)`
    pub(crate) fn gain(&self, sample: usize, channel: usize) -> T {
        self.weight.map_or(T::from_f64(1.0), |weight| weight[channel]) * self.widening(sample, channel)
    }

    /// `bias (1 + scale) + shift`
    pub(crate) fn offset(&self, sample: usize, channel: usize) -> T {
        let shift = self.shift.map_or(T::default(), |shift| shift.row(sample)[channel]);
        self.bias.map_or(T::default(), |bias| bias[channel]) * self.widening(sample, channel) + shift
    }

    /// `1 + scale`
    pub(crate) fn widening(&self, sample: usize, channel: usize) -> T {
        T::from_f64(1.0) + self.scale.map_or(T::default(), |scale| scale.row(sample)[channel])
    }
}

// The same on the vector of channels from `at` on. Lanes beyond the last channel hold no meaning. No closures around
// vectors: only what is inlined for certain has the path's instructions.
impl Typed<'_, f32> {
    /// `(gain, offset)`
    #[inline(always)]
    pub(crate) fn vectors<S: Simd>(&self, s: S, sample: usize, at: usize) -> (S::V, S::V) {
        let widening = self.widenings(s, sample, at);
        let gain = match self.weight {
            Some(weight) => s.mul(s.get(&weight[at..]), widening),
            None => widening,
        };
        let shift = match self.shift {
            Some(shift) => s.get(&shift.row(sample)[at..]),
            None => s.zero(),
        };
        match self.bias {
            Some(bias) => (gain, s.fma(s.get(&bias[at..]), widening, shift)),
            None => (gain, shift),
        }
    }

    /// `1 + scale`
    #[inline(always)]
    pub(crate) fn widenings<S: Simd>(&self, s: S, sample: usize, at: usize) -> S::V {
        match self.scale {
            Some(scale) => s.add(s.splat(1.0), s.get(&scale.row(sample)[at..])),
            None => s.splat(1.0),
        }
    }
}

/// [`AffineGradients`] with shapes checked and the type known; those absent are not wanted.
pub(crate) struct Gradients<'a, T> {
    pub(crate) weight: Option<&'a mut [T]>,
    pub(crate) bias: Option<&'a mut [T]>,
    pub(crate) scale: Option<&'a mut [T]>,
    pub(crate) shift: Option<&'a mut [T]>,
}

impl AffineGradients<'_> {
    pub(crate) fn typed<T: Element>(&mut self, op: &'static str, sizes: Sizes) -> Result<Gradients<'_, T>> {
        let (channel, sample) = ([sizes.channels], [sizes.samples, sizes.channels]);
        Ok(Gradients {
            weight: written(op, "dweight", self.weight.as_mut(), &channel)?,
            bias: written(op, "dbias", self.bias.as_mut(), &channel)?,
            scale: written(op, "dscale", self.scale.as_mut(), &sample)?,
            shift: written(op, "dshift", self.shift.as_mut(), &sample)?,
        })
    }
}

fn written<'a, T: Element>(
    op: &'static str,
    what: &'static str,
    view: Option<&'a mut ViewMut<'_>>,
    shape: &[usize],
) -> Result<Option<&'a mut [T]>> {
    let Some(view) = view else { return Ok(None) };
    shaped(op, what, view.layout(), shape)?;
    if !view.layout().is_contiguous() {
        return Err(KernelError::Order { op, what, want: "row-major" });
    }
    view.dense(op).map(Some)
}

impl<T: Real> Gradients<'_, T> {
    pub(crate) fn any(&self) -> bool {
        self.weight.is_some() || self.bias.is_some() || self.scale.is_some() || self.shift.is_some()
    }

    /// All zero.
    pub(crate) fn clear(&mut self) {
        for gradient in [&mut self.weight, &mut self.bias, &mut self.scale, &mut self.shift].into_iter().flatten() {
            gradient.fill(T::default());
        }
    }
}
