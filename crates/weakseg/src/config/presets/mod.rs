//! Presets that the binary carries.

/// Names of the presets.
pub const PRESETS: [&str; 6] = [
    "demo",
    "siim-paper",
    "siim-wsmis",
    "voc-paper",
    "voc-wsmis",
    "irn",
];

/// The text of a preset, none for an unknown name.
///
/// Those that follow a publication name the source of each value beside it, and leave `data.root` to the file over
/// them.
pub fn preset(name: &str) -> Option<&'static str> {
    match name {
        "demo" => Some(include_str!("../../../presets/demo.toml")),
        "siim-paper" => Some(include_str!("../../../presets/siim-paper.toml")),
        "siim-wsmis" => Some(include_str!("../../../presets/siim-wsmis.toml")),
        "voc-paper" => Some(include_str!("../../../presets/voc-paper.toml")),
        "voc-wsmis" => Some(include_str!("../../../presets/voc-wsmis.toml")),
        "irn" => Some(include_str!("../../../presets/irn.toml")),
        _ => None,
    }
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use toml::Table;
    use weakseg_data::DataConfig;

    use super::super::{Config, resolve, to_toml};
    use super::*;

    fn load(name: &str) -> Config {
        resolve(Table::new(), "t", Some(name), &[]).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    #[test]
    fn every_preset_is_sound_from_the_first_step_to_the_last_and_reads_back() {
        for name in PRESETS {
            let config = load(name);
            config.check_steps(0, 9).expect(name);
            let again = resolve(to_toml(&config).parse().expect(name), "t", None, &[]);
            assert_eq!(again.expect(name), config, "{name}");
        }
        assert_eq!(preset("siim"), None);
    }

    /// Statements of a TOML text, each with the comments in and behind it; headings are left out.
    fn statements(text: &str) -> Vec<String> {
        let (mut all, mut open, mut depth) = (Vec::new(), String::new(), 0_i64);
        for line in text.lines() {
            let code = line.split('#').next().expect("a first part").trim();
            if depth == 0 && (code.is_empty() || (code.starts_with('[') && !code.contains('='))) {
                continue;
            }
            open.push_str(line);
            open.push('\n');
            for c in code.chars() {
                depth += i64::from(matches!(c, '[' | '{')) - i64::from(matches!(c, ']' | '}'));
            }
            if depth == 0 {
                all.push(std::mem::take(&mut open));
            }
        }
        all
    }

    #[test]
    fn every_value_of_a_publication_names_its_source() {
        for name in PRESETS.into_iter().filter(|&name| name != "demo") {
            let text = preset(name).expect(name);
            let statements = statements(text);
            assert!(statements.len() > 60, "{name}: {}", statements.len());
            for statement in statements {
                let sourced = ["# paper", "# code", "# open: "]
                    .iter()
                    .any(|word| statement.contains(word));
                let name_or_kind =
                    statement.starts_with("title =") || statement.starts_with("kind =");
                assert!(sourced || name_or_kind, "{name}: {statement}");
            }
        }
    }

    #[test]
    fn the_document_has_a_line_for_each() {
        let text = include_str!("../../../../../docs/recipes.md");
        for name in PRESETS {
            assert!(text.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn the_folder_comes_from_the_file_above() {
        let file = "[data]\nroot = \"sets/siim\"".parse().expect("TOML");
        let config = resolve(file, "t", Some("siim-paper"), &[]).expect("sound");
        let DataConfig::Siim(data) = config.data else {
            panic!("{:?}", config.data);
        };
        assert_eq!(data.root, std::path::Path::new("sets/siim"));
        assert_eq!(data.val_counts, Some([145, 541]));
        assert_eq!(data.test_counts, data.val_counts);
    }
}
