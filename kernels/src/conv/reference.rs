//! The definition: every pair of an output pixel and a kernel tap that meets an input pixel contributes
//! `x * w` to `y`, `g * w` to `dx`, `x * g` to `dw`. The oracle of the tests, and the f64 path. Any strides.

use super::Conv;
use super::geometry::check;
use crate::{Layout, Real, Result, View, ViewMut};

/// As [`super::forward`], in any [`Real`] type.
pub fn forward<T: Real>(p: &Conv, x: View, w: View, bias: Option<View>, mut y: ViewMut) -> Result {
    let (xl, wl, yl) = (*x.layout(), *w.layout(), *y.layout());
    check(p, &xl, &wl, bias.as_ref(), &yl)?;
    let (x, w) = (x.data::<T>("conv")?, w.data::<T>("conv")?);
    let bias = bias.map(|bias| Ok((bias.data::<T>("conv")?, *bias.layout()))).transpose()?;
    let y = y.data::<T>("conv")?;
    elements(&yl, |channel, at| {
        y[at] = bias.as_ref().map_or(T::default(), |(bias, l)| bias[l.offset + channel * l.strides[0]]);
    });
    meetings(p, &xl, &wl, &yl, |i, j, o| y[o] += x[i] * w[j]);
    Ok(())
}

/// As [`super::input_gradient`], in any [`Real`] type.
pub fn input_gradient<T: Real>(p: &Conv, g: View, w: View, mut dx: ViewMut) -> Result {
    let (gl, wl, xl) = (*g.layout(), *w.layout(), *dx.layout());
    check(p, &xl, &wl, None, &gl)?;
    let (g, w, dx) = (g.data::<T>("conv")?, w.data::<T>("conv")?, dx.data::<T>("conv")?);
    elements(&xl, |_, at| dx[at] = T::default());
    meetings(p, &xl, &wl, &gl, |i, j, o| dx[i] += g[o] * w[j]);
    Ok(())
}

/// As [`super::weight_gradient`], in any [`Real`] type.
pub fn weight_gradient<T: Real>(p: &Conv, x: View, g: View, mut dw: ViewMut) -> Result {
    let (xl, gl, wl) = (*x.layout(), *g.layout(), *dw.layout());
    check(p, &xl, &wl, None, &gl)?;
    let (x, g, dw) = (x.data::<T>("conv")?, g.data::<T>("conv")?, dw.data::<T>("conv")?);
    elements(&wl, |_, at| dw[at] = T::default());
    meetings(p, &xl, &wl, &gl, |i, j, o| dw[j] += x[i] * g[o]);
    Ok(())
}

/// Calls `each(channel, index)` for every element of a rank-4 layout.
fn elements(layout: &Layout, mut each: impl FnMut(usize, usize)) {
    let (s, t) = (layout.shape, layout.strides);
    for n in 0..s[0] {
        for c in 0..s[1] {
            for row in 0..s[2] {
                for column in 0..s[3] {
                    each(c, layout.offset + n * t[0] + c * t[1] + row * t[2] + column * t[3]);
                }
            }
        }
    }
}

/// Calls `each(index in x, index in w, index in y)` for every product of the convolution.
fn meetings(p: &Conv, x: &Layout, w: &Layout, y: &Layout, mut each: impl FnMut(usize, usize, usize)) {
    let (outputs, channels) = (w.shape[0] / p.groups, w.shape[1]);
    let source = |axis: usize, out: usize, tap: usize| {
        let at = out * p.stride[axis] + tap * p.dilation[axis];
        at.checked_sub(p.padding[axis][0]).filter(|&at| at < x.shape[2 + axis])
    };
    let pixel = |l: &Layout, n: usize, row: usize, column: usize| {
        l.offset + n * l.strides[0] + row * l.strides[2] + column * l.strides[3]
    };
    for n in 0..y.shape[0] {
        for (oy, ox) in pairs(y.shape[2], y.shape[3]) {
            for (ky, kx) in pairs(w.shape[2], w.shape[3]) {
                let (Some(iy), Some(ix)) = (source(0, oy, ky), source(1, ox, kx)) else { continue };
                let (x0, w0, y0) = (pixel(x, n, iy, ix), pixel(w, 0, ky, kx), pixel(y, n, oy, ox));
                for o in 0..w.shape[0] {
                    let first = o / outputs * channels;
                    for c in 0..channels {
                        let tap = w0 + o * w.strides[0] + c * w.strides[1];
                        each(x0 + (first + c) * x.strides[1], tap, y0 + o * y.strides[1]);
                    }
                }
            }
        }
    }
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{channels_last, numbers, row_major};

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn a_kernel_of_one_tap_beside_the_image_shifts_it() {
        let p = Conv::padded(1);
        let (x, w) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
        let mut y = [0.0; 6];
        let (image, kernel) = (row_major(&[1, 1, 2, 3]), row_major(&[1, 1, 3, 3]));
        let bias = View::of(&[0.5], row_major(&[1])).unwrap();
        let (x, w) = (View::of(&x, image).unwrap(), View::of(&w, kernel).unwrap());
        forward::<f64>(&p, x, w, Some(bias), ViewMut::of(&mut y, image).unwrap()).unwrap();
        assert_eq!(y, [4.5, 6.5, 0.5, 10.5, 12.5, 0.5]);
    }

    /// `<g, conv(x, w)> = <input_gradient(g, w), x> = <weight_gradient(x, g), w>`
    #[test]
    fn the_gradients_are_adjoints() {
        let p = Conv { stride: [2, 1], padding: [[0, 1], [2, 1]], dilation: [1, 2], groups: 2 };
        let (xl, wl) = (channels_last(&[2, 4, 7, 6]), row_major(&[6, 2, 3, 2]));
        let yl = channels_last(&p.output_shape(&xl.shape, &wl.shape).unwrap());
        let (x, w, g) = (numbers(1, xl.count()), numbers(2, wl.count()), numbers(3, yl.count()));
        let (xv, wv, gv) = (View::of(&x, xl).unwrap(), View::of(&w, wl).unwrap(), View::of(&g, yl).unwrap());
        let (mut y, mut dx, mut dw) = (g.clone(), x.clone(), w.clone());
        forward::<f64>(&p, xv, wv, None, ViewMut::of(&mut y, yl).unwrap()).unwrap();
        input_gradient::<f64>(&p, gv, wv, ViewMut::of(&mut dx, xl).unwrap()).unwrap();
        weight_gradient::<f64>(&p, xv, gv, ViewMut::of(&mut dw, wl).unwrap()).unwrap();
        let want = dot(&g, &y);
        assert!(want.abs() > 0.1);
        assert!((dot(&dx, &x) - want).abs() < 1e-12 && (dot(&dw, &w) - want).abs() < 1e-12);
    }
}
