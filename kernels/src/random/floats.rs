//! From random words to f32, in operations that round the same everywhere.
//!
//! Only exact integer steps, correctly rounded `+ - * sqrt`, conversions to nearest, and explicit fused multiply-adds: a
//! CUDA kernel repeats the bits with `__fmaf_rn`, `__fmul_rn`, `__fadd_rn`, `__fsqrt_rn`, `__uint2float_rn` and
//! `__int2float_rn`. No libm. Without a hardware fma `mul_add` is slow, but its bits are the same.
//!
//! * [`uniform`]: the upper 24 bits of a word, times 2^-24: [0, 1), every value exact.
//! * [`normals`]: Box-Muller on two words, `sqrt(-2 ln u) (cos a, sin a)`, with u = (w + 1/2) 2^-32 rounded to f32, so in
//!   (0, 1] and normals reach 6.76, and a = 2 pi w' / 2^32.

const TWO_TO_MINUS_24: f32 = 5.960_464_5e-8;
const TWO_TO_MINUS_32: f32 = 2.328_306_4e-10;
const TWO_TO_MINUS_33: f32 = 1.164_153_2e-10;

/// [0, 1) from one word.
#[inline(always)]
pub fn uniform(word: u32) -> f32 {
    (word >> 8) as f32 * TWO_TO_MINUS_24
}

/// Two independent standard normals from two words.
#[inline(always)]
pub fn normals(radius: u32, angle: u32) -> [f32; 2] {
    let u = (radius as f32).mul_add(TWO_TO_MINUS_32, TWO_TO_MINUS_33);
    let r = (-2.0 * ln(u)).sqrt();
    let [cos, sin] = turn(angle);
    [r * cos, r * sin]
}

/// Natural logarithm of a normal positive number, to 1 ulp: x = m 2^e with m in [sqrt(1/2), sqrt(2)), then
/// ln m = f - f^2 / 2 + f^3 P(f), f = m - 1, P minimax of degree 7.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4]; // 9 bits, so that e times it is exact; and the rest
    const P: [f32; 8] = [
        -7.634_499e-2,
        1.276_157_8e-1,
        -1.316_018_3e-1,
        1.420_175_7e-1,
        -1.662_335_7e-1,
        2.000_122_7e-1,
        -2.500_082e-1,
        3.333_333e-1,
    ];
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF);
    let e = (shifted as i32 >> 23) as f32;
    let f = f32::from_bits((shifted & 0x007F_FFFF) + SQRT_HALF) - 1.0;
    let f2 = f * f;
    let cubic = f2 * f * polynomial(&P, f);
    let small = e.mul_add(LN_2[1], f2.mul_add(-0.5, cubic));
    e.mul_add(LN_2[0], f + small)
}

/// `[cos, sin]` of `2 pi word / 2^32`, to 1.5 ulp: the nearest quarter turn is taken off in integers, what is left is
/// t quarter turns, |t| <= 1/2, and both functions are minimax polynomials in t^2.
#[inline(always)]
fn turn(word: u32) -> [f32; 2] {
    const HALF_PI: [f32; 2] = [1.570_796_4, -4.371_139e-8];
    const SIN: [f32; 4] = [-4.601_658e-3, 7.968_003e-2, -6.459_635e-1, HALF_PI[1]];
    const COS: [f32; 4] = [9.037_665_4e-4, -2.086_016_5e-2, 2.536_692_3e-1, -1.233_700_5];
    let quarter = word.wrapping_add(1 << 29) >> 30;
    let t = (word << 2) as i32 as f32 * TWO_TO_MINUS_32;
    let t2 = t * t;
    let sin = t.mul_add(HALF_PI[0], t * polynomial(&SIN, t2));
    let cos = t2.mul_add(polynomial(&COS, t2), 1.0);
    // A quarter turn sends (cos, sin) to (-sin, cos).
    let (x, y) = if quarter & 1 == 0 { (cos, sin) } else { (sin, cos) };
    let (flip_x, flip_y) = ((quarter.wrapping_add(1) & 2) << 30, (quarter & 2) << 30);
    [f32::from_bits(x.to_bits() ^ flip_x), f32::from_bits(y.to_bits() ^ flip_y)]
}

/// Horner's rule in fused steps, highest power first.
#[inline(always)]
fn polynomial(coefficients: &[f32], x: f32) -> f32 {
    let mut value = coefficients[0];
    for &c in &coefficients[1..] {
        value = value.mul_add(x, c);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let ulp = f64::from(f32::EPSILON) * 2f64.powi(want.abs().log2().floor() as i32);
        (f64::from(got) - want).abs() / ulp
    }

    #[test]
    fn logarithm_to_an_ulp() {
        let (mut worst, step) = (0f64, 0.000_03);
        for i in 0..=(33.0f64 / step) as u64 {
            let x = 2f64.powf(-(i as f64) * step) as f32;
            if x < 1.0 {
                worst = worst.max(ulps(ln(x), f64::from(x).ln()));
            }
        }
        for below_one in 1..100_000 {
            let x = 1.0 - below_one as f32 * f32::EPSILON / 2.0;
            worst = worst.max(ulps(ln(x), f64::from(x).ln()));
        }
        assert!(worst < 1.0, "ln is off by {worst} ulp");
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn sine_and_cosine_to_an_ulp_and_a_half() {
        let mut worst = 0f64;
        for word in (0..=u32::MAX)
            .step_by(4099)
            .chain((0..32).flat_map(|i| [(i << 27), (i << 27) | 1, (i << 27) - (i > 0) as u32]))
        {
            let angle = f64::from(word) / 2f64.powi(32);
            // Exact quarter turns are taken out first: f64's own reduction of 2 pi u loses what a small sine needs.
            let left = angle * 4.0 - (angle * 4.0).round();
            let (s, c) = (left * std::f64::consts::FRAC_PI_2).sin_cos();
            let want = [[c, s], [-s, c], [-c, -s], [s, -c]][(angle * 4.0).round() as usize % 4];
            for (got, want) in turn(word).into_iter().zip(want) {
                if want != 0.0 {
                    worst = worst.max(ulps(got, want));
                } else {
                    assert_eq!(got, 0.0);
                }
            }
        }
        assert!(worst < 1.5, "sine or cosine is off by {worst} ulp");
    }

    #[test]
    fn the_ends_of_the_word_range() {
        assert_eq!(uniform(0), 0.0);
        assert_eq!(uniform(u32::MAX), 1.0 - f32::EPSILON / 2.0);
        assert_eq!(normals(u32::MAX, 0), [0.0, 0.0]);
        let [far, zero] = normals(0, 0);
        assert!((far - 6.7638).abs() < 1e-3 && zero == 0.0, "{far} {zero}");
    }

    /// Bits that must never change, and that another device must repeat.
    #[test]
    fn pinned_bits() {
        let words = [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8];
        let [a, b] = normals(words[0], words[1]);
        let [c, d] = normals(words[2], words[3]);
        assert_eq!([a, b, c, d].map(f32::to_bits), [0x3F7D_BB31, 0xBF6C_B6B0, 0xBF1E_1B9F, 0xBEF6_D1B2]);
        assert_eq!(words.map(|w| uniform(w).to_bits()), [0x3ECC_4FD0, 0x3F61_69C5, 0x3F3C_57AC, 0x3F1B_00DB]);
    }
}
