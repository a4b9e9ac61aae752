//! Numbers of mean 0 and covariance 1, exactly: expectations of quadratics without sampling error.

use crate::control::cmad::Draws;
use crate::error::Result;
use crate::noise::{Place, Purpose};
use autograd::Tensor;

/// The points +-sqrt(d) e_j of the d numbers that all agents draw in a run of `steps` updates.
#[derive(Clone, Copy)]
pub(super) struct Cubature {
    pub(super) agents: usize,
    pub(super) pixels: usize,
    pub(super) steps: usize,
}

impl Cubature {
    fn dimension(&self) -> usize {
        self.agents * self.pixels * (self.steps + 1)
    }

    /// The batch that is all points.
    pub(super) fn points(&self) -> usize {
        2 * self.dimension()
    }
}

impl Draws for Cubature {
    fn normal(&self, agent: usize, purpose: Purpose, step: usize, place: &Place, first: u64) -> Result<Tensor> {
        let time = if purpose == Purpose::Initial { 0 } else { step + 1 };
        let column = (time * self.agents + agent) * self.pixels;
        let (d, mut data) = (self.dimension(), vec![0.0; place.shape.iter().product()]);
        for (row, pixels) in data.chunks_mut(self.pixels).enumerate() {
            let point = first as usize + row;
            let size = (d as f64).sqrt() * if point < d { 1.0 } else { -1.0 };
            if let Some(pixel) = (point % d).checked_sub(column).and_then(|at| pixels.get_mut(at)) {
                *pixel = size;
            }
        }
        Ok(Tensor::from_slice(place.device, place.shape, &data)?.cast(place.dtype)?)
    }
}
