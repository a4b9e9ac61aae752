//! Changes of digits: moved, turned and resized; strokes thicker or thinner; covered, and put together from stripes.

use crate::mnist::SIDE;
use std::ops::Range;

/// 28 x 28, row-major: -1 background, 1 ink.
pub type Image = [f32; SIDE * SIDE];

/// What lies outside an image.
pub const BACKGROUND: f32 = -1.0;

/// A move about the centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Move {
    /// In radians, clockwise on the screen.
    pub angle: f64,
    /// Above 1 is larger.
    pub scale: f64,
    /// In pixels: down, right.
    pub shift: [f64; 2],
}

/// The image after a move, interpolated linearly.
pub fn moved(image: &Image, how: &Move) -> Image {
    let (sine, cosine) = how.angle.sin_cos();
    let centre = (SIDE as f64 - 1.0) / 2.0;
    std::array::from_fn(|at| {
        // Where the pixel comes from: the move undone.
        let y = ((at / SIDE) as f64 - centre - how.shift[0]) / how.scale;
        let x = ((at % SIDE) as f64 - centre - how.shift[1]) / how.scale;
        interpolated(image, centre + cosine * y - sine * x, centre + sine * y + cosine * x)
    })
}

fn interpolated(image: &Image, y: f64, x: f64) -> f32 {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = ((y - top) as f32, (x - left) as f32);
    let pixel = |dy: i64, dx: i64| at(image, top as i64 + dy, left as i64 + dx);
    let upper = pixel(0, 0) * (1.0 - right) + pixel(0, 1) * right;
    let lower = pixel(1, 0) * (1.0 - right) + pixel(1, 1) * right;
    upper * (1.0 - down) + lower * down
}

fn at(image: &Image, y: i64, x: i64) -> f32 {
    let inside = 0..SIDE as i64;
    if inside.contains(&y) && inside.contains(&x) { image[y as usize * SIDE + x as usize] } else { BACKGROUND }
}

/// Strokes made thicker by up to a pixel all around (`amount` 1) or thinner (-1): between a pixel and the brightest or
/// darkest of itself and its four neighbours.
pub fn strokes(image: &Image, amount: f32) -> Image {
    let extreme = |a: f32, b: f32| if amount > 0.0 { a.max(b) } else { a.min(b) };
    std::array::from_fn(|i| {
        let (y, x) = ((i / SIDE) as i64, (i % SIDE) as i64);
        let most = [(-1, 0), (1, 0), (0, -1), (0, 1)]
            .iter()
            .fold(image[i], |most, (dy, dx)| extreme(most, at(image, y + dy, x + dx)));
        image[i] + amount.abs().min(1.0) * (most - image[i])
    })
}

/// Paints a rectangle. What lies outside the image is left out.
pub fn cover(image: &mut Image, rows: Range<usize>, columns: Range<usize>, level: f32) {
    for y in rows.start..rows.end.min(SIDE) {
        for x in columns.start..columns.end.min(SIDE) {
            image[y * SIDE + x] = level;
        }
    }
}

/// Stripes from top to bottom, each as many rows high as `heights` says and from the image of its turn.
pub fn stacked(images: &[Image], heights: &[usize]) -> Image {
    let mut out = [BACKGROUND; SIDE * SIDE];
    let mut top = 0;
    for (image, height) in images.iter().zip(heights) {
        let rows = SIDE * top..SIDE * (top + height).min(SIDE);
        out[rows.clone()].copy_from_slice(&image[rows]);
        top = (top + height).min(SIDE);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Move = Move { angle: 0.0, scale: 1.0, shift: [0.0; 2] };

    fn dot(y: usize, x: usize) -> Image {
        let mut image = [BACKGROUND; SIDE * SIDE];
        image[y * SIDE + x] = 1.0;
        image
    }

    #[test]
    fn moves() {
        assert_eq!(moved(&dot(3, 4), &STILL), dot(3, 4));
        assert_eq!(moved(&dot(3, 4), &Move { shift: [2.0, -1.0], ..STILL }), dot(5, 3));
        assert_eq!(moved(&dot(0, 0), &Move { shift: [-1.0, 0.0], ..STILL }), [BACKGROUND; SIDE * SIDE]);
        let halves = moved(&dot(3, 4), &Move { shift: [0.0, 0.5], ..STILL });
        assert_eq!((halves[3 * SIDE + 4], halves[3 * SIDE + 5]), (0.0, 0.0));
        // A quarter turn takes the top left to the top right.
        let turned = moved(&dot(2, 2), &Move { angle: std::f64::consts::FRAC_PI_2, ..STILL });
        assert!((turned[2 * SIDE + 25] - 1.0).abs() < 1e-5);
        let larger = moved(&dot(13, 13), &Move { scale: 2.0, ..STILL });
        assert!(larger.iter().sum::<f32>() > dot(13, 13).iter().sum::<f32>() + 4.0);
    }

    #[test]
    fn strokes_grow_and_shrink() {
        let plus = strokes(&dot(5, 5), 1.0);
        assert_eq!(plus.iter().filter(|&&pixel| pixel == 1.0).count(), 5);
        assert_eq!(strokes(&plus, -1.0), dot(5, 5));
        assert_eq!(strokes(&dot(5, 5), 0.5)[4 * SIDE + 5], 0.0);
        assert_eq!(strokes(&dot(5, 5), 0.0), dot(5, 5));
    }

    #[test]
    fn covers_and_stripes() {
        let mut image = [BACKGROUND; SIDE * SIDE];
        cover(&mut image, 26..40, 27..30, 0.5);
        assert_eq!(image.iter().filter(|&&pixel| pixel == 0.5).count(), 2);
        let out = stacked(&[[0.1; SIDE * SIDE], [0.2; SIDE * SIDE]], &[10, 18]);
        assert_eq!((out[9 * SIDE], out[10 * SIDE], out[27 * SIDE + 27]), (0.1, 0.2, 0.2));
        assert_eq!(stacked(&[[0.1; SIDE * SIDE]], &[99])[783], 0.1);
    }
}
