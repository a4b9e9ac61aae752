//! How far gradients that estimate the same one differ.

use autograd::Var;

/// Moments of gradients that estimate the same one.
#[derive(Default)]
pub(super) struct Spread {
    count: f64,
    sums: Vec<f64>,
    /// Of all squares of all entries.
    squares: f64,
}

impl Spread {
    pub(super) fn add(&mut self, gradients: &[Option<Var>]) -> anyhow::Result<()> {
        let mut all = Vec::with_capacity(self.sums.len());
        for gradient in gradients.iter().flatten() {
            all.extend(gradient.value().to_f64()?);
        }
        self.sums.resize(all.len(), 0.0);
        self.sums.iter_mut().zip(&all).for_each(|(sum, x)| *sum += x);
        self.squares += all.iter().map(|x| x * x).sum::<f64>();
        self.count += 1.0;
        Ok(())
    }

    /// |mean|^2
    fn mean_squared(&self) -> f64 {
        self.sums.iter().map(|sum| (sum / self.count).powi(2)).sum()
    }

    pub(super) fn norm(&self) -> f64 {
        self.mean_squared().sqrt()
    }

    /// The standard deviation of one gradient, as a vector, in units of the norm of their mean. Of two or more.
    pub(super) fn relative(&self) -> Option<f64> {
        let variance = (self.squares - self.count * self.mean_squared()) / (self.count - 1.0);
        // The mean of few is longer than the expectation by the variance that is left in it.
        let mean = (self.mean_squared() - variance / self.count).max(0.0);
        (self.count > 1.0).then(|| (variance / mean).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::{Device, Tensor};

    #[test]
    fn the_spread_of_two_gradients() {
        let device = Device::cpu(1);
        let mut spread = Spread::default();
        for numbers in [[3.0, 1.0], [3.0, -1.0]] {
            let gradient = Var::constant(Tensor::from_slice(&device, &[2], &numbers).unwrap());
            spread.add(&[Some(gradient), None]).unwrap();
        }
        // Mean (3, 0), variance (0, 2); |mean|^2 without what is left of the variance is 9 - 1.
        assert_eq!((spread.norm(), spread.relative()), (3.0, Some(0.5)));
    }
}
