//! Splits as a file: `image,patient,split`, one row a case, so that a division outlives the data and the program that
//! made it.

use std::collections::HashMap;
use std::path::Path;

use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule, counted, some_of};
use crate::listing::{Ids, Listing, id_of};
use crate::{Cases, DataError, Split, atomic};

/// Writes the split of every case, in order; the patient is blank where none is known.
///
/// # Errors
/// [`DataError::Io`]; `path` is then as before.
pub fn write_splits(path: &Path, cases: &Cases) -> Result<(), DataError> {
    atomic::write_with(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        writer.write_record(["image", "patient", "split"])?;
        for case in &cases.cases {
            let patient = case.patient.as_deref().unwrap_or("");
            writer.write_record([&case.id, patient, case.split.name()])?;
        }
        writer.flush()
    })
}

/// Gives the cases of a listing the splits of a file. Cases that the file does not name, and rows that are no case,
/// are faults.
pub(crate) fn read_splits(path: &Path, listing: &mut Listing) -> Result<(), DataError> {
    let mut table = CsvTable::read(path)?;
    let columns = table.require(&["image", "split"])?;
    let row = |error| Fault::error(Rule::ReadableRow, error);
    listing.faults.append(&mut table.faults);
    let mut ids = Ids::new(path);
    let mut splits: HashMap<String, Split> = HashMap::new();
    for (line, record) in &table.rows {
        let id = id_of(&record[columns[0]]);
        if !ids.add(id, *line) {
            continue;
        }
        match record[columns[1]].parse() {
            Ok(split) => {
                splits.insert(id.to_owned(), split);
            }
            Err(problem) => listing.faults.push(row(table.row_error(
                *line,
                problem,
                "name the split of every case",
            ))),
        }
    }
    listing.faults.extend(ids.faults());
    let mut unnamed = Vec::new();
    for case in &mut listing.cases {
        match splits.remove(&case.id) {
            Some(split) => case.split = split,
            None => unnamed.push(case.id.clone()),
        }
    }
    let set = |problem: String, remedy: &str| DataError::Set {
        path: path.to_owned(),
        problem,
        remedy: remedy.into(),
    };
    if !unnamed.is_empty() {
        let error = set(
            format!(
                "{} without a usable row: {}",
                counted(unnamed.len(), "case"),
                some_of(&unnamed)
            ),
            "name their split, or divide the set anew with `weakseg data split`",
        );
        listing
            .faults
            .push(Fault::error(Rule::SplitNotEmpty, error));
    }
    if !splits.is_empty() {
        let mut strays: Vec<String> = splits.into_keys().collect();
        strays.sort();
        let error = set(
            format!(
                "{} without a case: {}",
                counted(strays.len(), "row"),
                some_of(&strays)
            ),
            "they are left out; remove them if the set has changed",
        );
        listing.faults.push(Fault::warning(Rule::ImageOfRow, error));
    }
    Ok(())
}
