//! A set of phantoms as the data of a run: made where it is not there yet, then read like any other table.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::listing::below;
use crate::phantom::{PhantomConfig, write_set};
use crate::{DataError, TableConfig};

/// Chest X-rays made from a seed, some with a pneumothorax.
///
/// The keys are those of [`PhantomConfig`], the folder the set is written to, and how it is divided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PhantomSetConfig {
    /// The folder of the set, relative to the configuration file. A set that is there already and was made from the
    /// same values is taken as it is; another set of phantoms is made anew.
    pub root: PathBuf,
    /// Number of cases, 1 to 1 000 000; one patient each.
    pub count: usize,
    /// Height and width of the images in pixels, 32 to 2048.
    pub size: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Share of the cases with a pneumothorax, 0 to 1.
    pub positive_fraction: f64,
    /// Smallest pneumothorax: greatest thickness of its crescent over the breadth of the hemithorax, 0.03 to 0.45.
    pub min_extent: f64,
    /// Largest pneumothorax, measured alike; at least `min_extent`.
    pub max_extent: f64,
    /// Share of the cases held out for validation.
    pub val_fraction: f64,
    /// Share of the cases held out for testing.
    pub test_fraction: f64,
    /// Seed of the division.
    pub split_seed: u64,
}

impl Default for PhantomSetConfig {
    fn default() -> Self {
        let (set, table) = (PhantomConfig::default(), TableConfig::default());
        Self {
            root: "phantom".into(),
            count: set.count,
            size: set.size,
            seed: set.seed,
            positive_fraction: set.positive_fraction,
            min_extent: set.min_extent,
            max_extent: set.max_extent,
            val_fraction: table.val_fraction,
            test_fraction: table.test_fraction,
            split_seed: table.split_seed,
        }
    }
}

impl PhantomSetConfig {
    /// The phantoms alone.
    #[must_use]
    pub fn phantoms(&self) -> PhantomConfig {
        PhantomConfig {
            count: self.count,
            size: self.size,
            seed: self.seed,
            positive_fraction: self.positive_fraction,
            min_extent: self.min_extent,
            max_extent: self.max_extent,
        }
    }

    /// Makes the set if it is not there, and describes it as a table.
    pub(crate) fn table(&self, base: &Path) -> Result<TableConfig, DataError> {
        write_set(&below(base, &self.root), &self.phantoms())?;
        Ok(TableConfig {
            root: self.root.clone(),
            val_fraction: self.val_fraction,
            test_fraction: self.test_fraction,
            split_seed: self.split_seed,
            ..TableConfig::default()
        })
    }
}
