//! [`RunTable`]: a CSV of masks as run lengths, several rows an image allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::csv_table::CsvTable;
use crate::listing::id_of;
use crate::rle::Form;
use crate::{DataError, Plane};

/// Masks as they are written; each is decoded when it is asked for, on the grid of its image.
#[derive(Debug)]
pub(crate) struct RunTable {
    path: PathBuf,
    /// Lines and texts of each id.
    rows: BTreeMap<String, Vec<(u64, String)>>,
}

impl RunTable {
    /// Reads the columns `ImageId` and `EncodedPixels`.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let table = CsvTable::read(path)?;
        let columns = table.require(&["ImageId", "EncodedPixels"])?;
        let mut rows: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for (line, record) in &table.rows {
            let id = id_of(&record[columns[0]]).to_owned();
            let text = record[columns[1]].to_owned();
            rows.entry(id).or_default().push((*line, text));
        }
        Ok(Self {
            path: path.to_owned(),
            rows,
        })
    }

    /// Whether an id has any mask.
    pub(crate) fn is_positive(&self, id: &str) -> bool {
        self.rows
            .get(id)
            .is_some_and(|rows| rows.iter().any(|(_, text)| text != "-1"))
    }

    /// The union of an id's masks: 0 absent, 1 present; `None` if the table does not name it.
    pub(crate) fn mask(
        &self,
        id: &str,
        height: usize,
        width: usize,
    ) -> Result<Option<Plane<u8>>, DataError> {
        let Some(rows) = self.rows.get(id) else {
            return Ok(None);
        };
        let mut union = Plane::filled(height, width, 0);
        for (line, text) in rows {
            let mask = Form::Relative
                .decode(text, height, width)
                .map_err(|error| DataError::Row {
                    path: self.path.clone(),
                    line: *line,
                    problem: format!("the mask of `{id}` cannot be decoded: {error}"),
                    remedy:
                        "give gaps and lengths on the image's own grid, column by column, or -1"
                            .into(),
                })?;
            for (have, new) in union.as_mut_slice().iter_mut().zip(mask.as_slice()) {
                *have |= new;
            }
        }
        Ok(Some(union))
    }
}
