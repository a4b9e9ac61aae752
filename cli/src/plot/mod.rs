//! Plots as SVG: lines, points with error bars, bands and bars over labelled axes, readable in light and in dark.
//!
//! Written by hand rather than with a plotting library: the colours are CSS variables, so that one file suits both, and a
//! report can hold it inline. Points that are not finite, or have no logarithm on a logarithmic axis, are left out.

mod axis;
mod roofline;
mod svg;

pub use axis::Scale;
pub use roofline::{Dot, Roofline};

/// A plot: what is shown over which axes.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    x: Axis,
    y: Axis,
    series: Vec<Series>,
    lines_across: Vec<(String, f64)>,
    categories: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Axis {
    label: String,
    scale: Scale,
    range: Option<[f64; 2]>,
}

/// A value at a place, with the interval it may be in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The place.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// From and to, a confidence interval say.
    pub interval: Option<[f64; 2]>,
}

impl From<(f64, f64)> for Point {
    fn from((x, y): (f64, f64)) -> Point {
        Point { x, y, interval: None }
    }
}

impl From<(f64, f64, [f64; 2])> for Point {
    fn from((x, y, interval): (f64, f64, [f64; 2])) -> Point {
        Point { x, y, interval: Some(interval) }
    }
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    mark: Mark,
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Line,
    Points,
    LineWithPoints,
    Bars,
}

impl Plot {
    /// An empty plot; a label says what is measured and in which unit.
    pub fn new(x: &str, y: &str) -> Plot {
        let axis = |label: &str| Axis { label: label.into(), ..Axis::default() };
        Plot { x: axis(x), y: axis(y), ..Plot::default() }
    }

    /// With a logarithmic axis to the right.
    pub fn log_x(mut self) -> Plot {
        self.x.scale = Scale::Log;
        self
    }

    /// With a logarithmic axis upwards.
    pub fn log_y(mut self) -> Plot {
        self.y.scale = Scale::Log;
        self
    }

    /// With the axis upwards from `low` to `high`, whatever the points are.
    pub fn y_range(mut self, low: f64, high: f64) -> Plot {
        self.y.range = Some([low, high]);
        self
    }

    /// With a line through the points, in their order; intervals become a band. Many points are averaged to fewer.
    pub fn line(self, name: &str, points: impl IntoIterator<Item = impl Into<Point>>) -> Plot {
        self.with(name, Mark::Line, points)
    }

    /// With the points; intervals become error bars.
    pub fn points(self, name: &str, points: impl IntoIterator<Item = impl Into<Point>>) -> Plot {
        self.with(name, Mark::Points, points)
    }

    /// With the points, joined in their order; intervals become error bars.
    pub fn line_with_points(self, name: &str, points: impl IntoIterator<Item = impl Into<Point>>) -> Plot {
        self.with(name, Mark::LineWithPoints, points)
    }

    /// With bars of the heights `values` (and their intervals) over named categories; several series stand side by side.
    pub fn bars<V: Into<f64>>(
        mut self,
        name: &str,
        categories: &[&str],
        values: impl IntoIterator<Item = (V, Option<[f64; 2]>)>,
    ) -> Plot {
        self.categories = categories.iter().map(ToString::to_string).collect();
        let points = values.into_iter().enumerate();
        let points: Vec<_> = points
            .map(|(x, (y, interval))| Point { x: x as f64, y: y.into(), interval })
            .take(categories.len())
            .collect();
        self.with(name, Mark::Bars, points)
    }

    /// With a dashed line across at the height `y`, a floor or a chance level say.
    pub fn line_across(mut self, name: &str, y: f64) -> Plot {
        self.lines_across.push((name.into(), y));
        self
    }

    /// The picture, as the text of an SVG file that can also stand inside HTML.
    pub fn svg(&self) -> String {
        svg::draw(self)
    }

    fn with(mut self, name: &str, mark: Mark, points: impl IntoIterator<Item = impl Into<Point>>) -> Plot {
        let points: Vec<Point> = points.into_iter().map(Into::into).collect();
        let points = if mark == Mark::Line { thinned(points) } else { points };
        self.series.push(Series { name: name.into(), mark, points });
        self
    }

    /// The points that can be drawn, of all series.
    fn visible(&self) -> impl Iterator<Item = &Point> {
        let drawn = |point: &&Point| self.x.scale.has(point.x) && self.y.scale.has(point.y);
        self.series.iter().flat_map(|series| &series.points).filter(drawn)
    }
}

/// A line has no more points than this; a screen has not many more columns.
const MOST_POINTS: usize = 600;

/// Means of as many consecutive points each as it takes to have few.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    let each = points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |group: &[Point], of: &dyn Fn(&Point) -> f64| group.iter().map(of).sum::<f64>() / group.len() as f64;
    let groups = points.chunks(each);
    let means = groups.map(|group| {
        let interval = group
            .iter()
            .all(|point| point.interval.is_some())
            .then(|| [0, 1].map(|end| mean(group, &|point| point.interval.map_or(f64::NAN, |interval| interval[end]))));
        Point { x: mean(group, &|point| point.x), y: mean(group, &|point| point.y), interval }
    });
    means.collect()
}

#[cfg(test)]
mod tests;
