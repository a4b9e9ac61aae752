//! Continuity across the seams between agents' regions (paper 000, appendix D):
//!
//!   l(Y) = sum over seams of  beta |Y_p - Y_q|_rho + gamma |grad Y_p - grad Y_q|_rho,   rho(x) = sqrt(x^2 + eps^2)
//!
//! p and q are the two pixels either side of a seam, grad the one-sided difference on the pixel's own side of it. Each seam
//! line is averaged over its length, as the authors' code does, and seams are summed. Horizontal stripes have seams between
//! rows only; regions of any shape have them between columns too, and both are looked at.

use super::Cost;
use crate::error::{Error, Result};
use autograd::ops::pointwise::Function;
use autograd::{Tensor, Var};

/// Where the seams of an image are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeamMap {
    size: [usize; 2],
    /// Whether pixels `(row, column)` and `(row + 1, column)` have different owners, row-major, one row less.
    below: Vec<bool>,
    /// Whether pixels `(row, column)` and `(row, column + 1)` have, row-major, one column less.
    right: Vec<bool>,
}

impl SeamMap {
    /// The seams between the owners of the pixels of an image, row-major.
    pub fn between(owners: &[usize], size: [usize; 2]) -> Result<SeamMap> {
        let [height, width] = size;
        if owners.len() != height * width || owners.is_empty() {
            return Err(Error::argument(format!("{} owners for the pixels of {height} x {width}", owners.len())));
        }
        let below = owners.iter().zip(&owners[width..]).map(|(a, b)| a != b).collect();
        let right = owners.chunks(width).flat_map(|row| row.windows(2).map(|pair| pair[0] != pair[1])).collect();
        Ok(SeamMap { size, below, right })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        !self.below.iter().chain(&self.right).any(|seam| *seam)
    }
}

/// The seam cost; see the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Seam {
    /// Weight of jumps in value.
    pub beta: f64,
    /// Weight of jumps in gradient.
    pub gamma: f64,
    /// The Charbonnier constant, above 0.
    pub eps: f64,
    /// Where the seams are.
    pub map: SeamMap,
}

impl Cost for Seam {
    fn name(&self) -> &str {
        "seam"
    }
    fn per_sample(&self, clean: &Var) -> Result<Var> {
        let [height, width] = self.map.size;
        let &[n, _, h, w] = clean.shape() else { return Err(self.misfit(clean)) };
        if [h, w] != self.map.size {
            return Err(self.misfit(clean));
        }
        let none = Var::constant(Tensor::zeros(clean.device(), clean.dtype(), &[n])?);
        let down = self.across(clean, 2, &self.map.below, [height - 1, width])?;
        let right = self.across(clean, 3, &self.map.right, [height, width - 1])?;
        down.into_iter().chain(right).try_fold(none, |sum, term| Ok(sum.add(&term)?))
    }
}

impl Seam {
    /// The terms of the seams met along image axis `axis` (2: down, 3: to the right), `seams` of shape `[h, w]` between its
    /// steps: `[n]` each.
    fn across(&self, image: &Var, axis: usize, seams: &[bool], [h, w]: [usize; 2]) -> Result<Vec<Var>> {
        if !seams.iter().any(|seam| *seam) {
            return Ok(vec![]);
        }
        let (steps, line) = if axis == 2 { (h, w) } else { (w, h) };
        let weights: Vec<f64> = seams.iter().map(|&seam| if seam { 1.0 / line as f64 } else { 0.0 }).collect();
        let weights = Tensor::from_slice(image.device(), &[h, w], &weights)?.cast(image.dtype())?;
        let pixels = |start: usize, count: usize| image.narrow(axis, start, count);
        let jump = pixels(1, steps)?.sub(&pixels(0, steps)?)?;
        let mut terms = vec![self.penalty(self.beta, &jump, weights.clone())?];
        if self.gamma != 0.0 && steps > 2 {
            // (Y_{q+1} - Y_q) - (Y_p - Y_{p-1}), where there are two pixels on either side.
            let [before, p, q, after] = [0, 1, 2, 3].map(|start| pixels(start, steps - 2));
            let bend = Var::combine(&[(1.0, &after?), (-1.0, &q?), (-1.0, &p?), (1.0, &before?)])?;
            terms.push(self.penalty(self.gamma, &bend, weights.narrow(axis - 2, 1, steps - 2)?)?);
        }
        Ok(terms)
    }

