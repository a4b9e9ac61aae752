//! Intervals by drawing again from what was drawn (Efron 1979).

use crate::error::{Error, Result};
use crate::noise::{Noise, Purpose};
use tensor::ops::random::words;

/// Where a figure lies, given that it was computed from a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The figure of the sample itself.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Resamplings; the ends of a 95 % interval are then good to a tenth of its width.
const DRAWS: usize = 2000;

/// The 95 % percentile interval of `figure` over `count` things: it is computed on all of them once, and on as many drawn
/// with replacement 2000 times, a function of the seed. Draw pairs together by giving their common index.
pub fn bootstrap(count: usize, seed: u64, mut figure: impl FnMut(&[usize]) -> f64) -> Result<Interval> {
    if count == 0 || u32::try_from(count).is_err() {
        return Err(Error::argument(format!("there is no interval for a sample of {count}")));
    }
    let value = figure(&(0..count).collect::<Vec<_>>());
    let noise = Noise::new(seed);
    let mut figures = Vec::with_capacity(DRAWS);
    let mut drawn = vec![0; count];
    for draw in 0..DRAWS {
        let stream = noise.stream(Purpose::Bootstrap, draw);
        for (i, index) in drawn.iter_mut().enumerate() {
            let [word, ..] = words(&stream, i as u32, 0);
            *index = ((u64::from(word) * count as u64) >> 32) as usize;
        }
        figures.push(figure(&drawn));
    }
    figures.sort_by(f64::total_cmp);
    let at = |share: f64| figures[((share * DRAWS as f64) as usize).min(DRAWS - 1)];
    Ok(Interval { value, low: at(0.025), high: at(0.975) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of n numbers of deviation s has an interval of half width 1.96 s / sqrt(n).
    #[test]
    fn the_mean_of_a_sample() {
        let numbers: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let mean = |indices: &[usize]| indices.iter().map(|&i| numbers[i]).sum::<f64>() / indices.len() as f64;
        let Interval { value, low, high } = bootstrap(400, 1, mean).unwrap();
        assert_eq!(value, 0.5);
        for end in [0.5 - low, high - 0.5] {
            assert!((end - 1.96 * 0.5 / 20.0).abs() < 0.006, "{low} {high}");
        }
        assert_eq!(bootstrap(400, 1, mean).unwrap(), Interval { value, low, high });
        assert_eq!(bootstrap(1, 1, mean).unwrap(), Interval { value: 0.0, low: 0.0, high: 0.0 });
        assert!(bootstrap(0, 1, mean).unwrap_err().is_usage());
    }
}
