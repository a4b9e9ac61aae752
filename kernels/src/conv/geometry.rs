//! The parameters of a convolution, and which shapes belong together.

use crate::{Dims, KernelError, Layout, Result, View};

/// No network strides further; the input gradient takes a pass for every pair of residues.
const MAX_STRIDE: usize = 1 << 10;

/// Stride, zero padding, dilation (each `[vertical, horizontal]`) and channel groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Output pixels lie this many input pixels apart; 1 to 1024.
    pub stride: [usize; 2],
    /// Zeros around the image: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Kernel taps lie this many input pixels apart; at least 1.
    pub dilation: [usize; 2],
    /// Channels fall into this many groups that do not mix; divides input and output channels.
    pub groups: usize,
}

impl Default for Conv {
    /// Stride 1, no padding, no dilation, one group.
    fn default() -> Conv {
        Conv { stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2], groups: 1 }
    }
}

impl Conv {
    /// The default with `padding` zeros on all four sides.
    pub fn padded(padding: usize) -> Conv {
        Conv { padding: [[padding; 2]; 2], ..Conv::default() }
    }

    /// `[n, o, ho, wo]` for `x [n, c, h, w]` and `w [o, c / groups, kh, kw]`. An error says what does not fit.
    pub fn output_shape(&self, x: &[usize], w: &[usize]) -> Result<Dims> {
        let (&[n, c, height, width], &[o, own, kh, kw]) = (x, w) else {
            return Err(wrong(format!("the input {x:?} and the weight {w:?} must have 4 axes each")));
        };
        if self.groups == 0 || !o.is_multiple_of(self.groups) || own.checked_mul(self.groups) != Some(c) {
            let groups = self.groups;
            return Err(wrong(format!("an input of {c} channels does not fit the weight {w:?} in {groups} groups")));
        }
        let mut shape = Dims::filled(4, 0);
        shape.copy_from_slice(&[n, o, self.length(0, height, kh)?, self.length(1, width, kw)?]);
        // Nothing the kernels count goes beyond these: the padded images with the wider of both channels, the weights.
        let padded = |axis: usize, size: usize| size + self.padding[axis].iter().sum::<usize>();
        let images = [n.max(1), c.max(o), padded(0, height), padded(1, width)];
        if count(&images).is_none() || count(&[o.max(16), c.max(16), kh, kw]).is_none() {
            return Err(wrong(format!(
                "the input {x:?}, padded by {:?}, or the weight {w:?} is too large",
                self.padding
            )));
        }
        Ok(shape)
    }

    fn length(&self, axis: usize, size: usize, taps: usize) -> Result<usize> {
        let ([before, after], stride, dilation) = (self.padding[axis], self.stride[axis], self.dilation[axis]);
        if stride == 0 || stride > MAX_STRIDE || dilation == 0 || taps == 0 {
            let what = format!(
                "stride {stride}, dilation {dilation} and kernel size {taps} must be at least 1, the stride at most {MAX_STRIDE}"
            );
            return Err(KernelError::Parameter { op: "conv", what });
        }
        let padded = size.checked_add(before).and_then(|sum| sum.checked_add(after)).filter(|&sum| sum < 1 << 48);
        let reach = (taps - 1).checked_mul(dilation).filter(|&reach| reach < 1 << 48);
        match (padded, reach) {
            (Some(padded), Some(reach)) if padded > reach => Ok((padded - reach - 1) / stride + 1),
            _ => Err(wrong(format!(
                "a kernel of {taps} taps, dilation {dilation}, does not fit {size} pixels padded by {before} and {after}"
            ))),
        }
    }
}

/// The product, unless it is too large to compute with.
fn count(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |count, &size| count.checked_mul(size).filter(|&count| count < 1 << 52))
}

fn wrong(what: String) -> KernelError {
    KernelError::Shape { op: "conv", what }
}

/// Checks that `y` is what `p` makes of `x` and `w`.
pub(super) fn check(p: &Conv, x: &Layout, w: &Layout, bias: Option<&View>, y: &Layout) -> Result {
    let shape = p.output_shape(&x.shape, &w.shape)?;
    if shape != y.shape {
        return Err(wrong(format!("{:?} with the weight {:?} is {shape:?}, not {:?}", x.shape, w.shape, y.shape)));
    }
    match bias {
        Some(bias) if *bias.layout().shape != [w.shape[0]] => {
            Err(wrong(format!("the bias is {:?}, expected [{}]", bias.layout().shape, w.shape[0])))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_shapes_follow_the_usual_formula() {
        let shape = |p: Conv, x: [usize; 4], w: [usize; 4]| p.output_shape(&x, &w).map(|d| d.to_vec());
        assert_eq!(shape(Conv::padded(1), [2, 3, 28, 20], [8, 3, 3, 3]).unwrap(), [2, 8, 28, 20]);
        let down = Conv { stride: [2; 2], padding: [[0, 1], [0, 1]], ..Conv::default() };
        assert_eq!(shape(down, [1, 4, 14, 7], [4, 4, 3, 3]).unwrap(), [1, 4, 7, 3]);
        let wide = Conv { dilation: [2, 3], ..Conv::padded(2) };
        assert_eq!(shape(wide, [0, 4, 9, 9], [4, 4, 3, 3]).unwrap(), [0, 4, 9, 7]);
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let said = |p: Conv, x: &[usize], w: &[usize]| p.output_shape(x, w).unwrap_err().to_string();
        assert!(said(Conv::default(), &[1, 3, 8, 8], &[4, 1, 3, 3]).contains("3 channels"));
        assert!(said(Conv::default(), &[1, 1, 2, 8], &[4, 1, 3, 3]).contains("does not fit 2 pixels"));
        assert!(said(Conv { stride: [0, 1], ..Conv::default() }, &[1, 1, 8, 8], &[4, 1, 3, 3]).contains("at least 1"));
        assert!(said(Conv { groups: 0, ..Conv::default() }, &[1, 1, 8, 8], &[4, 1, 3, 3]).contains("0 groups"));
        assert!(said(Conv::padded(usize::MAX), &[1, 1, 8, 8], &[4, 1, 3, 3]).contains("padded by"));
        assert!(
            said(Conv { stride: [1, 2000], ..Conv::default() }, &[1, 1, 8, 8], &[4, 1, 3, 3]).contains("at most 1024")
        );
        let wide = Conv { padding: [[1 << 40, 0]; 2], ..Conv::default() };
        assert!(said(wide, &[1, 1, 8, 8], &[4, 1, 1 << 40, 1 << 40]).contains("too large"));
        assert!(said(Conv::default(), &[1, 8, 8], &[4, 1, 3, 3]).contains("4 axes"));
    }
}
