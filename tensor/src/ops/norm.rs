//! Group and layer normalisation, fused with an affine map, a scale and shift per sample, and SiLU:
//! `z = (xhat weight + bias) (1 + scale) + shift`, `y = silu(z)` or `z`.

use super::{common, scratch};
use crate::error::{Error, Result};
use crate::tensor::Operand;
use crate::{Dims, Layout, Tensor};
use kernels::norm;
pub use kernels::norm::{GroupNorm, LayerNorm};

/// What to normalise over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// The positions and the channels of a group: `[n, c, ..]`.
    Group(GroupNorm),
    /// The last axis: `[.., c]`; with a scale or shift `[n, .., c]`.
    Layer(LayerNorm),
}

/// The optional operands, in the order of their gradients: weight `[c]`, bias `[c]`, scale `[n, c]`, shift `[n, c]`.
pub type Affine<'a> = [Option<&'a Tensor>; 4];

/// A result with the statistics its backward needs.
pub struct Normed {
    /// Shape of x.
    pub y: Tensor,
    /// `[n, groups]`, or one for each row.
    pub mean: Tensor,
    /// As `mean`.
    pub rstd: Tensor,
}

impl Norm {
    /// The op's name.
    pub fn name(&self) -> &'static str {
        match self {
            Norm::Group(_) => "group_norm",
            Norm::Layer(_) => "layer_norm",
        }
    }

    /// The channels of `x`, when the operands fit.
    #[track_caller]
    fn check(&self, x: &Tensor, affine: &Affine) -> Result<Dims> {
        let op = self.name();
        let (channels, statistics) = match (self, x.shape()) {
            (Norm::Group(p), [n, c, ..]) if p.groups > 0 && c.is_multiple_of(p.groups) => (*c, vec![*n, p.groups]),
            (Norm::Group(p), shape) => {
                let what =
                    format!("{shape:?} in {} groups: [n, c, ..] wants c to be a multiple of the groups", p.groups);
                return Err(Error::shape(op, what));
            }
            (Norm::Layer(_), [rows @ .., c]) => (*c, rows.to_vec()),
            (Norm::Layer(_), []) => return Err(Error::shape(op, "a single number has no axis to normalise over")),
        };
        let samples = x.shape()[0];
        for (operand, want) in
            affine.iter().zip([vec![channels], vec![channels], vec![samples, channels], vec![samples, channels]])
        {
            if let Some(operand) = operand.filter(|operand| operand.shape() != want) {
                return Err(Error::shape(
                    op,
                    format!("{:?} with an operand {:?}, expected {want:?}", x.shape(), operand.shape()),
                ));
            }
        }
        crate::tensor::dims(op, &statistics)
    }

    /// `x` in the shape and storage order of the kernel: an image stored channels last, or rows.
    fn ordered(&self, x: &Tensor) -> Result<Tensor> {
        match (self, x.shape()) {
            (Norm::Group(_), [_, _, _, _]) => x.channels_last(),
            (Norm::Group(_), [n, c, ..]) => x.reshape(&[*n, *c, 1, x.count() / (n * c).max(1)])?.channels_last(),
            _ => x.contiguous(),
        }
    }
}

impl Tensor {
    /// Normalised.
    #[track_caller]
    pub fn norm(&self, p: &Norm, affine: Affine) -> Result<Normed> {
        let operands: Vec<&Tensor> = [self].into_iter().chain(affine.into_iter().flatten()).collect();
        let (device, dtype) = common(p.name(), &operands)?;
        let statistics = p.check(self, &affine)?;
        let x = p.ordered(self)?;
        let y = Tensor::empty(p.name(), &device, dtype, x.layout().like(x.dims()))?;
        let [mean, rstd] =
            [(); 2].map(|()| Tensor::empty(p.name(), &device, dtype.wide(), Layout::contiguous(statistics)));
        let (mean, rstd) = (mean?, rstd?);
        let owned = Owned::new(affine)?;
        let held = owned.read(p.name())?;
        let affine = held.views()?;
        let x = x.read(p.name())?;
        let (x, d) = (x.view()?, device.kernels());
        let (mut to, mut to_mean, mut to_rstd) = (y.write(p.name())?, mean.write(p.name())?, rstd.write(p.name())?);
        match p {
            Norm::Group(p) => norm::group_forward(d, p, x, &affine, to.view()?, to_mean.view()?, to_rstd.view()?)?,
            Norm::Layer(p) => norm::layer_forward(d, p, x, &affine, to.view()?, to_mean.view()?, to_rstd.view()?)?,
        }
        drop((to, to_mean, to_rstd));
        device.count(match p {
            Norm::Group(p) => norm::group_forward_cost(p, y.layout()),
            Norm::Layer(p) => norm::layer_forward_cost(p, y.layout()),
        });
        Ok(Normed { y: y.reshape(self.shape())?, mean, rstd })
    }

