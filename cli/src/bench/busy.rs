//! What the machine says of itself: how busy it is with other things, and how much memory this program took of it.

use std::time::Duration;

/// Over how long it is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Cores that are busy while this program sleeps; none where the machine does not say.
pub fn busy_cores() -> Option<f64> {
    let cores = std::thread::available_parallelism().ok()?.get() as f64;
    let [before, after] = [false, true].map(|later| {
        if later {
            std::thread::sleep(LOOK);
        }
        read()
    });
    let ([busy, all], [busy_then, all_then]) = (after?, before?);
    (all > all_then).then(|| cores * (busy - busy_then) / (all - all_then))
}

/// Forgets what this program's memory came to so far, where the machine lets it.
pub fn reset_resident_peak() {
    // What cannot be reset is told in full: a figure too high, not too low.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most bytes of memory that this program had at one time since then, code and libraries included; 0 where the machine
/// does not say.
pub fn resident_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kilobytes| kilobytes << 10)
}

/// Ticks of all cores since the start: busy ones, and all.
fn read() -> Option<[f64; 2]> {
    ticks(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// From the first line, `cpu  user nice system idle iowait irq softirq steal ..`.
fn ticks(stat: &str) -> Option<[f64; 2]> {
    let mut words = stat.lines().next()?.split_whitespace();
    let counts: Vec<f64> = words.by_ref().skip(1).take(8).map_while(|word| word.parse().ok()).collect();
    let (all, idle) = (counts.iter().sum::<f64>(), counts.get(3)? + counts.get(4)?);
    Some([all - idle, all])
}

#[cfg(test)]
mod tests {
    use super::ticks;

    #[test]
    fn what_is_idle_is_not_busy() {
        assert_eq!(ticks("cpu  10 0 5 80 4 0 1 0 0 0\ncpu0 ..."), Some([16.0, 100.0]));
        assert_eq!(ticks(""), None);
    }
}
