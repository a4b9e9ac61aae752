//! The states that a loop keeps for its backward pass: all, or as many as there are slots, at the places of
//! [`crate::schedule`], on a [`Shelf`]. The others are made again from those.

use crate::error::Result;
use crate::schedule;
use crate::store::{Shelf, Store};
use crate::var::Var;
use tensor::Tensor;

/// States along a loop, the first always among them.
pub(crate) struct Kept {
    slots: usize,
    /// The step before which each is the state, ascending.
    places: Vec<usize>,
    states: Shelf,
    /// The state at which the first pass had one step left, and a backward pass begins. It has no slot, as the state at hand
    /// never has.
    at_hand: Option<(usize, Vec<Tensor>)>,
}

impl Kept {
    /// Nothing yet, with room for `slots` states, at least one.
    pub(crate) fn new(slots: usize, store: &Store) -> Result<Kept> {
        Ok(Kept { slots: slots.max(1), places: vec![], states: Shelf::new(store)?, at_hand: None })
    }

    /// Keeps the state before step `k` if it is the next to be kept on the way to step `end`, the first that is not to be
    /// reversed any more.
    pub(crate) fn offer(&mut self, k: usize, end: usize, state: &[Var]) -> Result<()> {
        if self.due(end) == Some(k) {
            self.states.push(values(state))?;
            self.places.push(k);
        }
        Ok(())
    }

    /// Sets the state before step `k` aside for a backward pass that begins there.
    pub(crate) fn begin_at(&mut self, k: usize, state: &[Var]) {
        self.at_hand = Some((k, values(state)));
    }

    fn due(&self, end: usize) -> Option<usize> {
        let Some(at) = self.places.last() else { return Some(0) };
        let (free, left) = (self.slots - self.places.len(), end - at);
        (free > 0 && left > 1).then(|| at + schedule::next(left, free + 1))
    }

    /// The state before step `k`, from the last that is kept by way of `step`; states behind it are given up, and those on
    /// the way kept where there is room.
    pub(crate) fn state(
        &mut self,
        k: usize,
        mut step: impl FnMut(&[Var], usize) -> Result<Vec<Var>>,
    ) -> Result<Vec<Var>> {
        let count = self.places.partition_point(|at| *at <= k).max(1);
        self.places.truncate(count);
        self.states.truncate(count);
        let at_hand = self.at_hand.take().filter(|(at, _)| *at == k);
        let (mut at, state) = match (at_hand, self.places.last()) {
            (Some(at_hand), _) => at_hand,
            (None, Some(&at)) => (at, self.states.top()?.unwrap_or_default()),
            (None, None) => (k, vec![]),
        };
        let mut state: Vec<Var> = state.into_iter().map(Var::constant).collect();
        while at < k {
            state = step(&state, at)?.iter().map(Var::detach).collect();
            at += 1;
            self.offer(at, k + 1, &state)?;
        }
        Ok(state)
    }
}

fn values(state: &[Var]) -> Vec<Tensor> {
    state.iter().map(|x| x.value().clone()).collect()
}
