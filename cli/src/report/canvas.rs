//! Samples as pictures in the house style.

use data::grid::Grid;
use data::png_io::Picture;

/// Colours that tell agents apart, in light and in dark; the ninth agent has the first's again.
pub const AGENTS: [[u8; 3]; 8] = [
    [46, 160, 110],
    [58, 124, 220],
    [226, 124, 38],
    [176, 84, 190],
    [206, 172, 30],
    [40, 170, 190],
    [214, 74, 92],
    [130, 130, 210],
];

/// `images` `[n, c, h, w]` in [-1, 1] on one sheet with hair-thin dark lines between, `columns` in a row (0 for about as
/// many as rows); one image alone has no border. An error when the sizes do not fit.
pub fn sheet(images: &[f32], shape: [usize; 4], columns: usize) -> data::Result<Picture> {
    Grid { columns, scale: 1, border: usize::from(shape[0] > 1), background: 72 }.picture(images, shape)
}

/// Grey `images` `[n, 1, h, w]` in [-1, 1] as colour `[n, 3, h, w]`: where `mask` `[h, w]` is 1, black becomes a dark and
/// white a light shade of `colour`; where it is 0, they stay grey.
pub fn tint(images: &[f32], [h, w]: [usize; 2], mask: &[f32], colour: [u8; 3]) -> Vec<f32> {
    let colour = colour.map(|channel| f32::from(channel) / 255.0);
    let shade = |x: f32, inside: f32, hue: f32| {
        let grey = (x.clamp(-1.0, 1.0) + 1.0) / 2.0;
        let tinted = hue * 0.45 * (1.0 - grey) + (0.78 + 0.22 * hue) * grey;
        2.0 * (grey + inside * (tinted - grey)) - 1.0
    };
    let images = images.chunks_exact((h * w).max(1));
    let planes = images.flat_map(|image| colour.map(|hue| (image, hue)));
    planes.flat_map(|(image, hue)| image.iter().zip(mask).map(move |(&x, &inside)| shade(x, inside, hue))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_inside_is_coloured() {
        let images = [-1.0, 1.0, 0.2, -0.4, 5.0, f32::NAN];
        let tinted = tint(&images, [1, 3], &[1.0, 1.0, 0.0], [255, 0, 0]);
        assert_eq!(tinted.len(), 2 * 3 * 3);
        assert!([tinted[2], tinted[5], tinted[8]].iter().all(|x| (x - 0.2).abs() < 1e-6));
        assert!(tinted[0] > tinted[3] && tinted[3] == -1.0, "dark red");
        assert!(tinted[1] == 1.0 && tinted[4] > 0.5, "light red");
        assert!(sheet(&tinted, [2, 3, 1, 3], 2).is_ok());
        assert!(tint(&[], [0, 0], &[], [0; 3]).is_empty());
    }
}
