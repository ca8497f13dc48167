//! Presets that the binary carries.

/// Names of the presets.
pub const PRESETS: [&str; 1] = ["demo"];

/// The text of a preset, none for an unknown name.
pub fn preset(name: &str) -> Option<&'static str> {
    match name {
        "demo" => Some(include_str!("../../presets/demo.toml")),
        _ => None,
    }
}
