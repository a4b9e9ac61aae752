//! The lower part of a roofline: what the numbers of the dots mean.

use super::{BOTTOM, COLOURS, Dot, Roofline, WIDTH, colour};
use crate::markup::escape;
use crate::plot::svg::marker;
use std::fmt::Write;

/// Of the list: columns and the width of one, where it begins, the height of a line.
const COLUMNS: usize = 2;
const COLUMN: f64 = (WIDTH - 14.0) / COLUMNS as f64;
const LIST: f64 = BOTTOM + 62.0;
const LINE: f64 = 16.0;

/// What the numbers of the dots mean, and the height of the picture with it.
pub(super) fn draw(plot: &Roofline) -> (String, f64) {
    // With one to spare for each column that would end with a name.
    let lines = (plot.numbered().count() + plot.groups.len() + COLUMNS - 1).div_ceil(COLUMNS).max(3);
    let (mut out, mut line, mut before) = (String::new(), 0, None);
    for (number, group, dot) in plot.numbered() {
        if before.replace(group) != Some(group) {
            let is_last = (line + 1) % lines == 0;
            line += usize::from(is_last); // what is under a name is in its column
            list_group(group, &plot.groups[group].0, place(line, lines), &mut out);
            line += 1;
        }
        list_dot(number, dot, place(line, lines), &mut out);
        line += 1;
    }
    (out, LIST + line.min(lines) as f64 * LINE)
}

/// Where a line of the list goes, of so many a column.
fn place(line: usize, lines: usize) -> (f64, f64) {
    (14.0 + (line / lines) as f64 * COLUMN, LIST + (line % lines) as f64 * LINE)
}

fn list_group(group: usize, name: &str, (x, y): (f64, f64), out: &mut String) {
    let (mark, fill) = (marker(group / COLOURS, x + 9.0, y - 4.0), colour(group));
    let _ = write!(
        out,
        "<path class=\"mark\" fill=\"{fill}\" d=\"{mark}\"/><text class=\"label\" x=\"{}\" y=\"{y:.1}\">{}</text>",
        x + 28.0,
        escape(name)
    );
}

fn list_dot(number: usize, dot: &Dot, (x, y): (f64, f64), out: &mut String) {
    let mut text = |x: f64, anchor: &str, text: &str| {
        let _ = write!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(text));
    };
    text(x + 20.0, "end", &number.to_string());
    text(x + 28.0, "start", &format!("{} {}", dot.name, dot.version));
    text(x + COLUMN - 68.0, "end", &dot.told);
    text(x + COLUMN - 16.0, "end", &percent(dot.part));
}

/// What is no number is a dash.
fn percent(part: f64) -> String {
    if part.is_finite() { format!("{:.0} %", 100.0 * part) } else { "–".into() }
}
