//! The upper part of a roofline: its axes, the roofs, the dots with their numbers.

use super::labels::{self, Place};
use super::{BOTTOM, COLOURS, Dot, LEFT, RIGHT, Roofline, TOP, WIDTH, colour, is_drawn};
use crate::markup::escape;
use crate::plot::axis::{Ruler, Scale};
use crate::plot::svg::marker;
use std::fmt::Write;

/// From the name of one ceiling to the next.
const STAGGER: f64 = 180.0;

/// Both axes, and all that is drawn over them.
pub(super) struct Axes {
    x: Ruler,
    y: Ruler,
}

impl Axes {
    /// Around all dots, the ridges where slope and ceilings meet, and the ceilings.
    pub(super) fn around(plot: &Roofline) -> Axes {
        let dots = || plot.numbered().map(|(_, _, dot)| dot).filter(|dot| is_drawn(dot));
        let ridges =
            plot.ceilings.iter().flat_map(|(_, speed)| [0.25, 4.0].map(|part| part * speed / plot.bandwidth.1));
        let x = Ruler::around(dots().map(|dot| dot.intensity).chain(ridges), Scale::Log, 0.05, [LEFT, WIDTH - RIGHT]);
        let speeds = dots().map(|dot| dot.speed).chain(plot.ceilings.iter().map(|(_, speed)| *speed));
        Axes { x, y: Ruler::around(speeds, Scale::Log, 0.06, [BOTTOM, TOP]) }
    }

    /// From the back to the front.
    pub(super) fn draw(&self, plot: &Roofline, out: &mut String) {
        self.draw_rules(out);
        let mut names = String::new();
        self.draw_roofs(plot, out, &mut names);
        self.draw_dots(plot, out);
        out.push_str(&names);
    }

    fn draw_rules(&self, out: &mut String) {
        let right = WIDTH - RIGHT;
        for (at, power) in self.y.powers() {
            let _ = write!(
                out,
                "<path class=\"rule\" d=\"M{LEFT} {at:.1}H{right}\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                at + 4.0,
                speed(power),
            );
        }
        for (at, text) in self.x.ticks(9, 0.0) {
            let _ = write!(
                out,
                "<path class=\"rule\" d=\"M{at:.1} {TOP}V{BOTTOM}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                BOTTOM + 18.0
            );
        }
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{right}\"/><text class=\"label\" x=\"12\" y=\"20\">FLOP/s</text>\
             <text class=\"label\" x=\"{right}\" y=\"{below}\" text-anchor=\"end\">FLOPs for a byte that must move</text>\
             <text x=\"12\" y=\"{below}\">Percent: of the roof above. What does no arithmetic is listed, and not drawn.</text>",
            below = BOTTOM + 37.0
        );
    }

    /// The slope up to the highest ceiling, and each ceiling from the slope on; the names are for after the dots.
    fn draw_roofs(&self, plot: &Roofline, out: &mut String, names: &mut String) {
        let ([left, right], [low, _]) = (self.x.ends(), self.y.ends());
        let (name, bandwidth) = &plot.bandwidth;
        let highest = plot.ceilings.iter().map(|(_, speed)| *speed).fold(low, f64::max);
        let (from, to) = (left.max(low / bandwidth), (highest / bandwidth).min(right));
        if !Scale::Log.has(*bandwidth) || from >= to {
            return;
        }
        let at = |intensity: f64| (self.x.place(intensity), self.y.place(intensity * bandwidth));
        let ((x, y), (end_x, end_y)) = (at(from), at(to));
        let angle = (end_y - y).atan2(end_x - x).to_degrees();
        let (middle_x, middle_y) = (x + 0.3 * (end_x - x), y + 0.3 * (end_y - y));
        let _ = write!(out, "<path class=\"roof\" d=\"M{x:.1} {y:.1}L{end_x:.1} {end_y:.1}\"/>");
        let _ = write!(
            names,
            "<text class=\"name\" transform=\"translate({middle_x:.1} {middle_y:.1}) rotate({angle:.1})\" y=\"-7\" \
             text-anchor=\"middle\">{}</text>",
            escape(name)
        );
        for (number, (name, speed)) in plot.ceilings.iter().enumerate() {
            let ((x, y), end) = (at((speed / bandwidth).clamp(left, right)), WIDTH - RIGHT);
            let _ = write!(out, "<path class=\"roof\" d=\"M{x:.1} {y:.1}H{end}\"/>");
            let _ = write!(
                names,
                "<text class=\"name\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                end - 4.0 - STAGGER * (number % 4) as f64, // names of equal heights side by side
                y - 6.0,
                escape(name)
            );
        }
    }

    fn draw_dots(&self, plot: &Roofline, out: &mut String) {
        let place = |dot: &Dot| (self.x.place(dot.intensity), self.y.place(dot.speed));
        let drawn: Vec<_> = plot.numbered().filter(|(_, _, dot)| is_drawn(dot)).collect();
        for pair in drawn.windows(2).filter(|pair| pair[0].2.name == pair[1].2.name) {
            let ((x, y), (to_x, to_y)) = (place(pair[0].2), place(pair[1].2));
            let stroke = colour(pair[0].1);
            let _ = write!(out, "<path class=\"step\" stroke=\"{stroke}\" d=\"M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}\"/>");
        }
        let dots: Vec<(f64, f64)> = drawn.iter().map(|(_, _, dot)| place(dot)).collect();
        let texts: Vec<String> = drawn.iter().map(|(number, _, _)| number.to_string()).collect();
        for (&(_, group, dot), &(x, y)) in drawn.iter().zip(&dots) {
            let (shape, title) = (marker(group / COLOURS, x, y), format!("{} {}: {}", dot.name, dot.version, dot.told));
            let _ = write!(
                out,
                "<path class=\"mark\" fill=\"{}\" d=\"{shape}\"><title>{}</title></path>",
                colour(group),
                escape(&title)
            );
        }
        let paper = [LEFT, TOP, WIDTH - RIGHT, BOTTOM];
        for ((Place { x, y, is_far }, text), (dot_x, dot_y)) in
            labels::place(&dots, &texts, paper).iter().zip(&texts).zip(&dots)
        {
            if *is_far {
                let _ = write!(out, "<path class=\"leader\" d=\"M{dot_x:.1} {dot_y:.1}L{x:.1} {y:.1}\"/>");
            }
            let _ = write!(
                out,
                "<text class=\"number\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                y + 3.5
            );
        }
    }
}

/// FLOPs a second at a power of ten: `100 M`, `1 T`.
fn speed(power: i32) -> String {
    let (thousands, rest) = (power.div_euclid(3), power.rem_euclid(3));
    let unit = usize::try_from(thousands).ok().and_then(|at| ["", " k", " M", " G", " T", " P"].get(at).copied());
    match unit {
        Some(unit) => format!("{}{unit}", 10u32.pow(rest as u32)),
        None => format!("10^{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::speed;

    #[test]
    fn speeds_by_their_powers() {
        assert_eq!([0, 4, 8, 9, 14, 20].map(speed), ["1", "10 k", "100 M", "1 G", "100 T", "10^20"]);
    }
}
