//! The states that a loop keeps for its backward pass: all, or as many as there are slots, at the places of
//! [`crate::schedule`]. The others are made again from those.

use crate::error::Result;
use crate::schedule;
use crate::var::Var;
use tensor::Tensor;

/// States along a loop, the first always among them.
pub(crate) struct Kept {
    slots: usize,
    /// The step before which each is the state, ascending.
    states: Vec<(usize, Vec<Tensor>)>,
    /// The state at which the first pass had one step left, and a backward pass begins. It has no slot, as the state at hand
    /// never has.
    at_hand: Option<(usize, Vec<Tensor>)>,
}

impl Kept {
    /// Nothing yet, with room for `slots` states, at least one.
    pub(crate) fn new(slots: usize) -> Kept {
        Kept { slots: slots.max(1), states: vec![], at_hand: None }
    }

    /// Keeps the state before step `k` if it is the next to be kept on the way to step `end`, the first that is not to be
    /// reversed any more.
    pub(crate) fn offer(&mut self, k: usize, end: usize, state: &[Var]) {
        if self.due(end) == Some(k) {
            self.states.push(at(k, state));
        }
    }

    /// Sets the state before step `k` aside for a backward pass that begins there.
    pub(crate) fn begin_at(&mut self, k: usize, state: &[Var]) {
        self.at_hand = Some(at(k, state));
    }

    fn due(&self, end: usize) -> Option<usize> {
        let Some((at, _)) = self.states.last() else { return Some(0) };
        let (free, left) = (self.slots - self.states.len(), end - at);
        (free > 0 && left > 1).then(|| at + schedule::next(left, free + 1))
    }

    /// The state before step `k`, from the last that is kept by way of `step`; states behind it are given up, and those on
    /// the way kept where there is room.
    pub(crate) fn state(
        &mut self,
        k: usize,
        mut step: impl FnMut(&[Var], usize) -> Result<Vec<Var>>,
    ) -> Result<Vec<Var>> {
        self.states.truncate(self.states.partition_point(|(at, _)| *at <= k).max(1));
        let at_hand = self.at_hand.take().filter(|(at, _)| *at == k);
        let (mut at, mut state) = match at_hand.as_ref().or(self.states.last()) {
            Some((at, state)) => (*at, state.iter().cloned().map(Var::constant).collect::<Vec<_>>()),
            None => (k, vec![]),
        };
        while at < k {
            state = step(&state, at)?.iter().map(Var::detach).collect();
            at += 1;
            self.offer(at, k + 1, &state);
        }
        Ok(state)
    }
}

fn at(k: usize, state: &[Var]) -> (usize, Vec<Tensor>) {
    (k, state.iter().map(|x| x.value().clone()).collect())
}
