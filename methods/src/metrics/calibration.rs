//! Confidence that means what it says: a classifier's logits divided by a temperature fitted on data it was not trained on
//! (Guo et al. 2017).

use crate::error::{Error, Result};

/// How far confidence is from accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Expected calibration error: the mean gap of confidence and accuracy in bins of equal width.
    pub error: f64,
    /// The share of labels that are the most likely class.
    pub accuracy: f64,
    /// The mean of minus ln p(label).
    pub loss: f64,
}

/// Temperatures between 1/100 and 100 are looked at. Where the classifier makes no mistake, none is cold enough.
const RANGE: f64 = 100.0;

/// The temperature T at which the mean of `-ln softmax(logits / T)[label]` is smallest; `logits` `[n, classes]`.
pub fn fit_temperature(logits: &[f32], classes: usize, labels: &[u8]) -> Result<f64> {
    check(logits, classes, labels)?;
    // The loss is convex in 1/T: its derivative, the mean of E[logit] - logit[label], crosses zero once.
    let slope = |inverse: f64| -> f64 {
        let rows = logits.chunks_exact(classes).zip(labels);
        rows.map(|(row, &label)| {
            let p = softmax(row, inverse);
            p.iter().zip(row).map(|(p, z)| p * f64::from(*z)).sum::<f64>() - f64::from(row[usize::from(label)])
        })
        .sum()
    };
    let (mut low, mut high) = ((1.0 / RANGE).ln(), RANGE.ln());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if slope(middle.exp()) > 0.0 { high = middle } else { low = middle }
    }
    Ok((-0.5 * (low + high)).exp())
}

/// The most likely class of each row of `logits` `[n, classes]`, and its probability at a temperature.
pub fn confidences(logits: &[f32], classes: usize, temperature: f64) -> Vec<(usize, f64)> {
    let best = |row: &[f32]| {
        let p = softmax(row, 1.0 / temperature);
        p.into_iter().enumerate().fold((0, f64::MIN), |best, next| if next.1 > best.1 { next } else { best })
    };
    logits.chunks_exact(classes.max(1)).map(best).collect()
}

/// How well confidences at a temperature agree with labels, in 15 bins.
pub fn calibration_error(logits: &[f32], classes: usize, labels: &[u8], temperature: f64) -> Result<Calibration> {
    const BINS: usize = 15;
    check(logits, classes, labels)?;
    let n = labels.len() as f64;
    let (mut gaps, mut right) = ([0.0; BINS], 0);
    for ((class, confidence), &label) in confidences(logits, classes, temperature).into_iter().zip(labels) {
        let hit = class == usize::from(label);
        right += usize::from(hit);
        gaps[((confidence * BINS as f64) as usize).min(BINS - 1)] += confidence - f64::from(u8::from(hit));
    }
    let loss =
        |(row, &label): (&[f32], &u8)| -softmax(row, 1.0 / temperature)[usize::from(label)].max(f64::MIN_POSITIVE).ln();
    let loss = logits.chunks_exact(classes).zip(labels).map(loss).sum::<f64>() / n;
    let error = gaps.iter().map(|gap| gap.abs()).sum::<f64>() / n;
    Ok(Calibration { error, accuracy: right as f64 / n, loss })
}

fn check(logits: &[f32], classes: usize, labels: &[u8]) -> Result<()> {
    let sound = classes > 0 && logits.len() == labels.len() * classes && !labels.is_empty();
    if sound && labels.iter().all(|&label| usize::from(label) < classes) && logits.iter().all(|z| z.is_finite()) {
        return Ok(());
    }
    let (numbers, labels) = (logits.len(), labels.len());
    Err(Error::argument(format!(
        "{numbers} logits for {labels} labels: {classes} finite ones are needed for each, and labels below that"
    )))
}

fn softmax(row: &[f32], inverse: f64) -> Vec<f64> {
    let largest = row.iter().fold(f64::MIN, |largest, &z| largest.max(f64::from(z)));
    let powers: Vec<f64> = row.iter().map(|&z| (inverse * (f64::from(z) - largest)).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always the same two logits, right three times in four: p = 3/4 where z / T = ln 3.
    #[test]
    fn two_classes_in_closed_form() {
        let logits = [5.0, 0.0].repeat(4);
        let labels = [0, 0, 1, 0];
        let temperature = fit_temperature(&logits, 2, &labels).unwrap();
        assert!((temperature - 5.0 / 3.0_f64.ln()).abs() < 1e-9, "{temperature}");
        let before = calibration_error(&logits, 2, &labels, 1.0).unwrap();
        let after = calibration_error(&logits, 2, &labels, temperature).unwrap();
        assert!(after.error < 1e-9 && (before.error - (1.0 / (1.0 + (-5.0_f64).exp()) - 0.75)).abs() < 1e-12);
        assert_eq!((before.accuracy, after.accuracy), (0.75, 0.75));
        assert!(
            (after.loss - (0.75 * (4.0_f64 / 3.0).ln() + 0.25 * 4.0_f64.ln())).abs() < 1e-9 && after.loss < before.loss
        );
    }

    #[test]
    fn ends_and_refusals() {
        assert!(fit_temperature(&[1.0, 0.0], 2, &[0]).unwrap() < 0.0101);
        assert!(fit_temperature(&[1.0, 0.0], 2, &[1]).unwrap() > 99.0);
        assert_eq!(confidences(&[0.0, 0.0, 1000.0, 0.0], 2, 1.0), [(0, 0.5), (0, 1.0)]);
        for (logits, labels) in [(&[1.0][..], &[0u8][..]), (&[], &[]), (&[1.0, 2.0], &[2]), (&[f32::NAN, 0.0], &[0])] {
            assert!(fit_temperature(logits, 2, labels).unwrap_err().is_usage());
        }
    }
}
