//! The exponential moving average of parameters.

use crate::error::Result;
use crate::param::Param;
use crate::state::{SavedState, State};
use autograd::Tensor;
use tensor::ops::optim::{Rate, ema};

/// Averages of parameters: `average = decay average + (1 - decay) parameter` after every step.
pub struct Ema {
    decay: f64,
    warm_up: bool,
    updates: u64,
    slots: Vec<Slot>,
}

struct Slot {
    name: String,
    param: Param,
    average: Param,
}

impl Ema {
    /// Averages that start at the present values.
    pub fn new(params: Vec<(String, Param)>, decay: f64) -> Result<Ema> {
        let slot = |(name, param): (String, Param)| {
            let average = Param::new(param.value().copy()?);
            Ok(Slot { name, param, average })
        };
        let slots = params.into_iter().map(slot).collect::<Result<_>>()?;
        Ok(Ema { decay, warm_up: false, updates: 0, slots })
    }

    /// The same, with a decay in update `k` (counted from 1) of at most `k / (9 + k)`, so that the first values are soon
    /// forgotten.
    pub fn warm_up(self) -> Ema {
        Ema { warm_up: true, ..self }
    }

    /// One update, from the present values.
    pub fn update(&mut self) -> Result<()> {
        let rate = self.rate();
        Ok(ema(Rate::Given(rate), &self.pairs())?)
    }

    /// [`Ema::update`] of a recording, at the rate `[1]`, f64, on the device, which [`Ema::rate`] gives for each update.
    pub fn record_update(&self, rate: &Tensor) -> Result<()> {
        Ok(ema(Rate::Table(rate), &self.pairs())?)
    }

    /// Counts an update, and answers 1 - decay.
    pub fn rate(&mut self) -> f64 {
        self.updates += 1;
        let k = self.updates as f64;
        1.0 - if self.warm_up { self.decay.min(k / (9.0 + k)) } else { self.decay }
    }

    /// Averages and parameters.
    fn pairs(&self) -> Vec<(Tensor, Tensor)> {
        self.slots.iter().map(|slot| (slot.average.value(), slot.param.value())).collect()
    }

    /// Exchanges averages and parameters: to evaluate the averages in the model, and a second time to go on training.
    pub fn swap(&mut self) -> Result<()> {
        for slot in &self.slots {
            let (value, average) = (slot.param.value(), slot.average.value());
            slot.param.set(average)?;
            slot.average.set(value)?;
        }
        Ok(())
    }

    /// Sets the parameters to copies of the averages.
    pub fn copy_to_parameters(&self) -> Result<()> {
        self.slots.iter().try_for_each(|slot| slot.param.set(slot.average.value().copy()?))
    }

    /// Adds the averages, `ema.` before the parameters' names, and the number of updates.
    pub fn add_to(&self, state: &mut State) {
        for slot in &self.slots {
            state.tensors.insert(format!("{PREFIX}{}", slot.name), slot.average.value());
        }
        state.metadata.insert(UPDATES.into(), self.updates.to_string());
    }

    /// Goes on from what [`Ema::add_to`] saved.
    pub fn restore(&mut self, state: &SavedState) -> Result<()> {
        let averages: Vec<(String, Param)> =
            self.slots.iter().map(|slot| (slot.name.clone(), slot.average.clone())).collect();
        let updates = state.number(UPDATES)?;
        state.restore(PREFIX, &averages)?;
        self.updates = updates;
        Ok(())
    }
}

const PREFIX: &str = "ema.";
const UPDATES: &str = "ema_updates";
