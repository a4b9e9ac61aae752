//! What a case computes with: the same numbers on every device, since a draw is a function of its place, rounded to what the
//! case computes in.

use super::Numbers;
use std::cell::Cell;
use tensor::ops::random::Stream;
use tensor::{DType, Device, Result, Tensor};

/// A source of operands, in the order in which a case asks for them.
pub struct Operands {
    device: Device,
    /// Where numbers are drawn.
    host: Device,
    numbers: Numbers,
    is_exact: bool,
    seed: u64,
    drawn: Cell<u32>,
}

impl Operands {
    /// For a device, drawn on it.
    pub fn on(device: &Device, numbers: Numbers, seed: u64) -> Operands {
        let (device, host) = (device.clone(), device.clone());
        Operands { device, host, numbers, is_exact: false, seed, drawn: Cell::new(0) }
    }

    /// The same, drawn on the processor `host` and moved there, so that no kernel of the device had a hand in them.
    pub fn moved(host: &Device, device: &Device, numbers: Numbers, seed: u64) -> Operands {
        Operands { host: host.clone(), ..Operands::on(device, numbers, seed) }
    }

    /// The same numbers, rounded as they were, in f64 on the processor.
    pub fn exact(host: &Device, numbers: Numbers, seed: u64) -> Operands {
        Operands { is_exact: true, ..Operands::on(host, numbers, seed) }
    }

    /// The device that the case runs on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What the case computes in: f64 for the reference.
    pub fn dtype(&self) -> DType {
        if self.is_exact { DType::F64 } else { self.numbers.dtype() }
    }

    /// Standard normal numbers.
    pub fn normal(&self, shape: &[usize]) -> Result<Tensor> {
        self.scaled(shape, 1.0)
    }

    /// Standard normal numbers times `c`.
    pub fn scaled(&self, shape: &[usize], c: f64) -> Result<Tensor> {
        let stream = Stream { seed: self.seed, purpose: 0, step: self.drawn.get() };
        self.drawn.set(stream.step + 1);
        let drawn = Tensor::normal(&self.host, DType::F32, shape, &stream, 0)?;
        self.put(if c == 1.0 { drawn } else { drawn.scale(c)? }, self.numbers.dtype())
    }

    /// Images of normal numbers, stored channels last.
    pub fn image(&self, shape: &[usize]) -> Result<Tensor> {
        self.normal(shape)?.channels_last()
    }

    /// Numbers that follow from their row-major place, as wide as sums are.
    pub fn wide(&self, shape: &[usize], number: impl Fn(usize) -> f64) -> Result<Tensor> {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|place| number(place) as f32).collect();
        self.put(Tensor::from_slice(&self.host, shape, &numbers)?, self.numbers.dtype().wide())
    }

    /// Symmetric positive definite matrices `[batch, size, size]`, as wide as sums are.
    pub fn definite(&self, batch: usize, size: usize) -> Result<Tensor> {
        let number = |place: usize| {
            let (row, column) = (place / size % size, place % size);
            (-0.25 * row.abs_diff(column) as f64).exp() + if row == column { 1.0 } else { 0.0 }
        };
        self.wide(&[batch, size, size], number)
    }

    /// `count` indices below `limit`, in no order.
    pub fn indices(&self, count: usize, limit: usize) -> Result<Tensor> {
        let index = |place: usize| (place * 7919 % limit.max(1)) as i64;
        Tensor::from_slice(&self.device, &[count], &(0..count).map(index).collect::<Vec<i64>>())
    }

    fn put(&self, drawn: Tensor, dtype: DType) -> Result<Tensor> {
        let rounded = drawn.cast(dtype)?;
        if self.is_exact { rounded.cast(DType::F64) } else { rounded.to_device(&self.device) }
    }
}
