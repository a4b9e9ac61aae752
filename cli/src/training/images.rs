//! Digits as tensors: -1 background, 1 ink.

use crate::{Error, Result};
use data::Split;
use data::mnist::SIDE;
use tensor::{Device, Tensor};

/// The images at `indices`: `[n, 1, 28, 28]`.
pub fn batch(device: &Device, split: &Split, indices: &[usize]) -> tensor::Result<Tensor> {
    let bytes = indices.iter().flat_map(|&index| split.image(index).unwrap_or_default());
    let pixels: Vec<f32> = bytes.map(|&byte| pixel(byte)).collect();
    Tensor::from_slice(device, &[indices.len(), 1, SIDE, SIDE], &pixels)
}

/// A byte as a number in [-1, 1].
pub fn pixel(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// The standard deviation of a pixel of any image, .6162 for MNIST. An error where all pixels are alike.
pub fn deviation(split: &Split) -> Result<f64> {
    let mut counts = [0u64; 256];
    split.images.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
    let moment = |power| {
        counts.iter().zip(0..=255u8).map(|(&n, byte)| n as f64 * f64::from(pixel(byte)).powi(power)).sum::<f64>()
    };
    let count = moment(0);
    let variance = moment(2) / count - (moment(1) / count).powi(2);
    if variance > 0.0 {
        Ok(variance.sqrt())
    } else {
        Err(Error::usage("the images are all of one grey: there is nothing to learn"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_numbers() {
        let split = Split { images: [0, 255].repeat(784), labels: vec![0, 1] };
        let images = batch(&Device::cpu(1), &split, &[1, 0]).unwrap();
        assert_eq!((images.shape(), &images.to_vec::<f32>().unwrap()[..2]), (&[2, 1, 28, 28][..], &[-1.0, 1.0][..]));
        assert_eq!(deviation(&split).unwrap(), 1.0);
        let blank = Split { images: vec![7; 784], labels: vec![0] };
        assert!(deviation(&blank).unwrap_err().is_usage());
    }
}
