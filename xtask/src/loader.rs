//! `cargo xtask bench loader`: how long a device waits for its images as it comes near the rate at which they are made.
//!
//! The device computes nothing: it takes a fixed time for each batch, by the loader's own rate, which each round
//! measures first.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::options::options;
use crate::sample;
use crate::spread::{Spread, median};

const USAGE: &str =
    "usage: cargo xtask bench loader [--rounds 3] [--batches 20] [--workers 2] [--ahead 2]";

/// What of the example's rounds is called what in the table.
const KINDS: [(&str, &str); 2] = [("decoded", "decoded anew"), ("kept", "in memory")];

/// Builds the example, runs it and prints what it measured as a table.
pub fn bench(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let settings = parse(arguments)?;
    let program = crate::example(root, "loader_speed")?;
    let mut command = Command::new(&program);
    let (measured, _) = sample::run(command.args(settings.map(|number| number.to_string())))?;
    print!("{}", table(&measured)?);
    Ok(())
}

/// Rounds, batches of an epoch, threads that make them, and batches made ahead.
fn parse(arguments: &[&str]) -> Result<[usize; 4], String> {
    let mut settings = [3, 20, 2, 2];
    for option in options(arguments, USAGE)? {
        let known = ["--rounds", "--batches", "--workers", "--ahead"];
        match known.iter().position(|known| *known == option.name) {
            Some(at) => settings[at] = option.number()?,
            None => return option.unknown(),
        }
    }
    Ok(settings)
}

/// The table of what the example measured: medians of its rounds, and the least and the greatest where they tell more.
fn table(measured: &Value) -> Result<String, String> {
    let whole = |key: &str| sample::number(measured, key);
    let rounds = measured["rounds"].as_array();
    let rounds = rounds.ok_or_else(|| format!("no `rounds` in {measured}"))?;
    let mut table = format!(
        "{} threads, batches of {}, {} ahead, epochs of {} images; medians of {} rounds [least greatest].\n\n\
         | {} to {} pixels | loader, images/s | device, images/s | of the loader's | first epoch waiting, % | \
         its first batch, ms | later epochs waiting, % | their first batch, ms |\n|---|---|---|---|---|---|---|---|\n",
        whole("workers")?,
        whole("batch")?,
        whole("ahead")?,
        whole("images")?,
        rounds.len() / KINDS.len(),
        whole("from")?,
        whole("to")?,
    );
    for (kind, name) in KINDS {
        let rounds: Vec<&Value> = rounds
            .iter()
            .filter(|round| round["kind"] == kind)
            .collect();
        let Some(devices) = rounds.first().and_then(|round| round["devices"].as_array()) else {
            return Err(format!("has no devices of the kind `{kind}`"));
        };
        let rates = rounds.iter().map(|round| sample::number(round, "rate"));
        let rate = median(&rates.collect::<Result<Vec<_>, _>>()?);
        for at in 0..devices.len() {
            let of = |key: &str| -> Result<Vec<f64>, String> {
                let devices = rounds.iter().map(|round| &round["devices"][at]);
                devices.map(|device| sample::number(device, key)).collect()
            };
            let percent = |key: &str| -> Result<Spread, String> {
                Ok(Spread(of(key)?.iter().map(|share| 100.0 * share).collect()))
            };
            table += &format!(
                "| {name} | {rate:.0} | {:.0} | {:.2} | {} | {:.0} | {} | {:.1} |\n",
                median(&of("device")?),
                median(&of("share")?),
                percent("first_epoch")?,
                median(&of("first_batch_ms")?),
                percent("later_epochs")?,
                median(&of("later_first_batch_ms")?),
            );
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn round(kind: &str, rate: f64, waiting: f64) -> Value {
        let device = json!({
            "share": 0.9, "device": 0.9 * rate, "first_epoch": waiting + 0.05, "first_batch_ms": 80.0,
            "later_epochs": waiting, "later_first_batch_ms": 0.2,
        });
        json!({ "kind": kind, "rate": rate, "devices": [device] })
    }

    #[test]
    fn a_row_is_the_median_of_its_rounds() {
        let mut measured = json!({
            "images": 320, "batch": 16, "from": 1024, "to": 512, "workers": 2, "ahead": 2,
            "rounds": [
                round("decoded", 100.0, 0.01), round("decoded", 300.0, 0.04), round("decoded", 200.0, 0.02),
                round("kept", 1000.0, 0.0), round("kept", 1000.0, 0.0), round("kept", 1000.0, 0.0),
            ],
        });
        let table = super::table(&measured).expect("whole");
        let rows: Vec<&str> = table.lines().skip(4).collect();
        assert_eq!(
            rows,
            [
                "| decoded anew | 200 | 180 | 0.90 | 7.0 [6.0 9.0] | 80 | 2.0 [1.0 4.0] | 0.2 |",
                "| in memory | 1000 | 900 | 0.90 | 5.0 [5.0 5.0] | 80 | 0.0 [0.0 0.0] | 0.2 |",
            ]
        );
        assert!(table.contains("medians of 3 rounds"), "{table}");
        measured["rounds"][4]["devices"][0]["device"] = Value::Null;
        let error = super::table(&measured).expect_err("a number is missing");
        assert!(error.starts_with("no `device` in {"), "{error}");
    }

    #[test]
    fn options_are_read_and_mistakes_named() {
        assert_eq!(parse(&[]), Ok([3, 20, 2, 2]));
        assert_eq!(parse(&["--ahead", "4", "--rounds", "5"]), Ok([5, 20, 2, 4]));
        let said = |arguments: &[&str]| parse(arguments).expect_err("a mistake");
        assert!(said(&["--ahead"]).contains("--ahead: a value is missing"));
        assert!(said(&["--workers", "0"]).contains("--workers 0"));
        assert!(said(&["--pairs", "3"]).contains("--pairs 3: no such option"));
    }
}
