//! How far a command is: a bar on a terminal, a line every ten seconds in a log, silence on request. Always on standard
//! error, so that standard output holds results alone.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Steps done of steps to do.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines(Lines),
    Nothing,
}

#[derive(Debug)]
struct Lines {
    what: String,
    total: u64,
    first: u64,
    begun: Instant,
    told: Instant,
}

impl Progress {
    /// Of `what`, from step `done` (0, or a checkpoint's) to step `total`.
    pub fn new(what: &str, done: u64, total: u64, quiet: bool) -> Progress {
        let now = Instant::now();
        let shown = match () {
            () if quiet => Shown::Nothing,
            () if std::io::stderr().is_terminal() => Shown::Bar(bar(what, done, total)),
            () => Shown::Lines(Lines { what: what.into(), total, first: done, begun: now, told: now }),
        };
        Progress { shown }
    }

    /// Step `done` is done. `state` says how it goes, `loss 0.031` say, and is asked only when it will be shown.
    pub fn step(&mut self, done: u64, state: impl FnOnce() -> String) {
        match &mut self.shown {
            Shown::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(state());
            }
            Shown::Lines(lines) if lines.told.elapsed() >= BETWEEN_LINES => {
                lines.told = Instant::now();
                say(&lines.line(done, lines.begun.elapsed().as_secs_f64(), &state()));
            }
            Shown::Lines(_) | Shown::Nothing => {}
        }
    }
}

/// The bar leaves the screen; what it came to is told by others.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

impl Lines {
    fn line(&self, done: u64, elapsed: f64, state: &str) -> String {
        let Lines { what, total, first, .. } = self;
        let left = elapsed / done.saturating_sub(*first).max(1) as f64 * total.saturating_sub(done) as f64;
        let comma = if state.is_empty() { "" } else { ", " };
        format!("{what}: {done} of {total}{comma}{state}, {} left", span(left))
    }
}

fn bar(what: &str, done: u64, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{prefix} {bar:30.cyan/dim} {pos}/{len}  {msg}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar.set_prefix(what.to_owned());
    bar.set_position(done);
    bar.reset_eta(); // steps of an earlier process took no time of this one's
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// A closed standard error is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A span of time for people: `8.3 s`, `4 min 10 s`, `2 h 5 min`.
pub fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..10 => format!("{:.1} s", seconds.max(0.0)),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (seconds, text) in [
            (0.04, "0.0 s"),
            (8.26, "8.3 s"),
            (59.4, "59 s"),
            (250.0, "4 min 10 s"),
            (7500.0, "2 h 5 min"),
            (-1.0, "0.0 s"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn what_is_left_is_reckoned_from_this_process() {
        let now = Instant::now();
        let lines = Lines { what: "train cmad".into(), total: 1000, first: 500, begun: now, told: now };
        assert_eq!(lines.line(600, 60.0, "psi 0.2"), "train cmad: 600 of 1000, psi 0.2, 4 min 0 s left");
        assert_eq!(lines.line(500, 0.0, ""), "train cmad: 500 of 1000, 0.0 s left");
    }

    #[test]
    fn nothing_is_asked_when_nothing_is_shown() {
        let mut progress = Progress::new("test", 0, 10, true);
        progress.step(1, || unreachable!());
    }
}
