//! Drawing numbers, differencing, and comparing, for [`super::check_op`].

use crate::error::{Error, Result};
use crate::var::Var;
use tensor::ops::pointwise::Function;
use tensor::{DType, Device, Tensor};

/// A check that passed, or the sentence that says what did not.
pub(super) type Measured = Result<()>;

/// `shape` numbers in `range`; element `i` depends on the seed and `i` alone. All are f32 numbers, whatever the dtype.
pub(super) fn drawn(device: &Device, dtype: DType, shape: &[usize], seed: u64, range: (f64, f64)) -> Result<Tensor> {
    let unit = |i: u64| {
        let mut z = (seed << 32).wrapping_add(i).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let count: usize = shape.iter().product();
    let data: Vec<f32> = (0..count as u64).map(|i| (range.0 + (range.1 - range.0) * unit(i)) as f32).collect();
    Ok(Tensor::from_slice(device, shape, &data)?.cast(dtype)?)
}

/// Numbers in [-1, 1) of the shape and dtype of `like`.
pub(super) fn draw(like: &Tensor, seed: u64) -> Result<Tensor> {
    drawn(like.device(), like.dtype(), like.shape(), seed, (-1.0, 1.0))
}

/// The same numbers, every other element of a larger tensor whose axes lie in reversed order.
pub(super) fn strided(x: &Tensor) -> Result<Tensor> {
    let rank = x.rank();
    if rank == 0 {
        return Ok(x.clone());
    }
    let reversed: Vec<usize> = (0..rank).rev().collect();
    let back = x.permute(&reversed)?.contiguous()?;
    let mut wide: Vec<usize> = back.shape().to_vec();
    wide.push(1);
    let gaps = Tensor::full(x.device(), x.dtype(), &wide, f64::NAN)?;
    let wide = Tensor::concat(&[&back.reshape(&wide)?, &gaps], rank)?;
    Ok(wide.narrow(rank, 0, 1)?.reshape(back.shape())?.permute(&reversed)?)
}

pub(super) fn absolute(x: &Tensor) -> Result<Tensor> {
    Ok(x.map(Function::Abs, 0)?)
}

pub(super) fn filled_with_largest(x: &Tensor) -> Result<Tensor> {
    let largest = x.to_f64()?.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    Ok(Tensor::full(x.device(), DType::F64, x.shape(), largest)?)
}

/// `<a, b>` in f64.
pub(super) fn inner(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok(a.to_f64()?.iter().zip(b.to_f64()?).map(|(a, b)| a * b).sum())
}

/// The derivative of `f` along `v` by central differences of fourth order, in f64.
pub(super) fn differences(x: &[Var], v: &[Tensor], f: impl Fn(&[Var]) -> Result<Tensor>) -> Result<Tensor> {
    const H: f64 = 1e-3;
    let at = |h: f64| -> Result<Tensor> {
        let moved = x.iter().zip(v).map(|(x, v)| Ok(Var::constant(Tensor::combine(&[(1.0, &x.value), (h, v)])?)));
        f(&moved.collect::<Result<Vec<_>>>()?)
    };
    let (near, far) = (2.0 / (3.0 * H), -1.0 / (12.0 * H));
    let (a, b, c, d) = (at(H)?, at(-H)?, at(2.0 * H)?, at(-2.0 * H)?);
    Ok(Tensor::combine(&[(near, &a), (-near, &b), (far, &c), (-far, &d)])?)
}

/// `|got - want| <= bound (|want| + |scale|)` elementwise, and the same shape.
pub(super) fn agree(what: &str, got: &Tensor, want: &Tensor, scale: &Tensor, bound: f64) -> Measured {
    if got.shape() != want.shape() {
        return Err(Error::argument(format!("{what}: shape {:?}, expected {:?}", got.shape(), want.shape())));
    }
    let floor = bound.min(1e-9);
    let (got, want, scale) = (got.to_f64()?, want.to_f64()?, scale.to_f64()?);
    for (i, ((got, want), scale)) in got.iter().zip(&want).zip(&scale).enumerate() {
        let allowed = bound * (want.abs() + scale.abs()) + floor;
        if (got - want).abs() > allowed || got.is_nan() != want.is_nan() {
            let error = (got - want).abs();
            return Err(Error::argument(format!(
                "{what}: element {i} is {got}, expected {want}: off by {error:e}, allowed {allowed:e}"
            )));
        }
    }
    Ok(())
}

/// `|got - want| <= bound (|want| + 1)`.
pub(super) fn close(what: &str, got: f64, want: f64, bound: f64) -> Measured {
    if (got - want).abs() <= bound * (want.abs() + 1.0) {
        return Ok(());
    }
    Err(Error::argument(format!("{what}: {got}, expected {want}")))
}

/// The same bits.
pub(super) fn bits(what: &str, got: &Tensor, want: &Tensor) -> Measured {
    let (a, b) = (got.to_f64()?, want.to_f64()?);
    let same = got.shape() == want.shape() && a.iter().zip(&b).all(|(a, b)| a.to_bits() == b.to_bits());
    if same {
        return Ok(());
    }
    let at = a.iter().zip(&b).position(|(a, b)| a.to_bits() != b.to_bits());
    let pair = at.map(|i| (i, a[i], b[i]));
    Err(Error::argument(format!(
        "{what}: other bits; shapes {:?} {:?}, first difference {pair:?}",
        got.shape(),
        want.shape()
    )))
}
