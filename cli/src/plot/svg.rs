//! Drawing a plot: legend, axes with their rules, then the series, each from the back to the front.

use super::axis::Ruler;
use super::{Mark, Plot, Point, Series};
use crate::markup::escape;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const PLOT_HEIGHT: f64 = 280.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const BELOW: f64 = 44.0;
const LINE_HEIGHT: f64 = 20.0;
const COLOURS: usize = 6;

pub(super) fn draw(plot: &Plot) -> String {
    let mut legend = String::new();
    let legend_height = draw_legend(plot, &mut legend);
    let top = legend_height + 30.0; // the upright axis has its label above it
    let frame = Frame::new(plot, top);
    let mut out = String::new();
    let height = top + PLOT_HEIGHT + BELOW;
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
         <title>{} over {}</title><style>{}</style><rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"6\"/>{legend}",
        escape(&plot.y.label),
        escape(&plot.x.label),
        include_str!("style.css"),
    );
    frame.draw_axes(plot, &mut out);
    for (name, y) in plot.lines_across.iter().filter(|(_, y)| plot.y.scale.has(*y)) {
        let y = frame.y.place(*y);
        let title = escape(name);
        let _ =
            write!(out, "<path class=\"across\" d=\"M{LEFT} {y:.1}H{}\"><title>{title}</title></path>", WIDTH - RIGHT);
    }
    plot.series.iter().enumerate().for_each(|(index, series)| frame.draw_series(plot, index, series, &mut out));
    out + "</svg>\n"
}

struct Frame {
    x: Ruler,
    y: Ruler,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn new(plot: &Plot, top: f64) -> Frame {
        let bottom = top + PLOT_HEIGHT;
        let bars = !plot.categories.is_empty();
        let room = if plot.series.iter().any(|series| series.mark != Mark::Line) { 0.04 } else { 0.0 };
        let across = [LEFT, WIDTH - RIGHT];
        let x = match bars {
            true => Ruler::around([-0.5, plot.categories.len() as f64 - 0.5].into_iter(), plot.x.scale, 0.0, across),
            false => Ruler::around(plot.visible().map(|point| point.x), plot.x.scale, room, across),
        };
        let heights = plot.visible().flat_map(|point| point.interval.into_iter().flatten().chain([point.y]));
        let heights = heights.chain(plot.lines_across.iter().map(|(_, y)| *y));
        let y = Ruler::around(heights, plot.y.scale, 0.05, [bottom, top]);
        let y = if bars && plot.y.scale == super::Scale::Linear { y.with_zero() } else { y };
        let between = |ruler: Ruler, range: Option<[f64; 2]>| range.map_or(ruler, |range| ruler.between(range));
        Frame { x: between(x, plot.x.range), y: between(y, plot.y.range), top, bottom }
    }

    fn draw_axes(&self, plot: &Plot, out: &mut String) {
        let Frame { x, y, top, bottom } = self;
        let right = WIDTH - RIGHT;
        for (at, text) in y.ticks(5, 0.0) {
            let _ = write!(out, "<path class=\"rule\" d=\"M{LEFT} {at:.1}H{right}\"/>");
            let _ = write!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 8.0, at + 4.0);
        }
        let names = plot.categories.iter().enumerate().map(|(at, name)| (x.place(at as f64), escape(name)));
        let least = if plot.visible().all(|point| point.x.fract() == 0.0) { 1.0 } else { 0.0 };
        let ticks = if plot.categories.is_empty() { x.ticks(7, least) } else { names.collect() };
        for (at, text) in ticks {
            if plot.categories.is_empty() {
                let _ = write!(out, "<path class=\"axis\" d=\"M{at:.1} {bottom}v4\"/>");
            }
            let _ = write!(out, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>", bottom + 18.0);
        }
        let _ = write!(out, "<path class=\"axis\" d=\"M{LEFT} {bottom}H{right}\"/>");
        let (label_x, label_y) = (escape(&plot.x.label), escape(&plot.y.label));
        let _ = write!(out, "<text class=\"label\" x=\"12\" y=\"{}\">{label_y}</text>", top - 13.0);
        let below = bottom + 37.0;
        let _ = write!(out, "<text class=\"label\" x=\"{right}\" y=\"{below}\" text-anchor=\"end\">{label_x}</text>");
    }

    fn draw_series(&self, plot: &Plot, index: usize, series: &Series, out: &mut String) {
        let drawn = |point: &Point| plot.x.scale.has(point.x) && plot.y.scale.has(point.y);
        let colour = format!("var(--s{})", index % COLOURS);
        if series.mark == Mark::Bars {
            return self.draw_bars(plot, index, &colour, series, out);
        }
        if matches!(series.mark, Mark::Line | Mark::LineWithPoints) {
            if series.mark == Mark::Line {
                self.draw_band(series, &drawn, &colour, out);
            }
            // A point that cannot be drawn is a gap in the line.
            for run in series.points.split(|point| !drawn(point)).filter(|run| !run.is_empty()) {
                let dash = if index >= COLOURS { " stroke-dasharray=\"7 4\"" } else { "" };
                let path = self.path(run.iter().map(|point| (point.x, point.y)));
                let _ = write!(out, "<path class=\"line\" stroke=\"{colour}\"{dash} d=\"M{path}\"/>");
            }
        }
        if series.mark != Mark::Line {
            for point in series.points.iter().filter(|point| drawn(point)) {
                let (x, y) = (self.x.place(point.x), self.y.place(point.y));
                self.draw_error(x, point, plot, &colour, out);
                let title = escape(&format!("{} ({}, {})", series.name, point.x, point.y));
                let shape = marker(index, x, y);
                let _ =
                    write!(out, "<path class=\"mark\" fill=\"{colour}\" d=\"{shape}\"><title>{title}</title></path>");
            }
        }
    }

