//! Pearson's test of counts against expected shares.

use super::gamma::upper_gamma;
use crate::error::{Error, Result};

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquare {
    /// sum of (observed - expected)^2 / expected.
    pub statistic: f64,
    /// Degrees of freedom: classes that are expected at all, less one.
    pub freedom: usize,
    /// The chance of a statistic as large, if the shares are as expected. Good where every class expects five or more.
    pub p: f64,
}

/// Counts against shares of any positive sum. Where none is expected, a single one makes the chance 0.
pub fn chi_square(observed: &[u64], expected: &[f64]) -> Result<ChiSquare> {
    let (count, shares) = (observed.iter().sum::<u64>() as f64, expected.iter().sum::<f64>());
    let sound = expected.iter().all(|&share| share >= 0.0) && shares > 0.0 && shares.is_finite();
    let freedom = expected.iter().filter(|&&share| share > 0.0).count().saturating_sub(1);
    if observed.len() != expected.len() || !sound || count == 0.0 || freedom == 0 {
        let what = format!(
            "{} counts and {} shares: the test needs one share for each count, finite and not negative, two of them above 0, \
             and something to have been counted",
            observed.len(),
            expected.len()
        );
        return Err(Error::argument(what));
    }
    let term = |(&seen, &share): (&u64, &f64)| match share * count / shares {
        0.0 if seen == 0 => 0.0,
        expected => (seen as f64 - expected).powi(2) / expected,
    };
    let statistic: f64 = observed.iter().zip(expected).map(term).sum();
    Ok(ChiSquare { statistic, freedom, p: upper_gamma(freedom as f64 / 2.0, statistic / 2.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_degrees_of_freedom_are_exponential() {
        let ChiSquare { statistic, freedom, p } = chi_square(&[10, 20, 30], &[1.0, 1.0, 1.0]).unwrap();
        assert_eq!((statistic, freedom), (10.0, 2));
        assert!((p - (-5.0_f64).exp()).abs() < 1e-15);
    }

    #[test]
    fn tables_have_these() {
        // The 5 % point for 9 degrees of freedom is 16.9190.
        assert!((upper_gamma(4.5, 16.918_977_604_620_448 / 2.0) - 0.05).abs() < 1e-12);
        assert_eq!(chi_square(&[5, 5], &[0.1, 0.1]).unwrap().p, 1.0);
        assert_eq!(chi_square(&[5, 5, 1], &[1.0, 1.0, 0.0]).unwrap().p, 0.0);
        assert_eq!(chi_square(&[5, 5, 0], &[1.0, 1.0, 0.0]).unwrap().freedom, 1);
        for (observed, expected) in
            [(&[1, 2][..], &[1.0][..]), (&[0, 0], &[1.0, 1.0]), (&[1, 2], &[1.0, f64::NAN]), (&[4], &[1.0])]
        {
            assert!(chi_square(observed, expected).unwrap_err().is_usage());
        }
    }
}
