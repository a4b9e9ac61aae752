//! An update on a GPU, recorded once and replayed with one call: loss, gradients, clipping, Adam and the average of the
//! weights, without a wait in between. What changes from step to step is copied to where the recorded kernels read it.

use super::Objective;
use autograd::{Grad, grad};
use nn::{Ema, Optimizer};
use tensor::{Graph, Tensor};

/// The update of a trainer for inputs of one shape.
pub(super) struct Recorded {
    inputs: Vec<Tensor>,
    /// Adam's, `[8]`, and the average's, `[1]`; f64.
    numbers: Tensor,
    rate: Tensor,
    graph: Option<(Graph, Told)>,
}

/// What an update leaves behind.
struct Told {
    loss: Tensor,
    norm: Tensor,
    squares: Tensor,
}

impl Recorded {
    /// Not recorded yet: the first update is a rehearsal.
    pub(super) fn new(inputs: &[Tensor]) -> anyhow::Result<Option<Recorded>> {
        let Some(device) = inputs.first().map(Tensor::device).filter(|device| device.records()) else {
            return Ok(None);
        };
        let zeros = |count: usize| Tensor::from_slice(device, &[count], &vec![0f64; count]);
        let inputs = inputs.iter().map(Tensor::copy).collect::<tensor::Result<Vec<_>>>()?;
        Ok(Some(Recorded { inputs, numbers: zeros(8)?, rate: zeros(1)?, graph: None }))
    }

    /// Whether `inputs` are of the shapes it was made for.
    pub(super) fn suits(&self, inputs: &[Tensor]) -> bool {
        let like = |(own, other): (&Tensor, &Tensor)| (own.shape(), own.dtype()) == (other.shape(), other.dtype());
        self.inputs.len() == inputs.len() && self.inputs.iter().zip(inputs).all(like)
    }

    /// One update; its loss, and the norm of the gradient before clipping. An error where that is not finite; nothing was
    /// updated then.
    pub(super) fn update(
        &mut self,
        objective: &dyn Objective,
        optimizer: &mut Optimizer,
        ema: &mut Ema,
        inputs: &[Tensor],
        lr: f64,
    ) -> anyhow::Result<(f64, f64)> {
        let device = self.numbers.device().clone();
        for (own, input) in self.inputs.iter_mut().zip(inputs) {
            own.overwrite(input)?;
        }
        self.numbers.overwrite(&Tensor::from_slice(&device, &[8], &optimizer.numbers(lr))?)?;
        self.rate.overwrite(&Tensor::from_slice(&device, &[1], &[ema.rate()])?)?;
        if let Some((graph, told)) = &mut self.graph {
            graph.replay()?;
            return told.read(optimizer);
        }
        let (told, ready) = device.rehearse(|| self.make(objective, optimizer, ema))?;
        let read = told.read(optimizer)?;
        if ready {
            self.graph = Some(device.record(|| self.make(objective, optimizer, ema))?);
        }
        Ok(read)
    }

    /// The update, from what the tensors of `self` hold when the work is done.
    fn make(&self, objective: &dyn Objective, optimizer: &Optimizer, ema: &Ema) -> anyhow::Result<Told> {
        let loss = objective.loss(&self.inputs)?;
        let vars = optimizer.vars();
        let gradients = grad(&loss, &vars.iter().collect::<Vec<_>>(), Grad::default())?.into_vars();
        let (norm, squares) = optimizer.record_step(&gradients, &self.numbers)?;
        ema.record_update(&self.rate)?;
        Ok(Told { loss: loss.value().clone(), norm, squares })
    }
}

impl Told {
    fn read(&self, optimizer: &Optimizer) -> anyhow::Result<(f64, f64)> {
        let (loss, norm) = (self.loss.item()?, self.norm.item()?);
        if !norm.is_finite() {
            optimizer.check(&self.squares.to_vec()?)?;
        }
        Ok((loss, norm))
    }
}
