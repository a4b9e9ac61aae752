//! Convolutions and their gradients, at the sizes of small U-Nets.

use crate::measure::{best, bytes, device, dims, error, line, numbers};
use kernels::conv::{self, Conv, Packed, Role, reference};
use kernels::{DType, KernelError, Layout, View, ViewMut};

/// `[images, channels, output channels, height and width, kernel, stride]`
const SHAPES: [[usize; 6]; 18] = [
    [64, 32, 32, 28, 3, 1],
    [64, 64, 64, 14, 3, 1],
    [64, 128, 128, 7, 3, 1],
    [64, 64, 64, 7, 3, 1],
    [64, 64, 32, 28, 3, 1],
    [64, 1, 32, 28, 3, 1],
    [64, 32, 1, 28, 3, 1],
    [64, 32, 32, 28, 3, 2],
    [64, 96, 32, 28, 1, 1],
    [16, 64, 64, 64, 3, 1],
    [4, 128, 128, 32, 3, 1],
    [8, 16, 16, 28, 3, 1],
    [8, 32, 32, 28, 3, 1],
    [8, 64, 64, 14, 3, 1],
    [1, 32, 32, 28, 3, 1],
    [1, 64, 64, 14, 3, 1],
    [1, 64, 64, 7, 3, 1],
    [1, 64, 64, 7, 1, 1],
];

pub(crate) fn all(roofs: &[f64; 2], chosen: &dyn Fn(&str) -> bool) -> Result<(), KernelError> {
    for [n, c, o, size, k, stride] in SHAPES {
        let name = format!("N{n} C{c}->{o} {size}x{size} k{k} s{stride}");
        let case = Case::new([n, c, size, size], [o, c, k, k], stride)?;
        for which in [Which::Forward, Which::InputGradient, Which::WeightGradient] {
            let name = format!("conv/{which:?} {name}");
            if chosen(&name) {
                let seconds = [case.seconds(which, 1)?, case.seconds(which, 2)?];
                line(&name, case.error(which)?, conv::cost(&case.p, &case.x, &case.w).flops, seconds, roofs);
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Which {
    Forward,
    InputGradient,
    WeightGradient,
}

struct Case {
    p: Conv,
    x: Layout,
    w: Layout,
    y: Layout,
}

impl Case {
    fn new(x: [usize; 4], w: [usize; 4], stride: usize) -> Result<Case, KernelError> {
        let p = Conv { stride: [stride; 2], ..Conv::padded(w[2] / 2) };
        let y = Layout::channels_last(p.output_shape(&x, &w)?);
        Ok(Case { p, x: Layout::channels_last(dims(&x)), w: Layout::contiguous(dims(&w)), y })
    }

    /// The layouts of the two operands and of the result.
    fn layouts(&self, which: Which) -> [Layout; 3] {
        match which {
            Which::Forward => [self.x, self.w, self.y],
            Which::InputGradient => [self.y, self.w, self.x],
            Which::WeightGradient => [self.x, self.y, self.w],
        }
    }

    fn seconds(&self, which: Which, threads: usize) -> Result<f64, KernelError> {
        let (d, p, [al, bl, cl]) = (device(threads), &self.p, self.layouts(which));
        let (a, b, mut c) = (numbers(al.count()), numbers(bl.count()), numbers(cl.count()));
        let role = match which {
            Which::Forward => Role::Forward,
            Which::InputGradient => Role::InputGradient,
            Which::WeightGradient => {
                let mut scratch = bytes(conv::weight_gradient_scratch(&d, p, &self.x, &self.w, DType::F32));
                return best(|| {
                    let (a, b, c) = (View::of(&a, al)?, View::of(&b, bl)?, ViewMut::of(&mut c, cl)?);
                    conv::weight_gradient(&d, p, a, b, c, (&mut scratch[..]).into())
                });
            }
        };
        let mut data = numbers(conv::packed_len(p, role, &self.w));
        conv::pack(&d, p, role, View::of(&b, bl)?, &mut data)?;
        let weights = Packed { data: &data, shape: [0, 1, 2, 3].map(|axis| bl.shape[axis]) };
        let mut scratch = bytes(conv::packed_scratch(&d, p, role, &self.x, &self.w));
        best(|| {
            let (a, c) = (View::of(&a, al)?, ViewMut::of(&mut c, cl)?);
            match role {
                Role::Forward => {
                    conv::forward_packed(&d, p, a, weights, Default::default(), c, (&mut scratch[..]).into())
                }
                Role::InputGradient => conv::input_gradient_packed(&d, p, a, weights, c, (&mut scratch[..]).into()),
            }
        })
    }

    /// The error on a batch of two, which every image of a larger batch shares.
    fn error(&self, which: Which) -> Result<f64, KernelError> {
        let [_, c, height, width] = [0, 1, 2, 3].map(|axis| self.x.shape[axis]);
        let few = Case::new([2, c, height, width], [0, 1, 2, 3].map(|axis| self.w.shape[axis]), self.p.stride[0])?;
        let (d, p, [al, bl, cl]) = (device(1), &few.p, few.layouts(which));
        let (a, b, mut got) = (numbers(al.count()), numbers(bl.count()), vec![0.0; cl.count()]);
        let (av, bv, to) = (View::of(&a, al)?, View::of(&b, bl)?, ViewMut::of(&mut got, cl)?);
        let scratch = |size: fn(&_, &_, &_, &_, _) -> usize| bytes(size(&d, p, &few.x, &few.w, DType::F32));
        let taps = few.w.shape[2] * few.w.shape[3];
        let products = match which {
            Which::Forward => {
                conv::forward(&d, p, av, bv, Default::default(), to, (&mut scratch(conv::forward_scratch)[..]).into())?;
                taps * c
            }
            Which::InputGradient => {
                conv::input_gradient(&d, p, av, bv, to, (&mut scratch(conv::input_gradient_scratch)[..]).into())?;
                taps * few.w.shape[0]
            }
            Which::WeightGradient => {
                conv::weight_gradient(&d, p, av, bv, to, (&mut scratch(conv::weight_gradient_scratch)[..]).into())?;
                few.y.count() / few.y.shape[1]
            }
        };
        let exact = |f: fn(f32) -> f64| {
            let [a, b] = [&a, &b].map(|from| from.iter().map(|&x| f(x)).collect::<Vec<f64>>());
            let mut out = vec![0.0; cl.count()];
            let (a, b, c) = (View::of(&a, al)?, View::of(&b, bl)?, ViewMut::of(&mut out, cl)?);
            match which {
                Which::Forward => reference::forward::<f64>(p, a, b, None, c)?,
                Which::InputGradient => reference::input_gradient::<f64>(p, a, b, c)?,
                Which::WeightGradient => reference::weight_gradient::<f64>(p, a, b, c)?,
            }
            Ok::<_, KernelError>(out)
        };
        Ok(error(&got, &exact(f64::from)?, &exact(|x| f64::from(x.abs()))?, products))
    }
}
