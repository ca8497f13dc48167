//! [`PhantomConfig`]: how many phantoms, how large, and how sick.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::DataError;

/// A set of phantoms: frontal chest X-rays, some with a pneumothorax.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhantomConfig {
    /// Number of cases, 1 to 1 000 000; one patient each.
    pub count: usize,
    /// Height and width of the images in pixels, 32 to 2048. The anatomy is the same at every size.
    pub size: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Share of the cases with a pneumothorax, 0 to 1, met exactly (rounded to whole cases).
    pub positive_fraction: f64,
    /// Smallest pneumothorax: greatest thickness of its crescent over the breadth of the hemithorax, 0.03 to 0.45.
    pub min_extent: f64,
    /// Largest pneumothorax, measured alike; at least `min_extent`.
    pub max_extent: f64,
}

impl Default for PhantomConfig {
    fn default() -> Self {
        Self {
            count: 300,
            size: 192,
            seed: 0,
            positive_fraction: 0.5,
            min_extent: 0.08,
            max_extent: 0.38,
        }
    }
}

impl PhantomConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DataError::Config`] for the first value outside its range.
    pub fn check(&self) -> Result<(), DataError> {
        let refuse = |key, found: String, expected: &str| {
            Err(DataError::Config {
                key,
                found,
                expected: expected.to_owned(),
            })
        };
        if !(1..=1_000_000).contains(&self.count) {
            return refuse("count", self.count.to_string(), "1 to 1000000 cases");
        }
        if !(32..=2048).contains(&self.size) {
            return refuse("size", self.size.to_string(), "32 to 2048 pixels");
        }
        if !(0.0..=1.0).contains(&self.positive_fraction) {
            return refuse(
                "positive_fraction",
                self.positive_fraction.to_string(),
                "a share from 0 to 1",
            );
        }
        let extents = 0.03..=0.45;
        if !extents.contains(&self.min_extent) {
            return refuse("min_extent", self.min_extent.to_string(), "0.03 to 0.45");
        }
        if !extents.contains(&self.max_extent) || self.max_extent < self.min_extent {
            return refuse(
                "max_extent",
                self.max_extent.to_string(),
                "min_extent to 0.45",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        assert!(PhantomConfig::default().check().is_ok());
        let bad = |change: fn(&mut PhantomConfig), key: &str| {
            let mut config = PhantomConfig::default();
            change(&mut config);
            let message = config.check().unwrap_err().to_string();
            assert!(message.starts_with(&format!("data.{key} = ")), "{message}");
        };
        bad(|c| c.count = 0, "count");
        bad(|c| c.size = 16, "size");
        bad(|c| c.positive_fraction = f64::NAN, "positive_fraction");
        bad(|c| c.min_extent = 0.0, "min_extent");
        bad(|c| c.max_extent = 0.05, "max_extent");
        assert!(serde_json::from_str::<PhantomConfig>(r#"{"cuont": 3}"#).is_err());
    }
}
