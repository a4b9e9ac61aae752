//! The Frechet distance between two sets of vectors, each seen as a Gaussian (Dowson and Landau 1982; Heusel et al. 2017):
//!
//!   d^2 = |m_1 - m_2|^2 + tr C_1 + tr C_2 - 2 tr (C_1^1/2 C_2 C_1^1/2)^1/2
//!
//! It is biased upwards for small sets, by an amount that their size and the data decide: a figure says something only
//! beside that of two sets of real data of the same sizes.

use super::eigen::{Eigen, eigen};
use crate::error::{Error, Result};

/// Mean and covariance of a set of vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    mean: Vec<f64>,
    /// Row-major, of divisor n - 1.
    covariance: Vec<f64>,
}

impl Moments {
    /// Of the rows of `vectors` `[n, d]`, n at least 2.
    pub fn of(vectors: &[f32], d: usize) -> Result<Moments> {
        let n = vectors.len() / d.max(1);
        if n < 2 || vectors.len() != n * d || vectors.iter().any(|x| !x.is_finite()) {
            let what = format!("{} numbers are no two or more finite vectors of {d}", vectors.len());
            return Err(Error::argument(what));
        }
        let mut mean = vec![0.0; d];
        vectors.chunks_exact(d).for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += f64::from(*x)));
        mean.iter_mut().for_each(|mean| *mean /= n as f64);
        let mut covariance = vec![0.0; d * d];
        let mut centred = vec![0.0; d];
        for row in vectors.chunks_exact(d) {
            (0..d).for_each(|i| centred[i] = f64::from(row[i]) - mean[i]);
            for i in 0..d {
                let line = &mut covariance[i * d..(i + 1) * d];
                line.iter_mut().zip(&centred).for_each(|(sum, x)| *sum += centred[i] * x);
            }
        }
        covariance.iter_mut().for_each(|sum| *sum /= (n - 1) as f64);
        Ok(Moments { mean, covariance })
    }

    /// From the mean `[d]` and the covariance `[d, d]`, row-major, of divisor n - 1.
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Moments> {
        if covariance.len() != mean.len() * mean.len() || mean.is_empty() {
            let what = format!("{} numbers are no covariance of {} means", covariance.len(), mean.len());
            return Err(Error::argument(what));
        }
        Ok(Moments { mean, covariance })
    }

    /// The mean, `[d]`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance, `[d, d]`.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// The squared distance, 0 or above.
    pub fn frechet(&self, other: &Moments) -> Result<f64> {
        let d = self.mean.len();
        if other.mean.len() != d {
            return Err(Error::argument(format!(
                "vectors of {d} numbers have no distance to vectors of {}",
                other.mean.len()
            )));
        }
        let between: f64 = self.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2)).sum();
        let trace = |moments: &Moments| (0..d).map(|i| moments.covariance[i * d + i]).sum::<f64>();
        let root = square_root(&self.covariance, d)?;
        let inner = product(&product(&root, &other.covariance, d), &root, d);
        let overlap: f64 = eigen(&symmetric(inner, d), d)?.values.iter().map(|value| value.max(0.0).sqrt()).sum();
        Ok((between + trace(self) + trace(other) - 2.0 * overlap).max(0.0))
    }
}

/// The symmetric root of a positive semidefinite matrix; what rounding made negative counts as 0.
fn square_root(matrix: &[f64], d: usize) -> Result<Vec<f64>> {
    let Eigen { values, vectors } = eigen(matrix, d)?;
    let mut root = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..d {
            root[i * d + j] = (0..d).map(|k| vectors[i * d + k] * values[k].max(0.0).sqrt() * vectors[j * d + k]).sum();
        }
    }
    Ok(root)
}

fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let mut out = vec![0.0; d * d];
    for i in 0..d {
        for k in 0..d {
            let factor = a[i * d + k];
            (0..d).for_each(|j| out[i * d + j] += factor * b[k * d + j]);
        }
    }
    out
}

fn symmetric(a: Vec<f64>, d: usize) -> Vec<f64> {
    (0..d * d).map(|at| 0.5 * (a[at] + a[at % d * d + at / d])).collect()
}

/// The mean Euclidean distance of two different rows of `vectors` `[n, d]`: how much they vary. n at least 2.
pub fn mean_distance(vectors: &[f32], d: usize) -> Result<f64> {
    let rows: Vec<&[f32]> = vectors.chunks_exact(d.max(1)).collect();
    if rows.len() < 2 {
        return Err(Error::argument(format!("{} vectors have no distance from each other", rows.len())));
    }
    let distance = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
    };
    let total: f64 = (0..rows.len()).map(|i| rows[..i].iter().map(|other| distance(rows[i], other)).sum::<f64>()).sum();
    Ok(total / (rows.len() * (rows.len() - 1) / 2) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With commuting covariances the distance is |m_1 - m_2|^2 + sum (s_1 - s_2)^2 over their deviations s.
    #[test]
    fn gaussians_of_known_distance() {
        let rotated = |scales: [f64; 2], mean: [f64; 2]| {
            let (c, s) = (0.6, 0.8);
            let points = [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
            let rows = points.iter().flat_map(|[x, y]| {
                let (x, y) = (x * scales[0], y * scales[1]);
                [(c * x - s * y + mean[0]) as f32, (s * x + c * y + mean[1]) as f32]
            });
            Moments::of(&rows.collect::<Vec<_>>(), 2).unwrap()
        };
        let (a, b) = (rotated([1.0, 2.0], [0.0, 0.0]), rotated([0.5, 3.0], [1.0, -2.0]));
        // Four points of divisor 3: deviations are scales times sqrt(4/3).
        let want = 5.0 + 4.0 / 3.0 * (0.25 + 1.0);
        assert!((a.frechet(&b).unwrap() - want).abs() < 1e-5, "{} {want}", a.frechet(&b).unwrap());
        assert!((b.frechet(&a).unwrap() - want).abs() < 1e-5);
        assert!(a.frechet(&a).unwrap() < 1e-12);
    }

    /// In one dimension, and of rank one in three.
    #[test]
    fn degenerate_sets() {
        let one = |numbers: &[f32]| Moments::of(numbers, 1).unwrap();
        let (a, b) = (one(&[0.0, 2.0]), one(&[3.0, 3.0]));
        assert!((a.frechet(&b).unwrap() - (4.0 + 2.0)).abs() < 1e-12);
        let line = |scale: f32| Moments::of(&[-scale, -scale, 0.0, scale, scale, 0.0], 3).unwrap();
        // Deviations along the line are 2 and 6: (6 - 2)^2.
        assert!((line(1.0).frechet(&line(3.0)).unwrap() - 16.0).abs() < 1e-9);
        for wrong in [&[1.0][..], &[], &[f32::NAN, 1.0]] {
            assert!(Moments::of(wrong, 1).unwrap_err().is_usage());
        }
        assert!(a.frechet(&line(1.0)).unwrap_err().is_usage());
    }

    #[test]
    fn distances_of_a_triangle() {
        assert_eq!(mean_distance(&[0.0, 0.0, 3.0, 0.0, 0.0, 4.0], 2).unwrap(), 4.0);
        assert!(mean_distance(&[1.0], 1).is_err());
    }
}
