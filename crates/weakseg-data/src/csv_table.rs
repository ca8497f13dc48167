//! A CSV file as trimmed cells with their line numbers: byte-order mark, CRLF and blanks around cells are no matter.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::fault::{Fault, Rule, counted};
use crate::{DataError, Limits};

/// A CSV file with a header line.
pub(crate) struct CsvTable {
    pub(crate) path: PathBuf,
    pub(crate) headers: Vec<String>,
    /// Line number (counted from 1, the header included) and cells; every row has as many cells as there are headers.
    pub(crate) rows: Vec<(u64, StringRecord)>,
    /// Rows with another number of cells, and that there are rows of blanks, which are passed over as blank lines are.
    pub(crate) faults: Vec<Fault>,
}

impl CsvTable {
    /// Reads a whole table.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = Limits::default().read(path)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            DataError::unreadable(
                path,
                format!("not UTF-8 text at byte {}", error.valid_up_to()),
                "save the table as UTF-8",
            )
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        let broken = |error: csv::Error| {
            DataError::unreadable(
                path,
                format!("not a CSV table: {error}"),
                "save it as CSV again",
            )
        };
        let headers: Vec<String> = reader
            .headers()
            .map_err(broken)?
            .iter()
            .map(str::to_owned)
            .collect();
        let mut names = HashSet::new();
        if let Some(name) = headers.iter().find(|&name| !names.insert(name)) {
            return Err(DataError::unreadable(
                path,
                format!("the column `{name}` occurs twice"),
                "rename or remove one of the two",
            ));
        }
        let (mut rows, mut faults, mut blank) = (Vec::new(), Vec::new(), Vec::new());
        // Counted here: where lines end in CR and LF, the reader's own number is one too low.
        let newline = match text.contains('\n') {
            true => b'\n',
            false => b'\r',
        };
        let (mut line, mut passed_to) = (1_u64, 0_usize);
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let bytes = text.as_bytes();
            let mut start = record.position().map_or(0, |at| at.byte() as usize);
            while matches!(bytes.get(start), Some(b'\r' | b'\n')) {
                start += 1;
            }
            let passed = bytes.get(passed_to..start).unwrap_or_default();
            line += passed.iter().filter(|&&byte| byte == newline).count() as u64;
            passed_to = passed_to.max(start);
            if record.iter().all(str::is_empty) {
                blank.push(line);
            } else if record.len() == headers.len() {
                rows.push((line, record));
            } else {
                let error = DataError::Row {
                    path: path.to_owned(),
                    line,
                    problem: format!(
                        "{} cells, but the header has {}",
                        record.len(),
                        headers.len()
                    ),
                    remedy: "give every column a cell".into(),
                };
                faults.push(Fault::error(Rule::ReadableRow, error));
            }
        }
        let last = text.get(passed_to..).unwrap_or_default();
        faults.extend(unclosed(path, text, last, line));
        faults.extend(blank_rows(path, &blank));
        Ok(Self {
            path: path.to_owned(),
            headers,
            rows,
            faults,
        })
    }

    /// Position of a column, without regard to case.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        let exact = self.headers.iter().position(|header| header == name);
        exact.or_else(|| {
            self.headers
                .iter()
                .position(|header| header.eq_ignore_ascii_case(name))
        })
    }

    /// Positions of columns that must be there.
    pub(crate) fn require(&self, names: &[&str]) -> Result<Vec<usize>, DataError> {
        let headers = self.headers.iter().enumerate();
        let exact: HashMap<&str, usize> = headers.map(|(at, name)| (name.as_str(), at)).collect();
        let place = |name: &&str| exact.get(name).copied().or_else(|| self.column(name));
        let places = names
            .iter()
            .map(|name| place(name).ok_or_else(|| self.lacks(names)));
        places.collect()
    }

    /// The error of a table without `expected` columns.
    pub(crate) fn lacks(&self, expected: &[&str]) -> DataError {
        DataError::Columns {
            path: self.path.clone(),
            expected: expected.iter().map(|&name| name.to_owned()).collect(),
            found: self.headers.clone(),
        }
    }

    /// The error of one row.
    pub(crate) fn row_error(
        &self,
        line: u64,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> DataError {
        DataError::Row {
            path: self.path.clone(),
            line,
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// Within quotation marks lines go on: one that is never closed makes one cell of all rows behind it. `last` is the
/// text from the last row on, which begins in `line`.
fn unclosed(path: &Path, text: &str, last: &str, line: u64) -> Option<Fault> {
    let last = last.trim_end();
    if !last.contains(['\n', '\r']) || text.matches('"').count().is_multiple_of(2) {
        return None;
    }
    let error = DataError::Row {
        path: path.to_owned(),
        line,
        problem: format!(
            "a quotation mark is not closed: the {} behind it count as part of one cell",
            counted(last.lines().count() - 1, "line")
        ),
        remedy: "close it, or write two for one that is meant".into(),
    };
    Some(Fault::error(Rule::ReadableRow, error))
}

/// That there are rows of blanks, in these lines.
fn blank_rows(path: &Path, lines: &[u64]) -> Option<Fault> {
    let line = lines.first()?;
    let error = DataError::Set {
        path: path.to_owned(),
        problem: format!(
            "{} of blank cells, the first in line {line}",
            counted(lines.len(), "row")
        ),
        remedy: "they are passed over; delete them if no case is missing".into(),
    };
    Some(Fault::warning(Rule::ReadableRow, error))
}
