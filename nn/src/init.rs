//! Where the first values of parameters come from.

use crate::error::Result;
use crate::param::Param;
use autograd::{DType, Device, Tensor};
use tensor::ops::random::Stream;

/// The purpose of the first parameter's stream.
pub(crate) const PURPOSE: u32 = 1 << 31;

/// Makes the parameters of a model while it is built. What parameter number `i` holds depends on the seed and `i` alone:
/// it is drawn from the stream of purpose `2^31 + i`, so other uses of a seed stay below.
pub struct Init {
    device: Device,
    dtype: DType,
    seed: Option<u64>,
    index: u32,
}

impl Init {
    /// f32 parameters drawn anew.
    pub fn seeded(device: &Device, seed: u64) -> Init {
        Init { device: device.clone(), dtype: DType::F32, seed: Some(seed), index: 0 }
    }

    /// f32 parameters that have a shape but no memory, for a model that is about to be loaded.
    pub(crate) fn unset(device: &Device) -> Init {
        Init { device: device.clone(), dtype: DType::F32, seed: None, index: 0 }
    }

    /// The same with parameters of another type: f64 for checks, 16 bits on a GPU.
    pub fn dtype(self, dtype: DType) -> Init {
        Init { dtype, ..self }
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A parameter uniform in +-1 / sqrt(`inputs`): PyTorch's default for weights and biases of linear and convolutional
    /// layers, `inputs` being the number of products in one output.
    pub fn uniform(&mut self, shape: &[usize], inputs: usize) -> Result<Param> {
        let Some(seed) = self.seed else { return self.unset_param(shape) };
        let stream = Stream { seed, purpose: PURPOSE.wrapping_add(self.index), step: 0 };
        self.index += 1;
        let bound = 1.0 / (inputs.max(1) as f64).sqrt();
        let wide = self.dtype.wide();
        let unit = Tensor::uniform(&self.device, wide, shape, &stream, 0)?;
        let one = Tensor::full(&self.device, wide, &[], 1.0)?;
        Ok(Param::new(Tensor::combine(&[(2.0 * bound, &unit), (-bound, &one)])?.cast(self.dtype)?))
    }

    /// A parameter with `value` everywhere.
    pub fn constant(&mut self, shape: &[usize], value: f64) -> Result<Param> {
        if self.seed.is_none() {
            return self.unset_param(shape);
        }
        self.index += 1;
        Ok(Param::new(Tensor::full(&self.device, self.dtype, shape, value)?))
    }

    fn unset_param(&self, shape: &[usize]) -> Result<Param> {
        Ok(Param::new(Tensor::full(&self.device, self.dtype, &[], 0.0)?.broadcast_to(shape)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_functions_of_seed_and_place_within_their_bound() {
        let draw = |seed| {
            let mut init = Init::seeded(&Device::cpu(1), seed);
            let mut next = || init.uniform(&[40, 25], 25).unwrap().value().to_vec::<f32>().unwrap();
            [next(), next()]
        };
        let [a, b] = draw(7);
        assert!(a != b && draw(7) == [a.clone(), b] && draw(8)[0] != a);
        let largest = a.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        let mean_square = a.iter().map(|x| x * x).sum::<f32>() / 1000.0;
        assert!(largest <= 0.2 && largest > 0.19, "{largest}");
        assert!((mean_square - 0.04 / 3.0).abs() < 0.002, "{mean_square}");
    }

    #[test]
    fn an_unset_parameter_takes_no_memory() {
        let device = Device::cpu(1);
        let param = Init::unset(&device).uniform(&[1 << 20, 1 << 20], 1).unwrap();
        assert_eq!((param.shape().count(), device.pool().account().requested), (1 << 40, 4));
    }
}
