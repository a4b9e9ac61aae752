//! What a backward pass through a run may keep, as people write it.

use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};
use std::str::FromStr;

/// `store-all`, `states`, `revolve-20` or, for the fastest of them that stays below it, a number of bytes: `256MiB`. Results
/// have the same bits under each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Memory {
    /// All values: fastest.
    StoreAll,
    /// The states between steps; a step is computed again when it is needed.
    States,
    /// So many of those states, at least one, and what lies between is made again from them.
    Revolve(usize),
    /// What tensors may ask for at one time, in bytes.
    Budget(u64),
}

impl Memory {
    /// The choice for a loop; nothing for a budget, which is no choice yet.
    pub fn choice(self) -> Option<autograd::Memory> {
        match self {
            Memory::StoreAll => Some(autograd::Memory::StoreAll),
            Memory::States => Some(autograd::Memory::States),
            Memory::Revolve(slots) => Some(autograd::Memory::Revolve { slots }),
            Memory::Budget(_) => None,
        }
    }
}

const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Memory, String> {
        let text = text.trim();
        let slots = |count: &str| count.parse().ok().filter(|&slots: &usize| slots > 0);
        let budget = || {
            let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
            let count = number.trim().parse::<f64>().ok().filter(|count| count.is_finite() && *count > 0.0)?;
            Some(Memory::Budget((count * unit as f64) as u64))
        };
        match text {
            "store-all" => Some(Memory::StoreAll),
            "states" => Some(Memory::States),
            _ => text.strip_prefix("revolve-").and_then(slots).map(Memory::Revolve).or_else(budget),
        }
        .ok_or_else(|| {
            format!(
                "`{text}`: give `store-all`, `states`, `revolve-20` with any number above 0, or bytes such as `256MiB`"
            )
        })
    }
}

impl Display for Memory {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Memory::StoreAll => f.write_str("store-all"),
            Memory::States => f.write_str("states"),
            Memory::Revolve(slots) => write!(f, "revolve-{slots}"),
            Memory::Budget(bytes) => {
                let whole = UNITS[..3].iter().rev().find(|(_, unit)| bytes.is_multiple_of(*unit));
                let (unit, size) = whole.copied().unwrap_or(("B", 1));
                write!(f, "{}{unit}", bytes / size)
            }
        }
    }
}

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Memory, String> {
        text.parse()
    }
}

impl From<Memory> for String {
    fn from(memory: Memory) -> String {
        memory.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["store-all", "states", "revolve-20", "256MiB", "3GiB", "1000B", "17KiB"] {
            assert_eq!(text.parse::<Memory>().unwrap().to_string(), text);
        }
        assert_eq!("1.5 MB".parse(), Ok(Memory::Budget(1_500_000)));
        for text in ["", "all", "revolve", "revolve-0", "revolve--1", "0MiB", "MiB", "-3GiB", "nanB", "256"] {
            assert!(text.parse::<Memory>().unwrap_err().contains("256MiB"), "{text}");
        }
    }
}
