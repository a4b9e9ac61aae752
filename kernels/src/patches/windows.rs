//! Where the windows of a canvas lie.

use crate::{KernelError, Result};
use std::sync::Arc;

/// Windows of one size on a canvas, in a fixed order; they may overlap, and need not cover it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Patches {
    canvas: [usize; 2],
    size: [usize; 2],
    offsets: Arc<[[usize; 2]]>,
}

impl Patches {
    /// Windows of `size` (rows, columns) on a canvas, whose top left pixels are `offsets`. An error for a window that leaves
    /// the canvas, or has no pixels.
    pub fn new(canvas: [usize; 2], size: [usize; 2], offsets: &[[usize; 2]]) -> Result<Patches> {
        if size.contains(&0) {
            return Err(wrong(format!("windows of {size:?} have no pixels")));
        }
        let inside = |at: usize, axis: usize| at.checked_add(size[axis]).is_some_and(|end| end <= canvas[axis]);
        match offsets.iter().position(|&[row, column]| !inside(row, 0) || !inside(column, 1)) {
            None => Ok(Patches { canvas, size, offsets: offsets.into() }),
            Some(n) => {
                let at = offsets[n];
                Err(wrong(format!("window {n} of {size:?} pixels at {at:?} leaves the canvas of {canvas:?}")))
            }
        }
    }

    /// Windows `stride` apart, row by row, the last of each row and column moved back to end with the canvas: all of it is
    /// covered where strides are at most the size. An error where a stride is 0 or a window larger than the canvas.
    pub fn grid(canvas: [usize; 2], size: [usize; 2], stride: [usize; 2]) -> Result<Patches> {
        if stride.contains(&0) || size[0] > canvas[0] || size[1] > canvas[1] {
            return Err(wrong(format!("windows of {size:?}, {stride:?} apart, on a canvas of {canvas:?}")));
        }
        let along = |axis: usize| {
            let last = canvas[axis] - size[axis];
            (0..last).step_by(stride[axis]).chain([last])
        };
        let offsets: Vec<_> = along(0).flat_map(|row| along(1).map(move |column| [row, column])).collect();
        Patches::new(canvas, size, &offsets)
    }

    /// Rows and columns of the canvas.
    pub fn canvas(&self) -> [usize; 2] {
        self.canvas
    }

    /// Rows and columns of a window.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The top left pixel of each window.
    pub fn offsets(&self) -> &[[usize; 2]] {
        &self.offsets
    }

    /// What each pixel of each window counts in an average, `[windows, h, w]` row-major: its weight over the sum of the
    /// weights that meet in its pixel of the canvas. `weights`: `[h, w]`, of every window; without them a mean. An error
    /// that names a pixel which no window covers, or whose weights do not sum to a positive number.
    pub fn shares(&self, weights: Option<&[f64]>) -> Result<Vec<f64>> {
        let ([height, width], [h, w]) = (self.canvas, self.size);
        if let Some(weights) = weights.filter(|weights| weights.len() != h * w) {
            return Err(wrong(format!("{} weights for windows of {h} x {w} pixels", weights.len())));
        }
        let pixels = || {
            let pixel = move |at: usize| (at / (h * w), at / w % h, at % w);
            (0..self.offsets.len() * h * w).map(pixel).map(|(n, i, j)| {
                let place = (self.offsets[n][0] + i) * width + self.offsets[n][1] + j;
                (place, weights.map_or(1.0, |weights| weights[i * w + j]))
            })
        };
        let (mut totals, mut covered) = (vec![0.0; height * width], vec![false; height * width]);
        for (place, weight) in pixels() {
            totals[place] += weight;
            covered[place] = true;
        }
        let pixel = |place: usize| format!("pixel [{}, {}] of the canvas", place / width, place % width);
        if let Some(place) = covered.iter().position(|covered| !covered) {
            return Err(wrong(format!("{} is in none of the {} windows", pixel(place), self.offsets.len())));
        }
        if let Some(place) = totals.iter().position(|&total: &f64| !(total > 0.0 && total.is_finite())) {
            return Err(wrong(format!("the weights of {} sum to {}", pixel(place), totals[place])));
        }
        Ok(pixels().map(|(place, weight)| weight / totals[place]).collect())
    }
}

fn wrong(what: String) -> KernelError {
    KernelError::Parameter { op: super::OP, what }
}
