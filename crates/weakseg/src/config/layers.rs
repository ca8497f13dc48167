//! Layers of a configuration: defaults < preset < file < `--set`.

use std::path::Path;

use serde_json::Value as Json;
use toml::{Table, Value};
use weakseg_data::DataConfig;

use super::keys::check_keys;
use super::presets::preset;
use super::{Config, ConfigError};

/// Reads `path` over the defaults and `preset_name`, then applies each of `sets` (`a.b=VALUE`, VALUE in TOML, a bare
/// word is a string).
///
/// # Errors
/// See [`ConfigError`]; every error names the layer it comes from.
pub fn load(
    path: &Path,
    preset_name: Option<&str>,
    sets: &[String],
) -> Result<Config, ConfigError> {
    if path.is_dir() {
        return Err(ConfigError::Folder {
            path: path.to_owned(),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let table: Table = text
        .parse()
        .map_err(|e: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            message: e.to_string(),
        })?;
    resolve(table, &path.display().to_string(), preset_name, sets)
}

/// [`load`] for a table already in hand; `origin` names it in errors.
pub fn resolve(
    table: Table,
    origin: &str,
    preset_name: Option<&str>,
    sets: &[String],
) -> Result<Config, ConfigError> {
    let schema = schema();
    let mut merged = defaults();
    if let Some(name) = preset_name {
        let text = preset(name).ok_or_else(|| ConfigError::NoPreset {
            name: name.to_owned(),
        })?;
        let layer: Table = text
            .parse()
            .map_err(|e: toml::de::Error| ConfigError::Value {
                origin: format!("preset {name}"),
                message: e.to_string(),
            })?;
        check_keys(&layer, &schema, &format!("preset {name}"))?;
        merge(&mut merged, layer);
    }
    check_keys(&table, &schema, origin)?;
    merge(&mut merged, table);
    // All as one layer: what they say does not depend on their order, but where one takes back what another says.
    let mut said = Table::new();
    for text in sets {
        let layer = parse_set(text)?;
        check_keys(&layer, &schema, &format!("--set {text}"))?;
        merge_unless(&mut said, layer, &|_, _, _| false);
    }
    merge(&mut merged, said);
    let refuse = |message: String| ConfigError::Value {
        origin: blamed(&message, sets).unwrap_or_else(|| origin.to_owned()),
        message,
    };
    if !merged.contains_key("data") {
        let message =
            "no section `data`; name the set, as in\n[data]\nkind = \"table\"\nroot = \"my-set\"";
        return Err(refuse(message.to_owned()));
    }
    let data = merged["data"].clone();
    let mut config: Config = Value::Table(merged)
        .try_into()
        // Its second line names the key.
        .map_err(|e: toml::de::Error| {
            let message = e.to_string().trim_end().replace('\n', " ");
            refuse(plain(&within_data(&data, message)))
        })?;
    config.settle_weights();
    config.settle_scopes();
    config.check().map_err(refuse)?;
    Ok(config)
}

/// The last `--set` whose key a message names: what is wrong is said of keys, and the layer that wins holds the value.
fn blamed(message: &str, sets: &[String]) -> Option<String> {
    let named = |text: &&String| {
        let key = text.split('=').next().unwrap_or_default().trim();
        let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        message.match_indices(key).any(|(at, _)| {
            let after = &message[at + key.len()..];
            // A table that is set stands for the keys below it.
            !message[..at].ends_with(inside) && !after.starts_with(|c: char| inside(c) && c != '.')
        })
    };
    let text = sets.iter().rev().find(named)?;
    Some(format!("--set {text}"))
}

/// Adds the key to a parser's message that ends in `data`, which serde does not name because the keys depend on the
/// kind. The key at fault is the one without which the message changes.
fn within_data(data: &Value, message: String) -> String {
    let (Some(words), Some(table)) = (message.strip_suffix("in `data`"), data.as_table()) else {
        return message;
    };
    let is_at_fault = |key: &&String| {
        let mut rest = table.clone();
        rest.remove(key.as_str());
        let read: Result<DataConfig, toml::de::Error> = Value::Table(rest).try_into();
        !read.is_err_and(|error| error.to_string().trim_end() == words.trim_end())
    };
    match table.keys().filter(|key| *key != "kind").find(is_at_fault) {
        Some(key) => format!("{words}in `data.{key}`"),
        None => message,
    }
}

/// The parser's words without names of Rust's types.
fn plain(message: &str) -> String {
    let mut text = message.to_owned();
    for (rust, words) in [
        (
            "expected a nonzero u32",
            "expected a whole number, 1 or more",
        ),
        ("expected usize", "expected a whole number, 0 or more"),
        ("expected u64", "expected a whole number, 0 or more"),
        ("expected u32", "expected a whole number, 0 or more"),
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
    ] {
        text = text.replace(rust, words);
    }
    text
}

/// The JSON Schema of the configuration file.
pub fn schema() -> Json {
    serde_json::to_value(schemars::schema_for!(Config)).expect("a schema is JSON")
}

/// The configuration as TOML with every value spelled out. Keys without one, which TOML cannot write, are named at its
/// end.
pub fn to_toml(config: &Config) -> String {
    let mut text =
        toml::to_string_pretty(config).expect("a configuration has only TOML's kinds of value");
    let mut unset = vec![];
    let json = serde_json::to_value(config).expect("a configuration is JSON");
    collect_unset(&json, "", &mut unset);
    if !unset.is_empty() {
        text += "\n# Not set:\n";
        text.extend(unset.iter().map(|key| format!("# {key}\n")));
    }
    text
}

/// Dotted keys of what is null below `value`, whose own is `prefix`.
fn collect_unset(value: &Json, prefix: &str, keys: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let key = match prefix {
            "" => key.clone(),
            prefix => format!("{prefix}.{key}"),
        };
        match value {
            Json::Null => keys.push(key),
            value => collect_unset(value, &key, keys),
        }
    }
}

/// The defaults as a table without `data`, which has none.
fn defaults() -> Table {
    let data = serde_json::json!({ "kind": "phantom" });
    let config: Config = serde_json::from_value(serde_json::json!({ "data": data }))
        .expect("every section but data has defaults");
    let mut table = Table::try_from(config).expect("a configuration is a table");
    table.remove("data");
    table
}

/// `over` wins, key by key, with exceptions in which it replaces a whole table: `data` and `optimizer` of another kind,
/// whose keys or learning rates belong to that kind, and `augment` given as a scope or as steps.
fn merge(under: &mut Table, over: Table) {
    merge_unless(under, over, &|key, under, over| match key {
        "data" | "optimizer" => over.contains_key("kind") && under.get("kind") != over.get("kind"),
        "augment" => over.contains_key("scope") || over.contains_key("steps"),
        _ => false,
    });
}

/// `over` wins; tables are merged key by key, unless one `replaces` the other whole, by its key.
fn merge_unless(under: &mut Table, over: Table, replaces: &impl Fn(&str, &Table, &Table) -> bool) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(a)), Value::Table(b)) if !replaces(&key, a, &b) => {
                merge_unless(a, b, replaces);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn parse_set(text: &str) -> Result<Table, ConfigError> {
    let bad = || ConfigError::Set {
        text: text.to_owned(),
    };
    let (key, value) = text.split_once('=').ok_or_else(bad)?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.split('.').any(|k| k.trim().is_empty()) {
        return Err(bad());
    }
    let value = match format!("v = {value}").parse::<Table>() {
        Ok(mut t) => t.remove("v").ok_or_else(bad)?,
        Err(_) => Value::String(value.to_owned()),
    };
    let mut layers = key.rsplit('.');
    let mut table = Table::new();
    table.insert(layers.next().ok_or_else(bad)?.trim().to_owned(), value);
    for outer in layers {
        let mut wrapped = Table::new();
        wrapped.insert(outer.trim().to_owned(), Value::Table(table));
        table = wrapped;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().expect("test TOML")
    }

    #[test]
    fn later_layers_win_and_the_rest_keeps_its_default() {
        let file = table("[data]\nkind = \"phantom\"\n[irn.training]\nepochs = 7");
        let config = resolve(file, "t", None, &["irn.training.batch=3".into()]).expect("valid");
        assert_eq!(config.irn.training.epochs, 7);
        assert_eq!(config.irn.training.batch, 3);
        assert_eq!(
            config.irn.training.head_lr_factor, 10.0,
            "a section's own default survives a partial table"
        );
    }

    /// A rate is of its optimizer's kind; all keys of a schedule are of every kind.
    #[test]
    fn another_kind_of_optimizer_begins_anew_and_another_schedule_does_not() {
        let file = "[data]\nkind = \"phantom\"\n[classifier.training.schedule]\nwarmup_steps = 20";
        let training = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
            let config = resolve(table(file), "t", None, &sets).expect("valid");
            (config.classifier.training, config.irn.training)
        };
        let (classifier, irn) = training(&[
            "classifier.training.schedule.kind=cosine",
            "irn.training.optimizer.kind=adamw",
        ]);
        assert_eq!(classifier.schedule.warmup_steps, 20);
        assert_eq!(irn.optimizer.lr, 1e-4, "0.1 is SGD's");
        // In whatever order they are said.
        let lr = "classifier.training.optimizer.lr=0.01";
        let kind = "classifier.training.optimizer.kind=sgd";
        for sets in [[lr, kind], [kind, lr]] {
            assert_eq!(training(&sets).0.optimizer.lr, 0.01, "{sets:?}");
        }
        let later = [lr, "classifier.training.optimizer.lr=0.02"];
        assert_eq!(training(&later).0.optimizer.lr, 0.02);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let file = table("[data]\nkind = \"phantom\"\n[classifier.training]\nepocs = 7");
        let error = resolve(file, "run.toml", None, &[])
            .expect_err("unknown")
            .to_string();
        assert!(
            error.contains("run.toml: unknown key `classifier.training.epocs`"),
            "{error}"
        );
        assert!(
            error.contains("did you mean `classifier.training.epochs`?"),
            "{error}"
        );
    }

    #[test]
    fn a_layer_of_another_network_is_refused_with_those_there_are() {
        let file = table(
            "[data]\nkind = \"phantom\"\n[classifier]\narch = \"vgg16\"\n[cams]\nlayer = \"layer3\"",
        );
        let error = resolve(file, "t", None, &[])
            .expect_err("VGG16 has blocks")
            .to_string();
        assert!(
            error.contains(
                "cams.layer is \"layer3\", which vgg16 does not have; expected one of block1, "
            ),
            "{error}"
        );
    }

    #[test]
    fn what_names_no_set_says_how_to() {
        let error = resolve(table("title = \"Mine\""), "run.toml", None, &[]);
        let told = error.expect_err("no data").to_string();
        assert!(
            told.starts_with("run.toml: no section `data`; name the set"),
            "{told}"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let error = load(folder.path(), None, &[])
            .expect_err("a folder")
            .to_string();
        assert!(
            error.contains("a folder, expected a configuration"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_is_laid_to_the_layer_that_says_it() {
        let error = |file: &str, sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&text| text.to_owned()).collect();
            let file = table(&format!("[data]\nkind = \"phantom\"\n{file}"));
            let error = resolve(file, "run.toml", None, &sets);
            error.expect_err("no epochs").to_string()
        };
        let bad = "classifier.training.epochs=0";
        for sets in [&[bad][..], &[bad, "irn.training.epochs=3"]] {
            let told = error("", sets);
            assert!(
                told.starts_with("--set classifier.training.epochs=0: "),
                "{told}"
            );
        }
        let told = error(
            "[classifier.training]\nepochs = 0",
            &["irn.training.epochs=3"],
        );
        assert!(told.starts_with("run.toml: "), "{told}");
        let told = error("", &["classifier.training.epochs=many"]);
        assert!(
            told.starts_with("--set classifier.training.epochs=many: ")
                && told.contains("expected a whole number, 0 or more")
                && !told.contains("usize"),
            "{told}"
        );
    }

    #[test]
    fn what_is_wrong_with_the_set_names_its_key() {
        let error = |lines: &str, sets: &[&str]| {
            let file = table(&format!("[data]\nkind = \"table\"\nroot = \"r\"\n{lines}"));
            let sets: Vec<String> = sets.iter().map(|&text| text.to_owned()).collect();
            let error = resolve(file, "run.toml", None, &sets);
            error.expect_err("no such value").to_string()
        };
        let told = error("val_fraction = \"0.2\"", &[]);
        assert!(
            told.starts_with("run.toml: ") && told.contains("`data.val_fraction`"),
            "{told}"
        );
        let told = error("frame = 0\ntone = \"window\"", &[]);
        assert!(told.contains("1 or more in `data.frame`"), "{told}");
        let told = error("", &["data.tone=foo"]);
        assert!(
            told.starts_with("--set data.tone=foo: ") && told.contains("`data.tone`"),
            "{told}"
        );
    }

    #[test]
    fn a_set_without_an_equals_sign_is_refused() {
        assert!(matches!(parse_set("a.b"), Err(ConfigError::Set { .. })));
        assert!(matches!(parse_set("a..b=1"), Err(ConfigError::Set { .. })));
    }

    #[test]
    fn the_resolved_file_reads_back_as_itself() {
        let config = resolve(table("[data]\nkind = \"phantom\""), "t", None, &[]).expect("valid");
        let again = resolve(table(&to_toml(&config)), "t", None, &[]).expect("valid");
        assert_eq!(config, again);
    }

    #[test]
    fn the_resolved_file_names_what_is_not_set() {
        let sets = ["classifier.training.clip=2.0".to_owned()];
        let table = table("[data]\nkind = \"phantom\"");
        let text = to_toml(&resolve(table, "t", None, &sets).expect("valid"));
        let (_, unset) = text.split_once("\n# Not set:\n").expect("the list");
        let unset: Vec<&str> = unset.lines().collect();
        assert!(unset.contains(&"# cams.layer"), "{unset:?}");
        assert!(unset.contains(&"# irn.training.clip"), "{unset:?}");
        assert!(!unset.contains(&"# classifier.training.clip"), "{unset:?}");
    }
}