    fn draw_bars(&self, plot: &Plot, index: usize, colour: &str, series: &Series, out: &mut String) {
        let bars: Vec<_> = (0..plot.series.len()).filter(|&at| plot.series[at].mark == Mark::Bars).collect();
        let slot = (WIDTH - RIGHT - LEFT) / plot.categories.len().max(1) as f64;
        let width = (slot * 0.72 / bars.len().max(1) as f64).min(48.0);
        let rank = bars.iter().position(|&at| at == index).unwrap_or(0) as f64 - bars.len() as f64 / 2.0;
        for point in series.points.iter().filter(|point| plot.y.scale.has(point.y)) {
            let left = self.x.place(point.x) + rank * width;
            let base = if plot.y.scale.has(0.0) { self.y.place(0.0) } else { self.bottom };
            let tip = self.y.place(point.y);
            let (top, height) = (tip.min(base), (tip - base).abs());
            let title = escape(&format!("{} {}: {}", series.name, plot.categories[point.x as usize], point.y));
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"1.5\" fill=\"{colour}\">\
                 <title>{title}</title></rect>",
                left + 0.75,
                width - 1.5,
            );
            self.draw_error(left + width / 2.0, point, plot, "var(--ink)", out);
        }
    }

    fn draw_error(&self, x: f64, point: &Point, plot: &Plot, colour: &str, out: &mut String) {
        let Some([low, high]) = point.interval else { return };
        let end = |value: f64, beyond: f64| if plot.y.scale.has(value) { self.y.place(value) } else { beyond };
        let (low, high) = (end(low, self.bottom), end(high, self.top));
        let (left, right) = (x - 4.0, x + 4.0);
        let _ = write!(
            out,
            "<path class=\"error\" fill=\"none\" stroke=\"{colour}\" \
             d=\"M{x:.1} {low:.1}V{high:.1}M{left:.1} {low:.1}H{right:.1}M{left:.1} {high:.1}H{right:.1}\"/>"
        );
    }

    fn draw_band(&self, series: &Series, drawn: &dyn Fn(&Point) -> bool, colour: &str, out: &mut String) {
        let ends = |point: &Point| point.interval.filter(|_| drawn(point)).map(|[low, high]| (point.x, low, high));
        let band: Vec<_> = series.points.iter().filter_map(ends).collect();
        if band.len() > 1 {
            let there = self.path(band.iter().map(|&(x, low, _)| (x, low)));
            let back = self.path(band.iter().rev().map(|&(x, _, high)| (x, high)));
            let _ = write!(out, "<path class=\"band\" fill=\"{colour}\" d=\"M{there}L{back}Z\"/>");
        }
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let places: Vec<_> = points.map(|(x, y)| format!("{:.1} {:.1}", self.x.place(x), self.y.place(y))).collect();
        places.join("L")
    }
}

/// Draws the names with their marks, on as many lines as they take; the height of all.
fn draw_legend(plot: &Plot, out: &mut String) -> f64 {
    let (mut x, mut y) = (12.0, 8.0);
    let mut entry = |name: &str, key: &dyn Fn(f64, f64) -> String| {
        let width = 30.0 + 6.8 * name.chars().count() as f64;
        if x > 12.0 && x + width > WIDTH - RIGHT {
            (x, y) = (12.0, y + LINE_HEIGHT);
        }
        let middle = y + LINE_HEIGHT / 2.0;
        let _ = write!(
            out,
            "{}<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            key(x, middle),
            x + 24.0,
            middle + 4.0,
            escape(name)
        );
        x += width + 12.0;
    };
    for (index, series) in plot.series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
        let colour = format!("var(--s{})", index % COLOURS);
        entry(&series.name, &|x, y| {
            let mark = match series.mark {
                Mark::Bars => format!("M{} {}h12v12h-12Z", x + 3.0, y - 6.0),
                _ => marker(index, x + 9.0, y),
            };
            let line = format!("<path class=\"line\" stroke=\"{colour}\" d=\"M{x} {y}h18\"/>");
            let mark = format!("<path class=\"mark\" fill=\"{colour}\" d=\"{mark}\"/>");
            match series.mark {
                Mark::Line => line,
                Mark::LineWithPoints => line + &mark,
                Mark::Points | Mark::Bars => mark,
            }
        });
    }
    for (name, _) in &plot.lines_across {
        entry(name, &|x, y| format!("<path class=\"across\" d=\"M{x} {y}h18\"/>"));
    }
    if x > 12.0 { y + LINE_HEIGHT } else { 0.0 }
}

/// A shape for each series, for readers who do not see its colour.
pub(super) fn marker(index: usize, x: f64, y: f64) -> String {
    match index % 4 {
        0 => format!("M{:.1} {y:.1}a4.2 4.2 0 1 0 8.4 0a4.2 4.2 0 1 0 -8.4 0Z", x - 4.2),
        1 => format!("M{:.1} {:.1}h7.4v7.4h-7.4Z", x - 3.7, y - 3.7),
        2 => format!("M{x:.1} {:.1}l5 5l-5 5l-5 -5Z", y - 5.0),
        _ => format!("M{x:.1} {:.1}l5 8.6h-10Z", y - 5.2),
    }
}
