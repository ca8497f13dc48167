//! [`RunRows`]: the rows of a table of run lengths by their id, and what is wrong with them, whatever size the images
//! have.

use std::collections::HashMap;
use std::path::Path;

use crate::DataError;
use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule};
use crate::listing::{Ids, id_of};
use crate::rle::RleError;
use crate::run_table::TableForm;

/// The cells of one id, in the order of the table.
pub(crate) struct RunRow {
    pub(crate) id: String,
    pub(crate) cells: Vec<RunCell>,
}

/// One cell: a mask, or a part of one.
pub(crate) struct RunCell {
    pub(crate) line: u64,
    pub(crate) text: String,
    /// Whether it stands for an empty mask, or why it stands for none.
    pub(crate) empty: Result<bool, RleError>,
}

impl RunRow {
    /// Whether any cell holds a run.
    pub(crate) fn is_positive(&self) -> bool {
        self.cells.iter().any(|cell| cell.empty == Ok(false))
    }

    /// Whether every cell can be understood.
    pub(crate) fn is_whole(&self) -> bool {
        self.cells.iter().all(|cell| cell.empty.is_ok())
    }
}

/// The rows of a table, one an id.
pub(crate) struct RunRows {
    /// In the order in which the table names them first.
    pub(crate) rows: Vec<RunRow>,
    /// Rows without their cells, ids that can name no file, are another one in other letters or are written in two
    /// ways, and ids that are said to have a mask and none. Cells that cannot be understood are not among them.
    pub(crate) faults: Vec<Fault>,
}

impl RunRows {
    /// Reads the columns `ImageId` and `EncodedPixels`; blanks around names and cells are no matter.
    pub(crate) fn read(path: &Path, form: TableForm) -> Result<Self, DataError> {
        let mut table = CsvTable::read(path)?;
        let columns = table.require(&["ImageId", "EncodedPixels"])?;
        let mut faults = std::mem::take(&mut table.faults);
        let mut rows: Vec<RunRow> = Vec::new();
        let mut ids = Ids::new(path);
        let mut known: HashMap<String, (usize, String)> = HashMap::new();
        for (line, record) in &table.rows {
            let id = id_of(&record[columns[0]]);
            let text = record[columns[1]].to_owned();
            let cell = RunCell {
                line: *line,
                empty: form.is_empty(&text),
                text,
            };
            let written = &record[columns[0]];
            let Some((at, before)) = known.get(id) else {
                if !ids.add(id, *line) {
                    continue;
                }
                known.insert(id.to_owned(), (rows.len(), written.to_owned()));
                rows.push(RunRow {
                    id: id.to_owned(),
                    cells: vec![cell],
                });
                continue;
            };
            let row = &mut rows[*at];
            if before != written {
                let error = table.row_error(
                    *line,
                    format!(
                        "`{written}` is the image `{id}`, and so is `{before}` of line {}",
                        row.cells[0].line
                    ),
                    "write one image's rows alike, and give two images two file names",
                );
                faults.push(Fault::error(Rule::UniqueId, error));
                continue;
            }
            let (first, now) = (&row.cells[0], &cell);
            match (&first.empty, &now.empty) {
                (Ok(true), Ok(true)) if form != TableForm::Coco => {
                    let error = table.row_error(
                        *line,
                        format!("`{id}` has no mask here and in line {}", first.line),
                        "one row is enough; if another image was meant, name it",
                    );
                    // Twice healthy is no contradiction.
                    faults.push(Fault::warning(Rule::UniqueId, error));
                }
                (Ok(before), Ok(empty)) if before != empty => {
                    let name = |empty: bool| if empty { "no mask" } else { "a mask" };
                    let error = table.row_error(
                        *line,
                        format!(
                            "`{id}` has {} here and {} in line {}",
                            name(*empty),
                            name(*before),
                            first.line
                        ),
                        "keep the one that is true",
                    );
                    faults.push(Fault::error(Rule::ReadableRow, error));
                }
                _ => {}
            }
            row.cells.push(cell);
        }
        faults.extend(ids.faults());
        Ok(Self { rows, faults })
    }
}
