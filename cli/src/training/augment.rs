//! The images a classifier is trained on: digits changed at random, and what is not one digit.
//!
//! What happens to an image is a function of the seed, the step and its place in the batch.

use super::images::pixel;
use crate::preset::Augment;
use data::Split;
use data::mnist::{CLASSES, SIDE};
use data::warp::{self, BACKGROUND, Image, Move};
use methods::control::cmad::stripe_heights;
use methods::{Noise, Place, Purpose};
use std::ops::Range;
use tensor::ops::random::{Stream, words};
use tensor::{DType, Device, Tensor};

/// The class of what is not one digit.
pub const NONE: u8 = CLASSES;

/// Random numbers of one image.
struct Draws {
    stream: Stream,
    sample: u32,
    block: u32,
}

impl Draws {
    /// In [0, 1), to 2^-32.
    fn unit(&mut self) -> f64 {
        self.block += 1;
        f64::from(words(&self.stream, self.sample, self.block)[0]) / 2f64.powi(32)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    fn with_chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }
}

/// What images a training draws.
pub struct Augmentation<'a> {
    /// The digits.
    pub split: &'a Split,
    /// Those of them that are used.
    pub used: Range<usize>,
    /// How they are changed.
    pub how: Augment,
    /// The source of all chance.
    pub noise: Noise,
}

impl Augmentation<'_> {
    /// The digits at `indices`, changed or replaced: `[n, 1, 28, 28]`, and their classes `[n]`.
    pub fn batch(&self, device: &Device, indices: &[usize], step: u64) -> anyhow::Result<(Tensor, Tensor)> {
        let n = indices.len();
        let (mut pixels, mut classes, mut deviations) = (Vec::with_capacity(n * SIDE * SIDE), vec![], vec![]);
        for (place, &index) in indices.iter().enumerate() {
            let stream = self.noise.stream(Purpose::Augment, step as usize);
            let mut draws = Draws { stream, sample: place as u32, block: 0 };
            let (image, class) = self.example(index, &mut draws)?;
            pixels.extend_from_slice(&image);
            classes.push(i64::from(class));
            deviations.push(draws.between(0.0, self.how.noise) as f32);
        }
        let images = Tensor::from_slice(device, &[n, 1, SIDE, SIDE], &pixels)?;
        let classes = Tensor::from_slice(device, &[n], &classes)?;
        if self.how.noise == 0.0 {
            return Ok((images, classes));
        }
        let deviations = Tensor::from_slice(device, &[n, 1, 1, 1], &deviations)?;
        let place = Place { device, dtype: DType::F32, shape: images.shape() };
        let drawn = self.noise.normal(Purpose::TrainNoise, step as usize, &place, 0)?;
        Ok((images.add(&drawn.mul(&deviations)?)?, classes))
    }

    /// Stripes of different digits, `[count, 1, 28, 28]`.
    pub fn patchworks(&self, device: &Device, count: usize, step: u64) -> anyhow::Result<Tensor> {
        let mut pixels = Vec::with_capacity(count * SIDE * SIDE);
        for place in 0..count {
            let stream = self.noise.stream(Purpose::Augment, step as usize);
            pixels.extend_from_slice(&self.patchwork(&mut Draws { stream, sample: place as u32, block: 0 })?);
        }
        Ok(Tensor::from_slice(device, &[count, 1, SIDE, SIDE], &pixels)?)
    }

    /// One image and its class, without noise.
    fn example(&self, index: usize, draws: &mut Draws) -> anyhow::Result<(Image, u8)> {
        let how = &self.how;
        let (mut image, class) = match draws.with_chance(how.none) {
            true => (self.no_digit(draws)?, NONE),
            false => (self.digit(index, draws), self.split.labels[index]),
        };
        if draws.with_chance(how.strokes) {
            image = warp::strokes(&image, draws.between(-0.7, 1.0) as f32);
        }
        if draws.with_chance(how.bars) {
            bar(&mut image, draws);
        }
        Ok((image, class))
    }

    /// A digit, moved.
    fn digit(&self, index: usize, draws: &mut Draws) -> Image {
        let mut image = [BACKGROUND; SIDE * SIDE];
        let bytes = self.split.image(index).unwrap_or_default();
        image.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = pixel(byte));
        let Augment { shift, rotate, scale, .. } = self.how;
        let mut within = |most: f64| draws.between(-most, most);
        let how = Move {
            angle: within(rotate.to_radians()),
            scale: 1.0 + within(scale),
            shift: [within(shift), within(shift)],
        };
        warp::moved(&image, &how)
    }

    /// Stripes of different digits, as agents that do not agree would make them; bars; pure noise; an even grey.
    fn no_digit(&self, draws: &mut Draws) -> anyhow::Result<Image> {
        Ok(match draws.unit() {
            0.0..0.7 => self.patchwork(draws)?,
            0.7..0.8 => {
                let mut image = [BACKGROUND; SIDE * SIDE];
                (0..1 + draws.below(4)).for_each(|_| bar(&mut image, draws));
                image
            }
            0.8..0.9 => {
                let (level, size) = (draws.between(-1.0, 0.0), draws.between(0.3, 1.5));
                std::array::from_fn(|_| (level + size * draws.between(-1.0, 1.0)) as f32)
            }
            _ => {
                let brightest = if draws.with_chance(0.5) { -0.9 } else { 1.0 };
                [draws.between(-1.0, brightest) as f32; SIDE * SIDE]
            }
        })
    }

    /// Two to four stripes, no two of one digit next to each other.
    fn patchwork(&self, draws: &mut Draws) -> anyhow::Result<Image> {
        let agents = 2 + draws.below(3);
        let (mut stripes, mut last) = (vec![], None);
        while stripes.len() < agents {
            let index = self.used.start + draws.below(self.used.len());
            let label = Some(self.split.labels[index]);
            // Where a data set has one class only, anything is taken.
            if label != last || draws.with_chance(0.01) {
                stripes.push(self.digit(index, draws));
                last = label;
            }
        }
        Ok(warp::stacked(&stripes, &stripe_heights(agents, SIDE)?))
    }
}

