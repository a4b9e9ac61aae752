//! The negative log-likelihood of a class, `-log p(y* | x)` (paper 000, appendix D).

use super::Cost;
use crate::error::{Error, Result};
use autograd::{Tensor, Var};
use nn::{Cnn, Mlp, Module, Network};
use std::sync::Arc;

/// A network from images `[n, c, h, w]` to logits `[n, classes]`, in its own dtype.
pub trait Classifier: Send + Sync {
    /// The logits.
    fn logits(&self, images: &Var) -> Result<Var>;
}

impl Classifier for Cnn {
    fn logits(&self, images: &Var) -> Result<Var> {
        Ok(Cnn::logits(self, &in_dtype_of(self, images)?)?)
    }
}

/// A perceptron without a sense of time.
impl Classifier for Mlp {
    fn logits(&self, images: &Var) -> Result<Var> {
        let always = Tensor::zeros(images.device(), autograd::DType::F32, &[1])?;
        Ok(self.forward(&in_dtype_of(self, images)?, &always)?)
    }
}

/// `x` as the network takes it.
fn in_dtype_of(module: &impl Module, x: &Var) -> Result<Var> {
    let own = module.parameters().first().map_or(x.dtype(), |param| param.value().dtype());
    Ok(if own == x.dtype() { x.clone() } else { x.cast(own)? })
}

/// `-log softmax(logits)[target]`.
pub struct NegativeLogLikelihood {
    classifier: Arc<dyn Classifier>,
    target: i64,
}

impl NegativeLogLikelihood {
    /// The cost of not being of class `target` in the eyes of `classifier`.
    pub fn new(classifier: Arc<dyn Classifier>, target: usize) -> NegativeLogLikelihood {
        NegativeLogLikelihood { classifier, target: target as i64 }
    }
}

impl Cost for NegativeLogLikelihood {
    fn name(&self) -> &str {
        "classifier"
    }
    fn per_sample(&self, clean: &Var) -> Result<Var> {
        let logits = self.classifier.logits(clean)?;
        let &[n, classes] = logits.shape() else {
            return Err(Error::argument(format!("a classifier answers logits [n, classes], not {:?}", logits.shape())));
        };
        if self.target as usize >= classes {
            return Err(Error::argument(format!("class {} of a classifier of {classes}, counted from 0", self.target)));
        }
        let labels = Tensor::from_slice(clean.device(), &[n], &vec![self.target; n])?;
        Ok(logits.cross_entropy(&labels)?.cast(clean.dtype())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Quadratic, Total};
    use crate::testing::{constant, device, numbers};
    use autograd::{Grad, grad};
    use nn::{CnnConfig, Init, MlpConfig};

    fn perceptron() -> Mlp {
        let config = MlpConfig { inputs: 4, outputs: 3, hidden: vec![5], time_features: 0, ..MlpConfig::default() };
        Mlp::new(config, &mut Init::seeded(device(), 1)).unwrap()
    }

    #[test]
    fn the_cost_is_minus_the_logarithm_of_the_targets_share() {
        let (classifier, images) =
            (Arc::new(perceptron()), constant(&[2, 1, 2, 2], &[0.1, 2.0, -0.3, 0.7, 1.0, 0.0, -1.0, 0.5]));
        let logits = numbers(&Classifier::logits(&*classifier, &images).unwrap());
        let cost = NegativeLogLikelihood::new(classifier.clone(), 1).per_sample(&images).unwrap();
        assert_eq!(cost.dtype(), images.dtype());
        for (row, cost) in logits.chunks(3).zip(numbers(&cost)) {
            let whole: f64 = row.iter().map(|x| x.exp()).sum();
            assert!((cost + (row[1].exp() / whole).ln()).abs() < 1e-6);
        }
        let error = NegativeLogLikelihood::new(classifier, 3).per_sample(&images).unwrap_err();
        assert!(error.to_string().contains("class 3 of a classifier of 3"), "{error}");
    }

    #[test]
    fn a_total_weighs_its_terms_and_images_do_not_know_each_other() {
        let config = CnnConfig { in_channels: 1, classes: 3, ..CnnConfig::default() };
        let classifier = Arc::new(Cnn::new(config, &mut Init::seeded(device(), 2)).unwrap());
        let likelihood: Arc<dyn Cost> = Arc::new(NegativeLogLikelihood::new(classifier, 0));
        let bowl: Arc<dyn Cost> = Arc::new(Quadratic { weight: 2.0, centre: 0.5 });
        let total = Total(vec![(0.5, likelihood.clone()), (2.0, bowl.clone())]);
        let data: Vec<f64> = (0..2 * 64).map(|i| (0.7 * i as f64).sin()).collect();
        let images = Var::leaf(constant(&[2, 1, 8, 8], &data).value().clone());
        let both = total.per_sample(&images).unwrap();
        let parts = [likelihood, bowl].map(|cost| numbers(&cost.per_sample(&images).unwrap()));
        for (row, both) in numbers(&both).iter().enumerate() {
            assert!((both - 0.5 * parts[0][row] - 2.0 * parts[1][row]).abs() < 1e-9);
        }
        let first = both.narrow(0, 0, 1).unwrap().sum().unwrap();
        let slope = numbers(grad(&first, &[&images], Grad::default()).unwrap().get(0).unwrap());
        assert!(slope[..64].iter().all(|x| *x != 0.0) && slope[64..].iter().all(|x| *x == 0.0));
    }
}
