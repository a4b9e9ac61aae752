//! A vector of channels at every position of a storage `[positions, channels]`.

use crate::cpu::Simd;

/// `lanes` consecutive channels from `channel` on.
#[derive(Clone, Copy)]
pub(super) struct Column {
    pub(super) channel: usize,
    pub(super) lanes: usize,
    /// Index of the first position's element.
    pub(super) start: usize,
    /// From one position to the next.
    pub(super) step: usize,
    pub(super) positions: usize,
}

impl Column {
    /// The columns of a storage of `channels`.
    #[inline(always)]
    pub(super) fn all<S: Simd>(_: S, positions: usize, channels: usize) -> impl Iterator<Item = Column> + use<S> {
        (0..channels).step_by(S::LANES).map(move |channel| {
            let lanes = S::LANES.min(channels - channel);
            Column { channel, lanes, start: channel, step: channels, positions }
        })
    }

    /// # Safety
    /// `data` has the elements of the column.
    #[inline(always)]
    pub(super) unsafe fn read<S: Simd>(&self, s: S, data: *const f32, position: usize) -> S::V {
        // SAFETY: `lanes` elements from the position's first on belong to the column.
        unsafe {
            let from = data.add(self.start + position * self.step);
            if self.lanes == S::LANES { s.load(from) } else { s.load_partial(from, self.lanes) }
        }
    }

    /// # Safety
    /// `data` has the elements of the column, and nobody else reads or writes them now.
    #[inline(always)]
    pub(super) unsafe fn write<S: Simd>(&self, s: S, data: *mut f32, position: usize, v: S::V) {
        // SAFETY: as for `read`.
        unsafe {
            let to = data.add(self.start + position * self.step);
            if self.lanes == S::LANES { s.store(to, v) } else { s.store_partial(to, v, self.lanes) }
        }
    }
}
