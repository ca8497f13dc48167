//! [`LabelCells`]: the 0/1 cells of a table, and what stands in the others, gathered by column and value.

use std::collections::{BTreeMap, HashMap};

use csv::StringRecord;

use crate::DataError;
use crate::csv_table::CsvTable;
use crate::fault::{Fault, Rule, first_of};

/// Reads labels and keeps what is none: a table of many rows has one fault many times.
pub(crate) struct LabelCells<'a> {
    table: &'a CsvTable,
    /// By column and value, the first line and how many there are.
    wrong: BTreeMap<usize, HashMap<&'a str, (u64, usize)>>,
}

impl<'a> LabelCells<'a> {
    pub(crate) fn of(table: &'a CsvTable) -> Self {
        Self {
            table,
            wrong: BTreeMap::new(),
        }
    }

    /// The labels of a row; `None` if one cell is blank, NaN or anything else than 0 or 1: an unknown label is not an
    /// absent one.
    pub(crate) fn read(
        &mut self,
        line: u64,
        record: &'a StringRecord,
        columns: &[usize],
    ) -> Option<Vec<bool>> {
        let mut labels = Vec::with_capacity(columns.len());
        for &column in columns {
            match &record[column] {
                "0" | "0.0" => labels.push(false),
                "1" | "1.0" => labels.push(true),
                other => {
                    let cells = self.wrong.entry(column).or_default();
                    cells.entry(other).or_insert((line, 0)).1 += 1;
                }
            }
        }
        (labels.len() == columns.len()).then_some(labels)
    }

    /// One error for each column with cells that are no labels.
    pub(crate) fn faults(self) -> Vec<Fault> {
        let table = self.table;
        self.wrong
            .into_iter()
            .map(|(column, cells)| {
                let mut cells: Vec<(&str, (u64, usize))> = cells.into_iter().collect();
                cells.sort_by_key(|&(_, (line, _))| line);
                let told: Vec<String> = cells
                    .iter()
                    .map(|&(value, (line, number))| {
                        let value = match value {
                            "" => "a blank".to_owned(),
                            _ => format!("`{value}`"),
                        };
                        match number {
                            1 => format!("{value} in line {line}"),
                            _ => format!("{number} times {value}, first in line {line}"),
                        }
                    })
                    .collect();
                let header = &table.headers[column];
                let of_patients = header.to_lowercase().starts_with("patient");
                let found = match of_patients {
                    // Whose images they are is not told: messages go to logs and reports.
                    true => format!("other values, first in line {}", cells[0].1.0),
                    false => first_of(&told),
                };
                let values: Vec<&str> = cells.iter().map(|&(value, _)| value).collect();
                let error = DataError::Set {
                    path: table.path.clone(),
                    problem: format!("`{header}`: expected 0 or 1, found {found}"),
                    remedy: remedy(of_patients, &values).into(),
                };
                Fault::error(Rule::ReadableRow, error)
            })
            .collect()
    }
}

fn remedy(of_patients: bool, values: &[&str]) -> &'static str {
    const WORDS: [&str; 8] = [
        "yes", "no", "y", "n", "true", "false", "positive", "negative",
    ];
    const UNKNOWN: [&str; 5] = ["", "-1", "-1.0", "nan", "na"];
    let all_of = |known: &[&str]| {
        let known = |value: &&str| known.iter().any(|word| word.eq_ignore_ascii_case(value));
        values.iter().all(known)
    };
    if of_patients {
        "if it says whose the images are, call the column `patient`; else name the findings in `data.findings`"
    } else if all_of(&WORDS) {
        "write 1 and 0"
    } else if all_of(&UNKNOWN) {
        "label the images, or leave their rows out: what is unknown is not absent"
    } else {
        "label the images or leave their rows out; if the column is no finding, name the findings in `data.findings`"
    }
}
