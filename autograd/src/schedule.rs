//! Which states of a loop to keep when there is room for a few: the binomial schedule of Revolve (Griewank and Walther, ACM
//! Transactions on Mathematical Software 26, 2000), which runs the fewest steps again.
//!
//! With `c` slots and every step run at most `r` times, C(c + r, c) steps can be reversed; `l` steps, between that and the
//! number for `r - 1`, cost r l - C(c + r, c + 1) runs before the one that is differentiated.

/// How often steps of a loop are run from a kept state to reach others, one after the other from the last: t(l, c). The runs
/// that are differentiated are not among them; those of the first pass are, the last step's excepted. At least one slot.
pub fn advances(steps: usize, slots: usize) -> u64 {
    if steps == 0 {
        return 0;
    }
    let r = repetitions(steps, slots);
    (r as u64 * steps as u64).saturating_sub(binomial(slots + 1, r.wrapping_sub(1)))
}

/// Where the next state is to be kept, counted from one that is: `steps` are to be reversed from there on, at least 2, with
/// `slots` for that state and those behind it, at least 2.
pub fn next(steps: usize, slots: usize) -> usize {
    let r = repetitions(steps, slots);
    let left = steps as u64;
    // Behind it r repetitions are to do with a slot less, before it r - 1 with all.
    let least = left.saturating_sub(binomial(slots - 1, r)).max(1);
    let most = binomial(slots, r - 1).min(left - binomial(slots - 1, r - 1)).min(left - 1);
    most.max(least) as usize
}

/// The least r with C(slots + r, slots) >= steps.
fn repetitions(steps: usize, slots: usize) -> usize {
    match slots {
        0 | 1 => steps.saturating_sub(1),
        _ => (0..).find(|&r| binomial(slots, r) >= steps as u64).unwrap_or(0),
    }
}

/// C(c + r, c), and 0 for an `r` of -1; `u64::MAX` where that is more.
fn binomial(c: usize, r: usize) -> u64 {
    if r == usize::MAX {
        return 0;
    }
    let (few, many) = (c.min(r) as u128, c.max(r) as u128);
    let mut product = 1u128;
    for i in 1..=few {
        product = product * (many + i) / i;
        if product > u128::from(u64::MAX) {
            return u64::MAX;
        }
    }
    product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// t(l, c) by dynamic programming.
    fn table(steps: usize, slots: usize) -> Vec<Vec<u64>> {
        let mut least = vec![vec![0; slots + 1]; steps + 1];
        for l in 2..=steps {
            for c in 1..=slots {
                let split = |m: usize| m as u64 + least[l - m][c - 1] + least[m][c];
                let none = (l * (l - 1) / 2) as u64;
                least[l][c] = if c == 1 { none } else { (1..l).map(split).min().unwrap_or(none) };
            }
        }
        least
    }

    /// t(l, c) of the schedule that `next` describes.
    fn followed(steps: usize, slots: usize) -> u64 {
        match (steps, slots) {
            (0 | 1, _) => 0,
            (_, 1) => (steps * (steps - 1) / 2) as u64,
            _ => {
                let at = next(steps, slots);
                at as u64 + followed(steps - at, slots - 1) + followed(at, slots)
            }
        }
    }

    #[test]
    fn the_schedule_is_the_best_there_is() {
        let least = table(89, 8);
        for steps in 1..90 {
            for slots in 1..9 {
                assert_eq!(advances(steps, slots), least[steps][slots], "{steps} steps, {slots} slots");
                assert_eq!(followed(steps, slots), least[steps][slots], "{steps} steps, {slots} slots, step by step");
            }
        }
    }

    #[test]
    fn a_slot_for_every_step_runs_none_again_and_one_slot_runs_all() {
        assert_eq!(advances(1000, 1000), 999);
        assert_eq!(advances(1000, 1), 1000 * 999 / 2);
        assert_eq!((advances(1, 1), advances(0, 3)), (0, 0));
    }

    #[test]
    fn long_loops_are_planned_at_once() {
        // Every choice of a backward pass over 100 000 steps with 2, 20 and 1000 slots that keeps a state.
        for slots in [2, 20, 1000] {
            let (mut ranges, mut total) = (vec![(100_000, slots)], 0u64);
            while let Some((steps, slots)) = ranges.pop() {
                match (steps, slots) {
                    (0 | 1, _) => {}
                    (_, 1) => total += (steps as u64 * (steps as u64 - 1)) / 2,
                    _ => {
                        let at = next(steps, slots);
                        total += at as u64;
                        ranges.extend([(at, slots), (steps - at, slots - 1)]);
                    }
                }
            }
            assert_eq!(total, advances(100_000, slots));
        }
    }
}
