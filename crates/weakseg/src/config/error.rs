//! [`ConfigError`]: what can be wrong with a configuration, in the words that a person sees.

use std::path::PathBuf;

use super::presets::PRESETS;

/// What can be wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot read the configuration: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder in the place of the file.
    #[error(
        "{}: a folder, expected a configuration; write one that names the set, as in\n[data]\nkind = \"table\"\nroot = \"{}\"",
        path.display(),
        path.file_name().unwrap_or(path.as_os_str()).display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is not TOML; the message points at the place.
    #[error("{}: not valid TOML:\n{message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's own words, with a caret.
        message: String,
    },
    /// A key that no section has.
    #[error("{origin}: unknown key `{key}`{}; `weakseg config schema` lists every key", hint(.nearest))]
    UnknownKey {
        /// File, preset or option it stands in.
        origin: String,
        /// Dotted path of the key.
        key: String,
        /// The known key of the same section that looks most like it.
        nearest: Option<String>,
    },
    /// A value of the wrong kind or out of range.
    #[error("{origin}: {message}")]
    Value {
        /// File, preset or option it stands in.
        origin: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A preset that does not exist.
    #[error("no preset `{name}`; there are: {}", PRESETS.join(", "))]
    NoPreset {
        /// The name asked for.
        name: String,
    },
    /// A `--set` that is not `a.b=value`.
    #[error(
        "--set {text}: expected KEY=VALUE with a dotted key, as in --set classifier.training.epochs=5"
    )]
    Set {
        /// The option's text.
        text: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|n| format!(" (did you mean `{n}`?)"))
        .unwrap_or_default()
}