/// A bar across the image, or a block, of any grey.
fn bar(image: &mut Image, draws: &mut Draws) {
    let level = draws.between(-1.0, 1.0) as f32;
    let (first, width) = (draws.below(SIDE), 1 + draws.below(4));
    match draws.below(3) {
        0 => warp::cover(image, first..first + width, 0..SIDE, level),
        1 => warp::cover(image, 0..SIDE, first..first + width, level),
        _ => {
            let (left, height) = (draws.below(SIDE), 3 + draws.below(5));
            warp::cover(image, first..first + height, left..left + 2 + width, level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Augment =
        Augment { shift: 0.0, rotate: 0.0, scale: 0.0, strokes: 0.0, bars: 0.0, noise: 0.0, none: 0.0 };

    fn split() -> Split {
        let images = (0..40 * 784).map(|i| if i % 784 / 28 == i / 784 % 28 { 255 } else { 0 }).collect();
        Split { images, labels: (0..40).map(|i| i % 10).collect() }
    }

    fn drawn(how: Augment, indices: &[usize], step: u64) -> (Vec<f32>, Vec<i64>) {
        let split = split();
        let all = Augmentation { split: &split, used: 0..40, how, noise: Noise::new(3) };
        let (images, classes) = all.batch(&Device::cpu(1), indices, step).unwrap();
        (images.to_vec().unwrap(), classes.to_vec().unwrap())
    }

    #[test]
    fn nothing_asked_for_is_nothing_done() {
        let (images, classes) = drawn(PLAIN, &[3, 12], 5);
        let want: Vec<f32> = [3, 12]
            .iter()
            .flat_map(|&i| split().image(i).unwrap().iter().map(|&byte| pixel(byte)).collect::<Vec<_>>())
            .collect();
        assert_eq!((images, classes), (want, vec![3, 2]));
    }

    #[test]
    fn an_image_depends_on_step_and_place_alone() {
        let how = Augment { shift: 2.0, rotate: 9.0, scale: 0.1, strokes: 0.5, bars: 0.5, noise: 0.6, none: 0.5 };
        let (all, classes) = drawn(how, &[1, 2, 3, 4], 7);
        let (again, _) = drawn(how, &[1, 2], 7);
        assert_eq!((&all[..1568], classes.len()), (&again[..], 4));
        assert_ne!(all, drawn(how, &[1, 2, 3, 4], 8).0);
        assert!(all.iter().all(|pixel| pixel.is_finite() && pixel.abs() < 6.0));
    }

    #[test]
    fn what_is_no_digit_is_the_eleventh_class_as_often_as_asked() {
        let (images, classes) = drawn(Augment { none: 0.25, ..PLAIN }, &[5; 400], 0);
        let share = classes.iter().filter(|&&class| class == i64::from(NONE)).count();
        assert!((70..130).contains(&share), "{share}");
        let unlike =
            images.chunks(784).zip(&classes).all(|(image, &class)| (class == 5) == (image == &images_of(5)[..]));
        assert!(unlike);
    }

    fn images_of(index: usize) -> Vec<f32> {
        drawn(PLAIN, &[index], 0).0
    }
}
