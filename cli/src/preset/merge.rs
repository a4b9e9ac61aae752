//! One table of figures changed by another, and the key that was meant by one that is not there.

use toml::{Table, Value};

/// Puts the values of `changes` in the place of those of `table`. An error for a key that `table` does not have.
pub(super) fn merge(table: &mut Table, changes: Table) -> Result<(), String> {
    merge_at(table, changes, "")
}

fn merge_at(table: &mut Table, changes: Table, prefix: &str) -> Result<(), String> {
    for (key, value) in changes {
        let path = format!("{prefix}{key}");
        match (table.get_mut(&key), value) {
            (Some(Value::Table(table)), Value::Table(changes)) => merge_at(table, changes, &format!("{path}."))?,
            (Some(Value::Table(_)), _) => return Err(format!("`{path}` is a group of keys, set them one by one")),
            (Some(old), value) => *old = value,
            (None, _) => {
                let meant = nearest(&key, table.keys());
                return Err(format!("there is no key `{path}`: did you mean `{prefix}{meant}`?"));
            }
        }
    }
    Ok(())
}

/// `--set key=value` as a table. What is no TOML value is taken as a word.
pub(super) fn change(text: &str) -> Result<Table, String> {
    let Some((key, value)) = text.split_once('=') else { return Err("give KEY=VALUE".into()) };
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || value.is_empty() || text.contains('\n') {
        return Err("give KEY=VALUE".into());
    }
    let word = Value::String(value.into());
    let parsed = format!("{key} = {value}").parse().or_else(|_| format!("{key} = {word}").parse());
    parsed.map_err(|_: toml::de::Error| format!("`{key}` is no key: give letters, digits and dots"))
}

/// The known key that takes the fewest edits to reach.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> &'a str {
    known.min_by_key(|known| edits(key, known)).map_or("", |known| known)
}

/// Levenshtein distance: letters put in, left out or changed.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, &y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in [("", "abc", 3), ("kitten", "sitting", 3), ("lr", "lr", 0), ("bacth", "batch", 2)] {
            assert_eq!((edits(a, b), edits(b, a)), (want, want));
        }
    }

    #[test]
    fn changes_are_toml_or_words() {
        let table = |text: &str| change(text).unwrap();
        assert_eq!(table("lr=1e-3")["lr"].as_float(), Some(1e-3));
        assert_eq!(table("network.channels = [1, 2]")["network"]["channels"].as_array().unwrap().len(), 2);
        assert_eq!(table("schedule=cosine")["schedule"].as_str(), Some("cosine"));
        assert_eq!(table("a=it's \"b\"")["a"].as_str(), Some("it's \"b\""));
        for text in ["lr", "=3", "lr=", "", "a b=3", "lr=1\nbatch=2"] {
            assert!(change(text).is_err(), "{text}");
        }
    }
}
