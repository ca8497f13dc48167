//! What loading did, key by key.

use std::fmt;

/// A key whose shape in the file is not the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// The key.
    pub name: String,
    /// The network's shape.
    pub expected: Vec<usize>,
    /// The file's.
    pub found: Vec<usize>,
}

/// Every key of network and file, in exactly one list; those of the network in its order, unused ones by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Taken from the file.
    pub applied: Vec<String>,
    /// In the network, not in the file: kept their values.
    pub missing: Vec<String>,
    /// In the file, not in the network. PyTorch's `num_batches_tracked` counters are not counted:
    /// nothing uses them.
    pub unused: Vec<String>,
    /// In both with different shapes: kept their values.
    pub misshapen: Vec<Misshapen>,
    /// How the keys were found in the file, and what was left out on purpose; one line each.
    pub notes: Vec<String>,
}

impl LoadReport {
    /// Whether file and network fit key by key.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys applied", self.applied.len())?;
        let list = |f: &mut fmt::Formatter<'_>, what, keys: &[String]| match keys {
            [] => Ok(()),
            [first, _, _, _, .., last] => {
                write!(f, "; {what}: {first} … {last}, {} in all", keys.len())
            }
            few => write!(f, "; {what}: {}", few.join(", ")),
        };
        list(f, "missing", &self.missing)?;
        list(f, "unused", &self.unused)?;
        let misshapen: Vec<String> = self
            .misshapen
            .iter()
            .map(|m| {
                format!(
                    "{} (expected {:?}, found {:?})",
                    m.name, m.expected, m.found
                )
            })
            .collect();
        list(f, "of another shape", &misshapen)?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}
