//! How the tensors of a file compare with the parameters of a model.

use std::fmt;

/// The differences, by name. Names are the model's; of tensors that it does not have, the file's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Parameters that the file lacks.
    pub missing: Vec<String>,
    /// Tensors that the model has no place for.
    pub unexpected: Vec<String>,
    /// Parameters with another shape in the file.
    pub misshaped: Vec<Misshaped>,
}

/// A parameter with another shape in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misshaped {
    /// The parameter.
    pub name: String,
    /// The file's shape.
    pub got: Vec<usize>,
    /// The model's shape.
    pub want: Vec<usize>,
}

/// Names that a message lists before it only counts.
const LISTED: usize = 8;

impl Report {
    /// Whether every parameter has its tensor, and every tensor its parameter.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshaped.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("the weights fit the model");
        }
        let (missing, unexpected, misshaped) = (self.missing.len(), self.unexpected.len(), self.misshaped.len());
        write!(
            f,
            "the weights do not fit the model that config.json describes ({missing} missing, {unexpected} unexpected, \
             {misshaped} of another shape); keep the two files of one checkpoint together"
        )?;
        list(f, "missing", self.missing.iter())?;
        list(f, "unexpected", self.unexpected.iter())?;
        list(f, "of another shape", self.misshaped.iter())
    }
}

impl fmt::Display for Misshaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?} in the file, {:?} in the model", self.name, self.got, self.want)
    }
}

fn list<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    names: impl ExactSizeIterator<Item = T>,
) -> fmt::Result {
    let more = names.len().saturating_sub(LISTED);
    for (i, name) in names.take(LISTED).enumerate() {
        if i == 0 {
            write!(f, "\n  {what}:")?;
        }
        write!(f, "\n    {name}")?;
    }
    if more > 0 { write!(f, "\n    and {more} more") } else { Ok(()) }
}