    /// `scale` rho(jump), weighted pixel by pixel and summed.
    fn penalty(&self, scale: f64, jump: &Var, weights: Tensor) -> Result<Var> {
        let rho = jump.map(Function::Charbonnier { eps: self.eps })?;
        Ok(rho.mul(&Var::constant(weights))?.sum_per_sample()?.scale(scale)?)
    }

    fn misfit(&self, clean: &Var) -> Error {
        let [height, width] = self.map.size;
        let got = clean.shape();
        Error::argument(format!("the seams are those of images [n, c, {height}, {width}], and were given {got:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{constant, numbers};

    const SIZE: [usize; 2] = [6, 4];

    fn seam(boundary: usize) -> Seam {
        let owners: Vec<usize> = (0..24).map(|pixel| usize::from(pixel / 4 >= boundary)).collect();
        Seam { beta: 0.7, gamma: 0.3, eps: 1e-3, map: SeamMap::between(&owners, SIZE).unwrap() }
    }

    fn images(count: usize) -> Vec<f64> {
        (0..24 * count).map(|i| (i as f64 * 0.9).sin()).collect()
    }

    /// The definition, pixel by pixel.
    fn plain(image: &[f64], seam: &Seam, boundary: usize) -> f64 {
        let at = |row: usize, column: usize| image[4 * row + column];
        let rho = |x: f64| (x * x + seam.eps * seam.eps).sqrt();
        let term = |x: usize| {
            let (p, q) = (boundary - 1, boundary);
            let value = seam.beta * rho(at(q, x) - at(p, x));
            let gradient = (at(q + 1, x) - at(q, x)) - (at(p, x) - at(p - 1, x));
            (value + seam.gamma * rho(gradient)) / 4.0
        };
        (0..4).map(term).sum()
    }

    #[test]
    fn stripes_have_the_cost_of_the_definition() {
        let (seam, data) = (seam(2), images(2));
        let got = numbers(&seam.per_sample(&constant(&[2, 1, 6, 4], &data)).unwrap());
        for (image, got) in data.chunks(24).zip(got) {
            assert!((got - plain(image, &seam, 2)).abs() < 1e-12);
        }
    }

    #[test]
    fn a_vertical_boundary_costs_what_the_turned_image_does() {
        let image = constant(&[1, 1, 6, 4], &images(1));
        let owners: Vec<usize> = (0..24).map(|pixel| usize::from(pixel % 6 >= 3)).collect();
        let upright = Seam { map: SeamMap::between(&owners, [4, 6]).unwrap(), ..seam(3) };
        let (a, b) = (seam(3).per_sample(&image), upright.per_sample(&image.transpose(0, 1).unwrap()));
        assert!((numbers(&a.unwrap())[0] - numbers(&b.unwrap())[0]).abs() < 1e-12);
    }

    #[test]
    fn a_seam_at_the_edge_has_no_gradient_term_and_no_seam_costs_nothing() {
        let flat = constant(&[1, 1, 6, 4], &[0.5; 24]);
        let cost = |seam: Seam| numbers(&seam.per_sample(&flat).unwrap())[0];
        assert!((cost(seam(1)) - 0.7e-3).abs() < 1e-12);
        assert!((cost(seam(2)) - 1e-3).abs() < 1e-12);
        assert_eq!(cost(seam(6)), 0.0);
    }

    #[test]
    fn images_of_another_size_are_refused() {
        let error = seam(2).per_sample(&constant(&[1, 1, 4, 6], &images(1))).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("[n, c, 6, 4]"), "{error}");
    }
}
