//! A YAML file as a list of leaves, each of which is taken once.

use std::fmt;

use saphyr::{LoadableYamlNode, Mapping, Scalar, Yaml};

use super::{Result, refuse};

/// The end of a path: a scalar, or a list of scalars.
#[derive(Debug, Clone, PartialEq)]
pub enum Leaf {
    Nothing,
    Switch(bool),
    Number(f64),
    Text(String),
    List(Vec<Leaf>),
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("null"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

struct Entry {
    path: String,
    leaf: Leaf,
    taken: bool,
}

/// The leaves of a file.
pub struct Leaves(Vec<Entry>);

impl Leaves {
    /// Reads a text that is one YAML mapping. Anchors and merge keys are resolved.
    pub fn read(text: &str) -> Result<Self> {
        let documents = match Yaml::load_from_str(text) {
            Ok(documents) => documents,
            Err(error) => return refuse(format!("not valid YAML: {error}")),
        };
        let [document] = documents.as_slice() else {
            return refuse(format!("{} YAML documents; expected one", documents.len()));
        };
        if !matches!(document, Yaml::Mapping(_)) {
            return refuse("not a YAML mapping; expected keys such as task and model");
        }
        let mut leaves = Self(Vec::new());
        leaves.walk("", document)?;
        Ok(leaves)
    }

    fn walk(&mut self, path: &str, node: &Yaml<'_>) -> Result<()> {
        match node {
            Yaml::Mapping(mapping) if mapping.is_empty() => {
                self.push(path, Leaf::Nothing);
                Ok(())
            }
            Yaml::Mapping(mapping) => {
                for (key, value) in entries(path, mapping)? {
                    let path = match path {
                        "" => key,
                        _ => format!("{path}.{key}"),
                    };
                    self.walk(&path, value)?;
                }
                Ok(())
            }
            Yaml::Sequence(items) if items.iter().any(|item| scalar(item).is_err()) => {
                for (place, item) in items.iter().enumerate() {
                    self.walk(&format!("{path}[{place}]"), item)?;
                }
                Ok(())
            }
            Yaml::Sequence(items) => {
                let items = items.iter().map(scalar).collect::<Result<_>>()?;
                self.push(path, Leaf::List(items));
                Ok(())
            }
            node => {
                let leaf = scalar(node)?;
                self.push(path, leaf);
                Ok(())
            }
        }
    }

    fn push(&mut self, path: &str, leaf: Leaf) {
        self.0.push(Entry {
            path: path.to_owned(),
            leaf,
            taken: false,
        });
    }

    /// Whether there is a leaf at the path or below it.
    pub fn has(&self, path: &str) -> bool {
        self.0.iter().any(|entry| {
            entry
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Takes a leaf; a null counts as none.
    pub fn take(&mut self, path: &str) -> Option<Leaf> {
        let entry = self.0.iter_mut().find(|entry| entry.path == path)?;
        entry.taken = true;
        Some(entry.leaf.clone()).filter(|leaf| *leaf != Leaf::Nothing)
    }

    /// Takes a leaf only if it is this, because that is what is done here in any case.
    pub fn take_if(&mut self, path: &str, value: &Leaf) {
        for entry in &mut self.0 {
            if entry.path == path && entry.leaf == *value {
                entry.taken = true;
            }
        }
    }

    /// The number at a path that nothing took.
    pub fn left_number(&self, path: &str) -> Option<f64> {
        number(self.left(path)?)
    }

    /// The text at a path that nothing took.
    pub fn left_text(&self, path: &str) -> Option<String> {
        Some(self.left(path)?.to_string())
    }

    /// The leaf at a path that nothing took.
    pub fn left(&self, path: &str) -> Option<&Leaf> {
        let entry = self.0.iter().find(|entry| entry.path == path)?;
        (!entry.taken).then_some(&entry.leaf)
    }

    /// [`Self::take_if`] for a text.
    pub fn take_if_text(&mut self, path: &str, value: &str) {
        self.take_if(path, &Leaf::Text(value.to_owned()));
    }

    /// Takes a text.
    pub fn text(&mut self, path: &str) -> Result<Option<String>> {
        match self.take(path) {
            None => Ok(None),
            Some(Leaf::Text(text)) => Ok(Some(text)),
            Some(other) => refuse(format!("{path} is {other}; expected a text")),
        }
    }

    /// Takes a number.
    pub fn number(&mut self, path: &str) -> Result<Option<f64>> {
        match self.take(path) {
            None => Ok(None),
            Some(leaf) => match number(&leaf) {
                Some(number) => Ok(Some(number)),
                None => refuse(format!("{path} is {leaf}; expected a number")),
            },
        }
    }

    /// Takes a whole number from 0 on.
    pub fn count(&mut self, path: &str) -> Result<Option<i64>> {
        match self.number(path)? {
            None => Ok(None),
            Some(number) if (0.0..=1e9).contains(&number) && number.fract() == 0.0 => {
                Ok(Some(number as i64))
            }
            Some(number) => refuse(format!("{path} is {number}; expected a whole number")),
        }
    }

    /// Takes a number, or a list of numbers.
    pub fn numbers(&mut self, path: &str) -> Result<Option<Vec<f64>>> {
        let Some(leaf) = self.take(path) else {
            return Ok(None);
        };
        let items = match &leaf {
            Leaf::List(items) => items.iter().map(number).collect(),
            one => number(one).map(|one| vec![one]),
        };
        match items {
            Some(items) if !items.is_empty() => Ok(Some(items)),
            _ => refuse(format!("{path} is {leaf}; expected numbers")),
        }
    }

    /// Takes a yes or no.
    pub fn switch(&mut self, path: &str) -> Result<Option<bool>> {
        match self.take(path) {
            None => Ok(None),
            Some(Leaf::Switch(on)) => Ok(Some(on)),
            Some(other) => refuse(format!("{path} is {other}; expected true or false")),
        }
    }

    /// Paths of what was taken, and path and value of what was not.
    pub fn close(self) -> (Vec<String>, Vec<(String, String)>) {
        let (taken, left): (Vec<Entry>, Vec<Entry>) =
            self.0.into_iter().partition(|entry| entry.taken);
        let left = left
            .into_iter()
            .map(|entry| (entry.path, entry.leaf.to_string()))
            .collect();
        (taken.into_iter().map(|entry| entry.path).collect(), left)
    }
}

/// A number, also one that older YAML takes for a text, as `1e-4`.
fn number(leaf: &Leaf) -> Option<f64> {
    let number = match leaf {
        Leaf::Number(number) => Some(*number),
        Leaf::Text(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

fn scalar(node: &Yaml<'_>) -> Result<Leaf> {
    match node {
        Yaml::Value(Scalar::Null) => Ok(Leaf::Nothing),
        Yaml::Value(Scalar::Boolean(on)) => Ok(Leaf::Switch(*on)),
        Yaml::Value(Scalar::Integer(number)) => Ok(Leaf::Number(*number as f64)),
        Yaml::Value(Scalar::FloatingPoint(number)) => Ok(Leaf::Number(number.into_inner())),
        Yaml::Value(Scalar::String(text)) => Ok(Leaf::Text(text.to_string())),
        _ => refuse("a value that is neither text, number, list nor mapping"),
    }
}

/// Keys and values of a mapping, then those of its merge keys (`<<`) that it has not itself: whole values, as YAML
/// says, not what is below them.
fn entries<'y, 'i>(path: &str, mapping: &'y Mapping<'i>) -> Result<Vec<(String, &'y Yaml<'i>)>> {
    let (mut entries, mut merged) = (Vec::new(), Vec::new());
    for (key, value) in mapping {
        let Leaf::Text(key) = scalar(key)? else {
            return refuse(format!("{path}: a key that is no text"));
        };
        match value {
            Yaml::Sequence(several) if key == "<<" => merged.extend(several),
            one if key == "<<" => merged.push(one),
            _ => entries.push((key, value)),
        }
    }
    for one in merged {
        let Yaml::Mapping(one) = one else {
            return refuse(format!("{path}: << merges what is no mapping"));
        };
        for (key, value) in self::entries(path, one)? {
            if entries.iter().all(|(known, _)| *known != key) {
                entries.push((key, value));
            }
        }
    }
    Ok(entries)
}
