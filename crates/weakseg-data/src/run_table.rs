//! [`RunTable`]: a CSV of masks as run lengths, several rows an image allowed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::fault::refuse;
use crate::list_images::masks_in;
use crate::listing::id_of_file;
use crate::mask::binary;
use crate::rle::{Form, RleError, coco};
use crate::run_rows::{RunRow, RunRows};
use crate::{DataError, Limits, Plane, atomic, read_index_png};

/// How the cells of a table are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// As in SIIM-ACR: [`Form::Relative`], with a blank before runs and none before `-1`, as the published table has
    /// them.
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

    /// Whether a cell stands for an empty mask. COCO's strings tell only together with a size: they count as masks.
    pub(crate) fn is_empty(self, text: &str) -> Result<bool, RleError> {
        match self {
            Self::Siim => Form::Relative.is_empty(text),
            Self::Kaggle => Form::Absolute.is_empty(text),
            Self::Coco => Ok(false),
        }
    }

    fn encode(self, mask: &Plane<u8>) -> String {
        match self {
            Self::Siim => match Form::Relative.encode(mask) {
                runs if runs.starts_with('-') => runs,
                runs => format!(" {runs}"),
            },
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
    positive: BTreeSet<String>,
}

impl RunTable {
    /// Reads the columns `ImageId` and `EncodedPixels`; blanks around names and cells are no matter. Run lengths are
    /// looked at when a mask is asked for.
    ///
    /// # Errors
    /// [`DataError::Row`] for a row without its cells, an id with a mask in one row and none in another, or two names
    /// of one id (`a/1.png` and `b/1`, of which only `1` names the file); [`DataError::Set`] for ids that cannot name a
    /// file; [`DataError::DuplicateId`] for ids that differ in capitals alone; all of them with the number of others.
    /// [`DataError::Columns`], [`DataError::Unreadable`], [`DataError::TooLarge`], [`DataError::Io`].
    pub fn read(path: &Path, form: TableForm) -> Result<Self, DataError> {
        let rows = RunRows::read(path, form)?;
        refuse(rows.faults)?;
        Ok(Self::of(path, form, rows.rows))
    }

    /// As [`RunTable::read`], for a set whose list has told what is wrong with the rows.
    pub(crate) fn read_listed(path: &Path, form: TableForm) -> Result<Self, DataError> {
        Ok(Self::of(path, form, RunRows::read(path, form)?.rows))
    }

    fn of(path: &Path, form: TableForm, rows: Vec<RunRow>) -> Self {
        let positive = rows.iter().filter(|row| row.is_positive());
        Self {
            path: path.to_owned(),
            form,
            positive: positive.map(|row| row.id.clone()).collect(),
            rows: rows
                .into_iter()
                .map(|row| {
                    let cells = row.cells.into_iter();
                    (row.id, cells.map(|cell| (cell.line, cell.text)).collect())
                })
                .collect(),
        }
    }

    /// The ids, sorted; each can name a file.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// Whether an id has any mask that is not empty.
    pub(crate) fn is_positive(&self, id: &str) -> bool {
        self.positive.contains(id)
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
/// SIIM-ACR this is a submission. Its subfolders are not looked into: `weakseg predict` puts overlays there. Returns
/// the number of rows.
///
/// # Errors
/// [`DataError::Set`] if there is no PNG, or if two of them have one id; those of [`read_index_png`];
/// [`DataError::MaskValues`] for a mask of more than two values; [`DataError::Io`], and `path` is then as before.
pub fn write_run_table(folder: &Path, path: &Path, form: TableForm) -> Result<usize, DataError> {
    let limits = Limits::default();
    let mut masks = EncodedMasks::new(form);
    for image in masks_in(folder)? {
        let mask = binary(&image, &read_index_png(&image, &limits)?)?;
        masks.add(&id_of_file(&image), &mask);
    }
    masks.write(path)
}

/// Masks of a table that is to be written, encoded.
#[derive(Clone, Debug)]
pub struct EncodedMasks {
    form: TableForm,
    rows: BTreeMap<String, String>,
}

impl EncodedMasks {
    /// None so far.
    #[must_use]
    pub fn new(form: TableForm) -> Self {
        Self {
            form,
            rows: BTreeMap::new(),
        }
    }

    /// Takes the mask of an id in; every value but 0 is present.
    pub fn add(&mut self, id: &str, mask: &Plane<u8>) {
        self.rows.insert(id.to_owned(), self.form.encode(mask));
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    /// Writes the table, `ImageId` and `EncodedPixels`, one row a mask in the order of their ids. Returns the number of
    /// rows.
    ///
    /// # Errors
    /// [`DataError::Io`]; `path` is then as before.
    pub fn write(&self, path: &Path) -> Result<usize, DataError> {
        atomic::write_with(path, |file| {
            let mut writer = csv::Writer::from_writer(file);
            writer.write_record(["ImageId", "EncodedPixels"])?;
            for (id, runs) in &self.rows {
                writer.write_record([id, runs])?;
            }
            writer.flush()
        })?;
        Ok(self.rows.len())
    }
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
            let table = RunTable::read(&csv, form).unwrap();
            assert!(table.ids().eq(["1.2.3", "1.2.4"]));
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
            "ImageId,EncodedPixels\n1.2.3, 5 1 4 2 3 3 2 4 1 10\n1.2.4,-1\n"
        );
        mask("1.2.4", 7);
        assert!(matches!(
            write_run_table(&masks, &csv, TableForm::Siim),
            Err(DataError::MaskValues { .. })
        ));
        assert_eq!(std::fs::read_to_string(&csv).unwrap(), text);
        std::fs::write(&csv, "ImageId,EncodedPixels\n..,-1\na\n").unwrap();
        let error = RunTable::read(&csv, TableForm::Siim).unwrap_err();
        assert!(error.to_string().contains("1 more"));
    }

    #[test]
    fn contradictions_are_no_masks() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("a.csv");
        let read = |rows: &str, form| {
            std::fs::write(&csv, format!("ImageId,EncodedPixels\n{rows}")).unwrap();
            RunTable::read(&csv, form).map_err(|error| error.to_string())
        };
        for rows in ["a,-1\na,0 2\n", "a,0 2\na,-1\n"] {
            let error = read(rows, TableForm::Siim).unwrap_err();
            assert!(
                error.contains("line 3") && error.contains("in line 2"),
                "{error}"
            );
        }
        let error = read("a,1 2\na,\n", TableForm::Kaggle).unwrap_err();
        assert!(error.contains("no mask here and a mask"), "{error}");
        let error = read("A,0 2\na,3 2\n", TableForm::Siim).unwrap_err();
        assert!(
            error.contains("lines 2 and 3") && error.contains("`A` and `a` differ in capitals"),
            "{error}"
        );
        for (first, second) in [("a/b", "c/b"), ("b.dcm", "b.png"), ("b", "../../b")] {
            let rows = format!("{first},1 1\na,2 2\n{second},2 2\n");
            let error = read(&rows, TableForm::Kaggle).unwrap_err();
            let words =
                format!("line 4: `{second}` is the image `b`, and so is `{first}` of line 2");
            assert!(error.contains(&words), "{error}");
        }
        let table = read("a,0 2\nb,-1\na,3 1\n", TableForm::Siim).unwrap();
        assert_eq!(
            table.mask("a", 2, 3).unwrap().unwrap().as_slice(),
            [1, 0, 0, 1, 1, 0]
        );
    }
}