    /// Gradients by x (always), weight, bias, scale and shift (where `needs` says so), from what [`Tensor::norm`] answered.
    #[track_caller]
    pub fn norm_backward(
        &self,
        p: &Norm,
        affine: Affine,
        [mean, rstd]: [&Tensor; 2],
        cotangent: &Tensor,
        needs: [bool; 4],
    ) -> Result<[Option<Tensor>; 5]> {
        let op = p.name();
        let (device, dtype) = common(op, &[self, cotangent])?;
        p.check(self, &affine)?;
        let (x, g) = (p.ordered(self)?, p.ordered(cotangent)?);
        let dx = Tensor::empty(op, &device, dtype, x.layout().like(x.dims()))?;
        let channels = if let Norm::Group(_) = p { self.shape()[1] } else { self.shape()[self.rank() - 1] };
        let shapes: [&[usize]; 4] =
            [&[channels], &[channels], &[self.shape()[0], channels], &[self.shape()[0], channels]];
        let mut out: [Option<Tensor>; 4] = [const { None }; 4];
        for i in (0..4).filter(|&i| needs[i]) {
            out[i] = Some(Tensor::empty(op, &device, dtype, Layout::contiguous(crate::tensor::dims(op, shapes[i])?))?);
        }
        let d = device.kernels();
        let per_sample = affine[2].is_some() || affine[3].is_some() || needs[2] || needs[3];
        let bytes = match p {
            Norm::Group(p) => norm::group_backward_scratch(d, p, x.layout(), dtype),
            Norm::Layer(p) => norm::layer_backward_scratch(d, p, x.layout(), per_sample, dtype),
        };
        let space = scratch(op, &device, bytes)?;
        {
            let mut space = space.storage().write(op)?;
            let owned = Owned::new(affine)?;
            let held = owned.read(op)?;
            let affine = held.views()?;
            let (x, g, mean, rstd) = (x.read(op)?, g.read(op)?, mean.read(op)?, rstd.read(op)?);
            let (x, g, mean, rstd) = (x.view()?, g.view()?, mean.view()?, rstd.view()?);
            let mut targets = out.each_ref().map(|out| out.as_ref().map(|out| out.write(op)));
            let mut views = targets.iter_mut().map(|target| match target {
                None => Ok(None),
                Some(Ok(target)) => target.view().map(Some),
                Some(Err(_)) => Err(crate::Kind::Busy { op }.into()),
            });
            let mut next = || views.next().unwrap_or(Ok(None));
            let gradients = norm::AffineGradients { weight: next()?, bias: next()?, scale: next()?, shift: next()? };
            let mut to = dx.write(op)?;
            match p {
                Norm::Group(p) => {
                    norm::group_backward(d, p, x, &affine, mean, rstd, g, to.view()?, gradients, space.data())?
                }
                Norm::Layer(p) => {
                    norm::layer_backward(d, p, x, &affine, mean, rstd, g, to.view()?, gradients, space.data())?
                }
            }
        }
        device.count(match p {
            Norm::Group(p) => norm::group_backward_cost(p, dx.layout()),
            Norm::Layer(p) => norm::layer_backward_cost(p, dx.layout()),
        });
        let [weight, bias, scale, shift] = out;
        Ok([Some(dx.reshape(self.shape())?), weight, bias, scale, shift])
    }
}

/// The optional operands in the storage the kernels take: unit stride along the channels.
struct Owned([Option<Tensor>; 4]);

impl Owned {
    fn new(affine: Affine) -> Result<Owned> {
        let unit = |x: &Tensor| {
            let strided = x.layout().strides.last().is_some_and(|&stride| stride != 1);
            if strided { x.contiguous() } else { Ok(x.clone()) }
        };
        let [weight, bias, scale, shift] = affine.map(|operand| operand.map(unit).transpose());
        Ok(Owned([weight?, bias?, scale?, shift?]))
    }
    fn read(&self, op: &'static str) -> Result<Held<'_>> {
        let [a, b, c, d] =
            self.0.each_ref().map(|operand| operand.as_ref().map(|operand| operand.read(op)).transpose());
        Ok(Held([a?, b?, c?, d?]))
    }
}

/// The optional operands while a kernel reads them.
struct Held<'a>([Option<Operand<'a>>; 4]);

impl Held<'_> {
    fn views(&self) -> Result<norm::Affine<'_>> {
        let [weight, bias, scale, shift] = self.0.each_ref().map(|held| held.as_ref().map(Operand::view).transpose());
        Ok(norm::Affine { weight: weight?, bias: bias?, scale: scale?, shift: shift? })
    }
}
