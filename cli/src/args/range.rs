//! Numbers with their ranges. Each refusal says what to give instead.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

pub(super) fn agents(text: &str) -> Result<usize, String> {
    within(text, 1..=28, "agents, as each owns at least one of the 28 rows")
}

pub(super) fn target(text: &str) -> Result<u8, String> {
    within(text, 0..=9, "for the digit to make")
}

pub(super) fn steps(text: &str) -> Result<usize, String> {
    within(text, 1..=100_000, "for the steps of the sampler")
}

pub(super) fn points(text: &str) -> Result<usize, String> {
    within(text, 2..=100_001, "points of time, as a step has two ends")
}

pub(super) fn draws(text: &str) -> Result<u64, String> {
    within(text, 1..=10_000, "for the number of gradients")
}

pub(super) fn samples(text: &str) -> Result<usize, String> {
    within(text, 1..=1_000_000, "for the number of samples")
}

pub(super) fn batch(text: &str) -> Result<usize, String> {
    within(text, 1..=65_536, "for the samples that are computed at a time")
}

pub(super) fn threads(text: &str) -> Result<usize, String> {
    within(text, 0..=1024, "threads, 0 for one on each core")
}

pub(super) fn tilt(text: &str) -> Result<f64, String> {
    let tilt = text.trim().parse().ok().filter(|tilt: &f64| *tilt > 0.0 && tilt.is_finite());
    tilt.ok_or_else(|| "give a number above 0".into())
}

/// TOML has no larger whole numbers, and `run.toml` holds the seed.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    within(text, 0..=i64::MAX as u64, "for the seed")
}

fn within<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>, what: &str) -> Result<T, String> {
    let inside = text.trim().parse().ok().filter(|number| range.contains(number));
    inside.ok_or_else(|| format!("give a whole number from {} to {} {what}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges() {
        assert_eq!((agents("1"), agents("28")), (Ok(1), Ok(28)));
        assert_eq!((target("0"), target("9")), (Ok(0), Ok(9)));
        assert_eq!(seed("9223372036854775807"), Ok(i64::MAX as u64));
        let refused = "give a whole number from 1 to 28 agents, as each owns at least one of the 28 rows".to_owned();
        for text in ["0", "29", "-1", "two", "", "1.5", "999999999999999999999"] {
            assert_eq!(agents(text), Err(refused.clone()));
        }
        assert_eq!(target("12").unwrap_err(), "give a whole number from 0 to 9 for the digit to make");
        assert!(steps("0").is_err() && samples("0").is_err() && batch("0").is_err() && seed("-1").is_err());
    }
}
