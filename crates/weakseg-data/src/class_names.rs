//! Names of classes that can be told apart and do not mean something else.

use std::collections::HashSet;
use std::path::Path;

use crate::{Classes, DataError, LabelSpace, unsafe_id};

/// Words of the rows of a report that mean no class.
const SUBSETS: [&str; 3] = ["all", "pos", "neg"];

/// What lies beside the folders of findings, in the folders of a run's steps and of predictions: what is added there is
/// added here.
const FILES: [&str; 17] = [
    "displacements",
    "edges",
    "instances",
    "instances.json",
    "legend.svg",
    "manifest.json",
    "maps",
    "model.json",
    "outputs.json",
    "overlays",
    "predictions.csv",
    "predictions.json",
    "rows.json",
    "sc",
    "scores",
    "seg",
    "started.json",
];

/// Why a class cannot have a name that is safe, or `None` if it can. `several` says that there are other findings: then
/// each has a folder of its name.
fn taken(name: &str, space: LabelSpace, several: bool) -> Option<&'static str> {
    if SUBSETS.contains(&name) {
        return Some("a report means images with and without findings by `all`, `pos` and `neg`");
    }
    match space {
        LabelSpace::Exclusive if name == "background" => {
            Some("it is what a report calls the pixels of no class")
        }
        // Some systems take two names that differ in case for one.
        LabelSpace::Findings if several && FILES.contains(&name.to_lowercase().as_str()) => {
            Some("a run or `predict` has something of that name beside the folders of findings")
        }
        LabelSpace::Exclusive | LabelSpace::Findings => None,
    }
}

/// Whether the classes' names can be told apart, are free and, for findings, name folders.
pub(crate) fn check_classes(path: &Path, classes: &Classes) -> Result<(), DataError> {
    if classes.is_empty() {
        return Err(DataError::Set {
            path: path.to_owned(),
            problem: "the set has no classes".into(),
            remedy: "give the table one 0/1 column per finding".into(),
        });
    }
    if classes.space == LabelSpace::Exclusive && classes.len() > 254 {
        return Err(DataError::Set {
            path: path.to_owned(),
            problem: format!(
                "the set has {} classes, an index map holds 254",
                classes.len()
            ),
            remedy: "leave classes out".into(),
        });
    }
    let mut seen = HashSet::new();
    for name in &classes.names {
        if let Some(reason) = unsafe_id(name) {
            return Err(DataError::Set {
                path: path.to_owned(),
                problem: format!(
                    "the class `{}` cannot name a folder ({reason})",
                    name.escape_debug()
                ),
                remedy: "rename its column".into(),
            });
        }
        if let Some(reason) = taken(name, classes.space, classes.len() > 1) {
            return Err(DataError::Set {
                path: path.to_owned(),
                problem: format!("the class name `{name}` is taken ({reason})"),
                remedy: "rename the class".into(),
            });
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(DataError::Set {
                path: path.to_owned(),
                problem: format!("the class `{name}` occurs twice"),
                remedy: "rename or remove one of the two".into(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_are_refused() {
        let check = |names: &[&str], space| {
            let names = names.iter().map(|&name| name.to_owned()).collect();
            check_classes(Path::new("labels.csv"), &Classes { names, space })
        };
        for name in [
            "all",
            "pos",
            "neg",
            "manifest.json",
            "Overlays",
            "scores",
            "edges",
        ] {
            let text = check(&["mass", name], LabelSpace::Findings)
                .unwrap_err()
                .to_string();
            assert!(text.contains(&format!("`{name}` is taken")), "{text}");
        }
        for name in ["all", "background"] {
            assert!(check(&[name], LabelSpace::Exclusive).is_err(), "{name}");
        }
        assert!(check(&["pos"], LabelSpace::Findings).is_err());
        // One finding has no folder, nor have classes that share a mask; `Pos` is another word.
        assert!(check(&["scores"], LabelSpace::Findings).is_ok());
        assert!(check(&["scores", "Pos"], LabelSpace::Exclusive).is_ok());
        assert!(check(&["mass", "background"], LabelSpace::Findings).is_ok());
    }
}
