//! Keys that no section of a configuration has.

use serde_json::Value as Json;
use toml::{Table, Value};

use super::ConfigError;

/// Walks the table beside the schema; the first key without a property is the error.
pub(super) fn check_keys(table: &Table, schema: &Json, origin: &str) -> Result<(), ConfigError> {
    check_table(table, schema, schema, "", origin)
}

fn check_table(
    table: &Table,
    node: &Json,
    root: &Json,
    path: &str,
    origin: &str,
) -> Result<(), ConfigError> {
    let known = properties(node, root);
    if known.is_empty() {
        return Ok(()); // a free-form value: its own type checks it
    }
    for (key, value) in table {
        let dotted = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        let Some((_, child)) = known.iter().find(|(name, _)| name == key) else {
            let nearest = known
                .iter()
                .map(|(name, _)| (edit_distance(name, key), name))
                .min()
                .filter(|(d, _)| *d <= 2.max(key.len() / 3))
                .map(|(_, name)| {
                    if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    }
                });
            return Err(ConfigError::UnknownKey {
                origin: origin.to_owned(),
                key: dotted,
                nearest,
            });
        };
        if let Value::Table(inner) = value {
            check_table(inner, child, root, &dotted, origin)?;
        }
    }
    Ok(())
}

/// All properties that a schema node allows, through `$ref` and every alternative.
fn properties<'a>(node: &'a Json, root: &'a Json) -> Vec<(String, &'a Json)> {
    let mut found = Vec::new();
    if let Some(reference) = node.get("$ref").and_then(Json::as_str) {
        let target = root.pointer(reference.trim_start_matches('#'));
        found.extend(target.map(|t| properties(t, root)).unwrap_or_default());
    }
    if let Some(map) = node.get("properties").and_then(Json::as_object) {
        found.extend(map.iter().map(|(k, v)| (k.clone(), v)));
    }
    for alternatives in ["oneOf", "anyOf", "allOf"] {
        for alternative in node
            .get(alternatives)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            found.extend(properties(alternative, root));
        }
    }
    found
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let cost = if ca == *cb {
                diagonal
            } else {
                1 + diagonal.min(row[j]).min(row[j + 1])
            };
            diagonal = row[j + 1];
            row[j + 1] = cost;
        }
    }
    row[b.len()]
}
