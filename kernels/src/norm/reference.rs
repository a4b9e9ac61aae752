//! Both norms by their definition, in one text: they differ only in the set of elements that share a mean.

use super::Sizes;
use super::affine::{Gradients, Typed};
use crate::Real;

/// Which elements share a mean and a variance.
#[derive(Clone, Copy)]
pub(crate) enum Sets {
    /// The channels of a group, at all positions of a sample.
    Groups(usize),
    /// The channels of a position.
    Positions,
}

/// A norm over storage `[samples, positions, channels]`.
#[derive(Clone, Copy)]
pub(crate) struct Norm {
    pub(crate) sizes: Sizes,
    pub(crate) sets: Sets,
    pub(crate) eps: f64,
    pub(crate) silu: bool,
}

/// Element `index` of the storage: its sample, its channel, and the set it is normalised in.
struct Place {
    index: usize,
    sample: usize,
    channel: usize,
    set: usize,
}

impl Norm {
    fn places(self) -> impl Iterator<Item = Place> {
        let Sizes { samples, positions, channels } = self.sizes;
        (0..samples * positions * channels).map(move |index| {
            let (position, channel) = (index / channels, index % channels);
            let sample = position / positions;
            let set = match self.sets {
                Sets::Groups(groups) => sample * groups + channel / (channels / groups),
                Sets::Positions => position,
            };
            Place { index, sample, channel, set }
        })
    }

    fn set_size<T: Real>(self) -> T {
        let Sizes { positions, channels, .. } = self.sizes;
        let count = match self.sets {
            Sets::Groups(groups) => positions * (channels / groups),
            Sets::Positions => channels,
        };
        // An empty set has mean 0 and variance 0.
        T::from_f64(count.max(1) as f64)
    }

    /// y, and the mean and rstd of every set.
    pub(crate) fn forward<T: Real>(self, x: &[T], affine: &Typed<T>, y: &mut [T], mean: &mut [T], rstd: &mut [T]) {
        mean.fill(T::default());
        rstd.fill(T::default());
        self.places().for_each(|at| mean[at.set] += x[at.index]);
        let count = self.set_size::<T>();
        mean.iter_mut().for_each(|mean| *mean = *mean / count);
        for at in self.places() {
            let deviation = x[at.index] - mean[at.set];
            rstd[at.set] += deviation * deviation;
        }
        rstd.iter_mut().for_each(|rstd| *rstd = T::from_f64(1.0) / (*rstd / count + T::from_f64(self.eps)).sqrt());
        for at in self.places() {
            let z = self.z(&at, x, affine, mean, rstd);
            y[at.index] = if self.silu { z * sigmoid(z) } else { z };
        }
    }

    /// dx, and the gradients that are wanted.
    pub(crate) fn backward<T: Real>(
        self,
        x: &[T],
        affine: &Typed<T>,
        (mean, rstd): (&[T], &[T]),
        g: &[T],
        dx: &mut [T],
        gradients: &mut Gradients<T>,
    ) {
        gradients.clear();
        let (mut sums, mut inner) = (vec![T::default(); mean.len()], vec![T::default(); mean.len()]);
        for at in self.places() {
            let Place { index, sample, channel, set } = at;
            let (z, xhat) = (self.z(&at, x, affine, mean, rstd), (x[index] - mean[set]) * rstd[set]);
            let dz = if self.silu { g[index] * silu_slope(z) } else { g[index] };
            gradients.add(self.sizes.channels, sample, channel, xhat, dz, affine);
            dx[index] = dz * affine.gain(sample, channel);
            sums[set] += dx[index];
            inner[set] += dx[index] * xhat;
        }
        let count = self.set_size::<T>();
        for Place { index, set, .. } in self.places() {
            let xhat = (x[index] - mean[set]) * rstd[set];
            dx[index] = rstd[set] * (dx[index] - sums[set] / count - xhat * (inner[set] / count));
        }
    }

    fn z<T: Real>(self, at: &Place, x: &[T], affine: &Typed<T>, mean: &[T], rstd: &[T]) -> T {
        let xhat = (x[at.index] - mean[at.set]) * rstd[at.set];
        xhat * affine.gain(at.sample, at.channel) + affine.offset(at.sample, at.channel)
    }
}

impl<T: Real> Gradients<'_, T> {
    /// Adds the share of one element with cotangent `dz`.
    fn add(&mut self, channels: usize, sample: usize, channel: usize, xhat: T, dz: T, affine: &Typed<T>) {
        let (row, widening) = (sample * channels + channel, affine.widening(sample, channel));
        if let Some(weight) = &mut self.weight {
            weight[channel] += dz * widening * xhat;
        }
        if let Some(bias) = &mut self.bias {
            bias[channel] += dz * widening;
        }
        if let Some(scale) = &mut self.scale {
            let weight = affine.weight.map_or(T::from_f64(1.0), |weight| weight[channel]);
            let bias = affine.bias.map_or(T::default(), |bias| bias[channel]);
            scale[row] += dz * (xhat * weight + bias);
        }
        if let Some(shift) = &mut self.shift {
            shift[row] += dz;
        }
    }
}

fn sigmoid<T: Real>(z: T) -> T {
    T::from_f64(1.0) / (T::from_f64(1.0) + (-z).exp())
}

fn silu_slope<T: Real>(z: T) -> T {
    let p = sigmoid(z);
    p * (T::from_f64(1.0) + z * (T::from_f64(1.0) - p))
}
