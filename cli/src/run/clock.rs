//! The time of day in names and records, without a calendar library. Always UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `20260822-143015`: sorts by time, fits a file name.
pub(super) fn stamp() -> String {
    let ([year, month, day], [hour, minute, second]) = civil(now());
    format!("{year}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// `2026-08-22T14:30:15Z`, RFC 3339.
pub(super) fn instant() -> String {
    let ([year, month, day], [hour, minute, second]) = civil(now());
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as a date and a time (Hinnant, "chrono-compatible low-level date algorithms", civil_from_days).
fn civil(seconds: u64) -> ([u64; 3], [u64; 3]) {
    let days = seconds / 86_400 + 719_468; // since 0000-03-01, so that leap days end a year
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153; // 0 is March
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, after) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let second = seconds % 86_400;
    ([era * 400 + year + after, month, day], [second / 3600, second / 60 % 60, second % 60])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (seconds, date, time) in [
            (0, [1970, 1, 1], [0, 0, 0]),
            (951_782_399, [2000, 2, 28], [23, 59, 59]),
            (951_782_400, [2000, 2, 29], [0, 0, 0]),
            (1_709_251_199, [2024, 2, 29], [23, 59, 59]),
            (1_767_225_599, [2025, 12, 31], [23, 59, 59]),
            (4_107_542_400, [2100, 3, 1], [0, 0, 0]), // no leap year
        ] {
            assert_eq!(civil(seconds), (date, time));
        }
    }
}
