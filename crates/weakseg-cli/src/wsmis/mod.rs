//! Settings of the published code (WSMIS), YAML, as ours.
//!
//! Such a file sets one step; what comes out is a layer that goes over a preset. Each of its leaves ends in one of two
//! lists: taken over, or not, with the reason. What its keys mean is reference §10 and §17; none of that code is here.
//!
//! | file | what it holds |
//! |---|---|
//! | `leaves` | the file as a list of leaves, each of which is taken once |
//! | `step` | networks, images, maps |
//! | `losses` | losses |
//! | `training` | optimizer, schedule, epochs |
//! | `reasons` | why a leaf that nothing took has no place here |

mod leaves;
mod losses;
mod reasons;
mod step;
mod training;

use serde::Serialize;
use toml::{Table, Value};
use weakseg::config;

use leaves::Leaves;

/// What came of a file.
#[derive(Debug, Serialize)]
pub struct Import {
    /// The layer, without comments.
    pub config: Table,
    /// Dotted paths of what was taken over.
    pub mapped: Vec<String>,
    /// What was not.
    pub not_mapped: Vec<Left>,
}

/// A leaf without a place here.
#[derive(Debug, PartialEq, Serialize)]
pub struct Left {
    /// Its dotted path.
    pub key: String,
    /// Its value as written, or nearly so.
    pub value: String,
    /// Why it was not taken over, or what was made of it.
    pub reason: String,
}

/// Why a file cannot be taken over, in words that name the key.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{0}")]
pub struct ImportError(String);

type Result<T> = std::result::Result<T, ImportError>;

fn refuse<T>(message: impl Into<String>) -> Result<T> {
    Err(ImportError(message.into()))
}

/// The step that a file sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Classifier,
    Segmenter,
}

impl Section {
    fn name(self) -> &'static str {
        match self {
            Self::Classifier => "classifier",
            Self::Segmenter => "segmenter",
        }
    }
}

/// The layer under construction.
struct Layer {
    section: Section,
    table: Table,
    notes: Vec<Left>,
}

impl Layer {
    /// Sets a value below the step's section.
    fn set_below(&mut self, key: &str, value: impl Into<Value>) {
        let path = format!("{}.{key}", self.section.name());
        self.set(&path, value);
    }

    /// Sets a value by its dotted path.
    fn set(&mut self, path: &str, value: impl Into<Value>) {
        let mut table = &mut self.table;
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let below = table
                .entry(parent)
                .or_insert_with(|| Value::Table(Table::new()));
            table = below.as_table_mut().expect("sections are tables");
        }
        table.insert(key.to_owned(), value.into());
    }

    /// Says what became of a leaf that is not taken over as it is.
    fn note(&mut self, key: &str, value: impl ToString, reason: impl Into<String>) {
        self.notes.push(Left {
            key: key.to_owned(),
            value: value.to_string(),
            reason: reason.into(),
        });
    }
}

/// Takes over the text of a YAML file.
///
/// # Errors
/// [`ImportError`] for what is no YAML, or has a task, network, loss, optimizer or number that is none of those that
/// code has.
pub fn import(text: &str) -> Result<Import> {
    let mut leaves = Leaves::read(text)?;
    let task = leaves.text("task")?.unwrap_or_default();
    let (section, medical) = match task.as_str() {
        "cam_generation" | "attention_accumulation" | "integral_attention_learning" => {
            (Section::Classifier, false)
        }
        "pneumothorax_classification" => (Section::Classifier, true),
        "segmentation" | "crf_segmentation" => (Section::Segmenter, false),
        "pneumothorax_segmentation" => (Section::Segmenter, true),
        _ => {
            return refuse(format!(
                "task is \"{task}\"; expected cam_generation, pneumothorax_classification, segmentation, pneumothorax_segmentation, \
                 crf_segmentation, attention_accumulation or integral_attention_learning"
            ));
        }
    };
    let mut layer = Layer {
        section,
        table: Table::new(),
        notes: Vec::new(),
    };
    if let Some(project) = leaves.text("project")? {
        layer.set("title", project);
    }
    layer.set("data.kind", if medical { "siim" } else { "voc" });
    step::images(&mut leaves, &mut layer)?;
    step::network(&mut leaves, &mut layer)?;
    losses::losses(&mut leaves, &mut layer, task == "crf_segmentation")?;
    step::maps(&mut leaves, &mut layer)?;
    training::training(&mut leaves, &mut layer, medical)?;
    let (mapped, left) = leaves.close();
    let mut not_mapped = layer.notes;
    not_mapped.extend(left.into_iter().map(|(key, value)| Left {
        reason: reasons::of(&key).to_owned(),
        key,
        value,
    }));
    let noted = |key: &String| not_mapped.iter().any(|left| left.key == *key);
    Ok(Import {
        mapped: mapped.into_iter().filter(|key| !noted(key)).collect(),
        not_mapped,
        config: layer.table,
    })
}

impl Import {
    /// Keys that are none of the published settings.
    pub fn unknown(&self) -> Vec<&str> {
        let unknown = self.not_mapped.iter();
        let unknown = unknown.filter(|left| left.reason == reasons::UNKNOWN);
        unknown.map(|left| left.key.as_str()).collect()
    }

    /// The layer as a TOML file that says above its values what was not taken over.
    pub fn to_toml(&self, origin: &str) -> String {
        let origin = origin.replace(['\n', '\r'], " ");
        let mut text =
            format!("# From {origin}. Goes over a preset: --preset siim-wsmis or voc-wsmis.\n");
        text.push_str(
            "# Give the set's folder: data.root. Images have one size in all steps of a run.\n",
        );
        if !self.not_mapped.is_empty() {
            text.push_str("#\n# Not taken over:\n");
        }
        for left in &self.not_mapped {
            // No line of a value may end the comment.
            let line = format!("# {} = {}: {}", left.key, left.value, left.reason);
            text.push_str(&line.replace(['\n', '\r'], " "));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&toml::to_string_pretty(&self.config).expect("a table is TOML"));
        text
    }

    /// Whether a run could use it.
    ///
    /// # Errors
    /// What the configuration says of a value out of range.
    pub fn check(&self, origin: &str) -> std::result::Result<(), config::ConfigError> {
        config::resolve(self.config.clone(), origin, None, &[]).map(drop)
    }
}

#[cfg(test)]
mod tests;
