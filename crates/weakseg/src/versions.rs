//! What a run was computed with.

use std::collections::BTreeMap;

/// Of the tensor library, which the workspace pins.
const BURN: &str = "0.22.1";

/// Version of each part that a result depends on, by its name.
pub(crate) fn versions() -> BTreeMap<String, String> {
    [("weakseg", env!("CARGO_PKG_VERSION")), ("burn", BURN)]
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .into()
}

#[cfg(test)]
mod tests {
    use toml::{Table, Value};

    #[test]
    fn they_are_those_of_the_lock_file() {
        let lock: Table = include_str!("../../../Cargo.lock").parse().expect("TOML");
        let packages = lock["package"].as_array().expect("a list");
        for (name, version) in super::versions() {
            let named = |package: &&Value| package["name"].as_str() == Some(name.as_str());
            let locked: Vec<_> = packages.iter().filter(named).collect();
            assert_eq!(locked.len(), 1, "{name}");
            assert_eq!(
                locked[0]["version"].as_str(),
                Some(version.as_str()),
                "{name}"
            );
        }
    }
}
