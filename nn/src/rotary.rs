//! Tables of angles for rotary position embedding.

use crate::error::Result;
use tensor::{DType, Device, Tensor};

/// The table `[2, s, width / 2]` for tokens at `positions`, one coordinate an axis: with `b = width / axes`, pair `j` of an
/// axis's block turns by `position base^(-2 j / b)` (Su et al. 2021, equation 15; `base` is usually 10000). Positions need
/// not be whole: those of a window of an image are the image's. An error unless twice the axes divide the width.
pub fn rotary_table<const AXES: usize>(
    device: &Device,
    positions: &[[f64; AXES]],
    width: usize,
    base: f64,
) -> Result<Tensor> {
    if AXES == 0 || !width.is_multiple_of(2 * AXES) {
        let what = format!(
            "a rotary table for {AXES} coordinates wants a width that is a multiple of {}, not {width}",
            2 * AXES
        );
        return Err(crate::Error::argument(what));
    }
    let block = width / AXES;
    let angle =
        |position: &[f64; AXES], axis: usize, j: usize| position[axis] * base.powf(-2.0 * j as f64 / block as f64);
    let angles = positions
        .iter()
        .flat_map(|position| (0..AXES).flat_map(move |axis| (0..block / 2).map(move |j| angle(position, axis, j))));
    let angles: Vec<f64> = angles.collect();
    let table: Vec<f64> = angles.iter().map(|a| a.cos()).chain(angles.iter().map(|a| a.sin())).collect();
    Ok(Tensor::from_slice(device, &[2, positions.len(), width / 2], &table)?.cast(DType::F32)?)
}

/// Row and column of every pixel of a grid, row by row, from `corner` on, in units of `pixel`.
pub fn grid_positions([height, width]: [usize; 2], corner: [f64; 2], pixel: f64) -> Vec<[f64; 2]> {
    let place = |i: usize| [corner[0] + (i / width) as f64 * pixel, corner[1] + (i % width) as f64 * pixel];
    (0..height * width).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use autograd::Var;
    use autograd::ops::rope::Rope;

    /// `<turned q, turned k>` at two positions.
    fn score(q: [f64; 2], k: [f64; 2]) -> f64 {
        let device = Device::cpu(1);
        let p = Rope { axes: 2, interleaved: false };
        let turned = |seed: f64, at: [f64; 2]| {
            let numbers: Vec<f64> = (0..16).map(|i| (seed * i as f64 + 1.0).sin()).collect();
            let x = Var::constant(Tensor::from_slice(&device, &[1, 16], &numbers).unwrap());
            x.rope(&rotary_table(&device, &[at], 16, 10000.0).unwrap(), &p).unwrap().value().to_f64().unwrap()
        };
        turned(0.3, q).iter().zip(turned(0.7, k)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn products_depend_on_differences_of_positions_alone() {
        let near = score([3.0, 5.0], [1.0, 9.0]);
        assert!((near - score([13.0, 4.5], [11.0, 8.5])).abs() < 1e-5);
        assert!((near - score([3.0, 5.0], [1.0, 8.0])).abs() > 1e-3);
    }

    #[test]
    fn the_same_pixel_in_two_windows_has_one_position() {
        let (left, right) = (grid_positions([4, 4], [0.0, 0.0], 0.5), grid_positions([4, 4], [0.0, 1.0], 0.5));
        assert_eq!(left[2], right[0]);
        assert_eq!(left[4 + 3], right[4 + 1]);
    }

    #[test]
    fn widths_that_do_not_fall_into_pairs_are_refused() {
        let said = rotary_table(&Device::cpu(1), &[[0.0, 0.0]], 6, 10000.0).unwrap_err().to_string();
        assert!(said.contains("multiple of 4, not 6"), "{said}");
    }
}
