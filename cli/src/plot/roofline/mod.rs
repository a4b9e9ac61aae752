//! A roofline: how fast each thing computes over how much it computes for a byte, under the slope of the memory's bandwidth
//! and the ceilings of arithmetic (Williams, Waterman and Patterson 2009). Dots have numbers, a list below says what they are.

mod axes;
mod labels;
mod list;

use super::axis::Scale;
use axes::Axes;
use std::fmt::Write;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 520.0;
const COLOURS: usize = 6;

/// A roofline; speeds are in FLOPs and bytes a second.
#[derive(Clone, Debug, Default)]
pub struct Roofline {
    bandwidth: (String, f64),
    ceilings: Vec<(String, f64)>,
    groups: Vec<(String, Vec<Dot>)>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Dot {
    /// What it is; dots of one name in a row are joined, as steps of a ladder.
    pub name: String,
    /// Which step.
    pub version: String,
    /// FLOPs a byte; what has none is listed, and not drawn.
    pub intensity: f64,
    /// FLOPs a second.
    pub speed: f64,
    /// How fast that is, in words.
    pub told: String,
    /// Its part of the roof above it, or of the slope where there is no arithmetic.
    pub part: f64,
}

impl Roofline {
    /// An empty one, under a memory of that many bytes a second.
    pub fn new(name: &str, bandwidth: f64) -> Roofline {
        Roofline { bandwidth: (name.into(), bandwidth), ..Roofline::default() }
    }

    /// With a ceiling at so many FLOPs a second.
    pub fn ceiling(mut self, name: &str, speed: f64) -> Roofline {
        self.ceilings.extend(Scale::Log.has(speed).then(|| (name.into(), speed)));
        self
    }

    /// With dots of one colour and shape.
    pub fn group(mut self, name: &str, dots: Vec<Dot>) -> Roofline {
        self.groups.push((name.into(), dots));
        self
    }

    /// The picture, as the text of an SVG file that can also stand inside HTML.
    pub fn svg(&self) -> String {
        let (list, height) = list::draw(self);
        let axes = Axes::around(self);
        let mut out = String::new();
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
             <title>Roofline</title><style>{}</style><rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"6\"/>",
            include_str!("../style.css"),
        );
        axes.draw(self, &mut out);
        out + &list + "</svg>\n"
    }

    /// All dots, each with its number, and that of its group.
    fn numbered(&self) -> impl Iterator<Item = (usize, usize, &Dot)> {
        let dots =
            self.groups.iter().enumerate().flat_map(|(group, (_, dots))| dots.iter().map(move |dot| (group, dot)));
        dots.enumerate().map(|(at, (group, dot))| (at + 1, group, dot))
    }
}

fn is_drawn(dot: &Dot) -> bool {
    Scale::Log.has(dot.intensity) && Scale::Log.has(dot.speed)
}

fn colour(group: usize) -> String {
    format!("var(--s{})", group % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(version: &str, intensity: f64, speed: f64) -> Dot {
        Dot { name: "a<b".into(), version: version.into(), intensity, speed, told: "fast".into(), part: 0.9 }
    }

    #[test]
    fn dots_under_their_roofs() {
        let dots = vec![dot("v1", 10.0, 1e10), dot("v2", 10.0, 3e10), dot("v3", 0.0, 0.0)];
        let svg = Roofline::new("copies 10 GB/s", 1e10).ceiling("f32 50 GFLOP/s", 5e10).group("g", dots).svg();
        let count = |part: &str| svg.matches(part).count();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
        assert_eq!(count("class=\"roof\""), 2);
        assert_eq!(count("class=\"mark\""), 2 + 1, "with the list's, without what has no arithmetic");
        assert_eq!((count("class=\"step\""), count("class=\"number\"")), (1, 2));
        assert!(svg.contains("a&lt;b v3") && svg.contains("copies 10 GB/s"));
    }

    #[test]
    fn nothing_to_show_is_a_picture() {
        for bandwidth in [0.0, 1e10, f64::NAN] {
            let svg = Roofline::new("", bandwidth).ceiling("", f64::NAN).group("g", vec![dot("", f64::NAN, 1.0)]).svg();
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"));
        }
    }
}
