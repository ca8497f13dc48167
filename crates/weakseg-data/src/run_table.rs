//! [`RunTable`]: a CSV of masks as run lengths, several rows an image allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::csv_table::CsvTable;
use crate::listing::id_of;
use crate::mask::binary;
use crate::rle::{Form, RleError, coco};
use crate::{DataError, Limits, Plane, atomic, list_images, read_index_png, unsafe_id};

/// How the cells of a table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// As in SIIM-ACR: [`Form::Relative`].
    Siim,
    /// As in other Kaggle challenges: [`Form::Absolute`].
    Kaggle,
    /// COCO's compressed strings.
    Coco,
}

impl TableForm {
    fn decode(self, text: &str, height: usize, width: usize) -> Result<Plane<u8>, RleError> {
        match self {
            Self::Siim => Form::Relative.decode(text, height, width),
            Self::Kaggle => Form::Absolute.decode(text, height, width),
            Self::Coco => coco::decode(text, height, width),
        }
    }

    fn encode(self, mask: &Plane<u8>) -> String {
        match self {
            Self::Siim => Form::Relative.encode(mask),
            Self::Kaggle => Form::Absolute.encode(mask),
            Self::Coco => coco::encode(mask),
        }
    }
}

/// Masks as they are written; each is decoded when it is asked for, on the grid of its image.
#[derive(Debug)]
pub struct RunTable {
    path: PathBuf,
    form: TableForm,
    /// Lines and texts of each id.
    rows: BTreeMap<String, Vec<(u64, String)>>,
    ragged: Vec<DataError>,
}

impl RunTable {
    /// Reads the columns `ImageId` and `EncodedPixels`; blanks around names and cells are no matter.
    ///
    /// # Errors
    /// [`DataError::Columns`], [`DataError::Unreadable`], [`DataError::TooLarge`], [`DataError::Io`].
    pub fn read(path: &Path, form: TableForm) -> Result<Self, DataError> {
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
            form,
            rows,
            ragged: table.ragged,
        })
    }

    /// The ids, if every row has its cells and every id can name a file.
    ///
    /// # Errors
    /// [`DataError::Row`] or [`DataError::UnsafeId`], with the number of others.
    pub fn ids(mut self) -> Result<(Self, Vec<String>), DataError> {
        let mut faults = std::mem::take(&mut self.ragged);
        faults.extend(self.rows.keys().filter_map(|id| {
            unsafe_id(id).map(|reason| DataError::UnsafeId {
                path: self.path.clone(),
                id: id.clone(),
                reason,
            })
        }));
        DataError::gather(faults)?;
        let ids = self.rows.keys().cloned().collect();
        Ok((self, ids))
    }

    /// Whether an id has any mask, in the form of SIIM-ACR.
    pub(crate) fn is_positive(&self, id: &str) -> bool {
        self.rows
            .get(id)
            .is_some_and(|rows| rows.iter().any(|(_, text)| text != "-1"))
    }

    /// The union of an id's masks: 0 absent, 1 present; `None` if the table does not name it.
    ///
    /// # Errors
    /// [`DataError::Row`] for run lengths that are no mask of this size.
    pub fn mask(
        &self,
        id: &str,
        height: usize,
        width: usize,
    ) -> Result<Option<Plane<u8>>, DataError> {
        let Some(rows) = self.rows.get(id) else {
            return Ok(None);
        };
        let mut union: Option<Plane<u8>> = None;
        for (line, text) in rows {
            let mask = self
                .form
                .decode(text, height, width)
                .map_err(|error| self.wrong(id, *line, &error))?;
            let Some(union) = &mut union else {
                union = Some(mask);
                continue;
            };
            for (have, new) in union.as_mut_slice().iter_mut().zip(mask.as_slice()) {
                *have |= new;
            }
        }
        Ok(union)
    }

    fn wrong(&self, id: &str, line: u64, error: &RleError) -> DataError {
        let remedy = match self.form {
            TableForm::Siim => {
                "give gaps and lengths on the image's own grid, column by column, or -1"
            }
            TableForm::Kaggle => {
                "give starts from 1 and lengths on the image's own grid, column by column"
            }
            TableForm::Coco => "give COCO's compressed counts on the image's own grid",
        };
        DataError::Row {
            path: self.path.clone(),
            line,
            problem: format!("the mask of `{id}` cannot be decoded: {error}"),
            remedy: remedy.into(),
        }
    }
}

/// Writes the masks of a folder (`ID.png`, 0/1 or 0/255) as a table, one row a mask in the order of their ids: for
/// SIIM-ACR this is a submission. Returns the number of rows.
///
/// # Errors
/// Those of [`list_images`] and [`read_index_png`]; [`DataError::MaskValues`] for a mask of more than two values;
/// [`DataError::Io`], and `path` is then as before.
pub fn write_run_table(folder: &Path, path: &Path, form: TableForm) -> Result<usize, DataError> {
    let limits = Limits::default();
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for image in list_images(&[folder.to_owned()])?.images {
        let mask = binary(&image, &read_index_png(&image, &limits)?)?;
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        rows.insert(id_of(&name).to_owned(), form.encode(&mask));
    }
    atomic::write_with(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(["ImageId", "EncodedPixels"])?;
        for (id, runs) in &rows {
            writer.write_record([id, runs])?;
        }
        writer.flush()
    })?;
    Ok(rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_gray_png;

    #[test]
    fn masks_go_to_a_table_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let masks = folder.path().join("masks");
        let mask = |id: &str, value: u8| {
            let plane = Plane::from_fn(5, 7, |y, x| if x > y { value } else { 0 });
            write_gray_png(&masks.join(format!("{id}.png")), &plane).unwrap();
        };
        mask("1.2.3", 255);
        mask("1.2.4", 0);
        let csv = folder.path().join("a.csv");
        for form in [TableForm::Siim, TableForm::Kaggle, TableForm::Coco] {
            assert_eq!(write_run_table(&masks, &csv, form).unwrap(), 2);
            let (table, ids) = RunTable::read(&csv, form).unwrap().ids().unwrap();
            assert_eq!(ids, ["1.2.3", "1.2.4"]);
            let there = table.mask("1.2.3", 5, 7).unwrap().unwrap();
            assert_eq!(there, Plane::from_fn(5, 7, |y, x| u8::from(x > y)));
            let none = table.mask("1.2.4", 5, 7).unwrap().unwrap();
            assert_eq!(none, Plane::filled(5, 7, 0));
            assert!(table.mask("1.2.5", 5, 7).unwrap().is_none());
            assert!(table.mask("1.2.3", 1, 7).is_err());
        }
        write_run_table(&masks, &csv, TableForm::Siim).unwrap();
        let text = std::fs::read_to_string(&csv).unwrap();
        assert_eq!(
            text,
            "ImageId,EncodedPixels\n1.2.3,5 1 4 2 3 3 2 4 1 10\n1.2.4,-1\n"
        );
        mask("1.2.4", 7);
        assert!(matches!(
            write_run_table(&masks, &csv, TableForm::Siim),
            Err(DataError::MaskValues { .. })
        ));
        assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
        std::fs::write(&csv, "ImageId,EncodedPixels\n..,-1\na\n").unwrap();
        let error = RunTable::read(&csv, TableForm::Siim).unwrap().ids();
        assert!(error.unwrap_err().to_string().contains("1 more"));
    }
}
