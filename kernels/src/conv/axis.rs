//! One axis of a sweep: which places it computes, which pixels each place sees, through which kernel taps.
//!
//! A convolution is one sweep. Its input gradient is one sweep for each residue of the input position by the stride:
//! the places of one residue all see the same taps, at consecutive output pixels. Either way places, pixels and taps
//! are arithmetic progressions.

use super::Conv;

/// Place `j` computes pixel `to_first + j to_step` from pixels `j from_step + offset + t offset_step`, each through
/// kernel tap `tap_first + t tap_step`, `t < taps`. Pixels outside the image count as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) places: usize,
    pub(super) to_first: usize,
    pub(super) to_step: usize,
    pub(super) from_step: usize,
    pub(super) offset: isize,
    pub(super) offset_step: usize,
    pub(super) taps: usize,
    pub(super) tap_first: usize,
    pub(super) tap_step: isize,
}

impl Axis {
    /// The convolution along `axis`, to `places` pixels through `taps` taps.
    pub(super) fn forward(p: &Conv, axis: usize, places: usize, taps: usize) -> Axis {
        Axis {
            places,
            to_first: 0,
            to_step: 1,
            from_step: p.stride[axis],
            offset: -(p.padding[axis][0] as isize),
            offset_step: p.dilation[axis],
            taps,
            tap_first: 0,
            tap_step: 1,
        }
    }

    /// The input gradient along `axis` for input pixels `residue`, `residue + stride`, ... below `size`.
    ///
    /// Input pixel `i` met output pixel `o` through tap `k` where `i + before = o stride + k dilation`.
    pub(super) fn input_gradient(p: &Conv, axis: usize, residue: usize, size: usize, taps: usize) -> Axis {
        let (stride, dilation, before) = (p.stride[axis], p.dilation[axis], p.padding[axis][0]);
        let shift = residue + before;
        // The taps that meet a pixel are `period` apart; from the last one down, so that output pixels ascend.
        let period = stride / gcd(stride, dilation);
        let fits = |k: usize| (k * dilation) % stride == shift % stride;
        let last = (taps.saturating_sub(period)..taps).rev().find(|&k| fits(k));
        Axis {
            places: size.saturating_sub(residue).div_ceil(stride),
            to_first: residue,
            to_step: stride,
            from_step: 1,
            offset: last.map_or(0, |k| (shift as isize - (k * dilation) as isize).div_euclid(stride as isize)),
            offset_step: period * dilation / stride,
            taps: last.map_or(0, |k| k / period + 1),
            tap_first: last.unwrap_or(0),
            tap_step: -(period as isize),
        }
    }

    /// Kernel tap `t`.
    pub(super) fn tap(&self, t: usize) -> usize {
        self.tap_first.wrapping_add_signed(t as isize * self.tap_step)
    }

    /// The first pixel that places `from..` see, and how many up to the last one that places up to `to` see.
    pub(super) fn seen(&self, from: usize, to: usize) -> (isize, usize) {
        if self.taps == 0 || from >= to {
            return (0, 0);
        }
        let first = (from * self.from_step) as isize + self.offset;
        (first, (to - 1 - from) * self.from_step + (self.taps - 1) * self.offset_step + 1)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every meeting (input pixel, tap, output pixel) of the definition, found again by the sweeps of the gradient.
    #[test]
    fn the_gradient_sweeps_meet_what_the_definition_meets() {
        for (stride, dilation, before, size, taps) in [
            (1, 1, 1, 7, 3),
            (2, 1, 1, 8, 3),
            (2, 1, 0, 7, 3),
            (3, 2, 4, 11, 4),
            (2, 2, 3, 9, 3),
            (4, 6, 5, 20, 5),
            (3, 1, 0, 9, 1),
        ] {
            let p = Conv { stride: [stride; 2], dilation: [dilation; 2], ..Conv::padded(before) };
            let outputs = (size + 2 * before - (taps - 1) * dilation - 1) / stride + 1;
            let mut want = Vec::new();
            for (o, k) in (0..outputs).flat_map(|o| (0..taps).map(move |k| (o, k))) {
                if let Some(i) = (o * stride + k * dilation).checked_sub(before).filter(|&i| i < size) {
                    want.push((i, k, o));
                }
            }
            let mut got = Vec::new();
            for residue in 0..stride {
                let axis = Axis::input_gradient(&p, 0, residue, size, taps);
                for (j, t) in (0..axis.places).flat_map(|j| (0..axis.taps).map(move |t| (j, t))) {
                    let o = (j * axis.from_step + t * axis.offset_step) as isize + axis.offset;
                    if (0..outputs as isize).contains(&o) {
                        got.push((axis.to_first + j * axis.to_step, axis.tap(t), o as usize));
                    }
                }
            }
            want.sort_unstable();
            got.sort_unstable();
            assert_eq!(got, want, "{p:?} of {size} pixels, {taps} taps");
        }
    }
}
