//! `cargo xtask bench augment`: the scope `pneumothorax` beside albumentations with the same operations, in
//! alternation.
//!
//! A pair is one run of each program, one after the other, the first changing from pair to pair; a ratio is of the same
//! pair.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::options::options;
use crate::sample;
use crate::spread::{Spread, median};

const USAGE: &str = "usage: cargo xtask bench augment PYTHON [--pairs 5] [--images 400]";

/// What of ours stands beside what of theirs.
const ROWS: [(&str, &str, &str); 3] = [
    (
        "from 1024, shrunk first, against the reference's order",
        "resize_first",
        "augment_first",
    ),
    (
        "from 1024, both shrunk first",
        "resize_first",
        "resize_first",
    ),
    (
        "in an epoch: decoded and shrunk once, against the reference's order",
        "cached",
        "augment_first",
    ),
];

/// Runs the comparison and prints it as a table.
pub fn bench(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let [python, rest @ ..] = arguments else {
        return Err(USAGE.to_owned());
    };
    let (mut pairs, mut images) = (5, 400);
    for option in options(rest, USAGE)? {
        match option.name {
            "--pairs" => pairs = option.number()?,
            "--images" => images = option.number()?,
            _ => return option.unknown(),
        }
    }
    let program = crate::example(root, "augment_speed")?;
    let script = root.join("xtask/peers/augment.py");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let line = |command: &mut Command| sample::run(command).map(|(line, _)| line);
    let ours = || line(Command::new(&program).arg(images.to_string()));
    let theirs = || {
        let mut command = Command::new(python);
        command.arg(&script);
        line(command.args([threads.to_string(), images.to_string()]))
    };
    let mut samples: Vec<[Value; 2]> = Vec::new();
    for pair in 0..pairs {
        let sample = match pair % 2 {
            0 => [ours()?, theirs()?],
            _ => {
                let theirs = theirs()?;
                [ours()?, theirs]
            }
        };
        eprintln!("{}/{pairs}: {} against {}", pair + 1, sample[0], sample[1]);
        samples.push(sample);
    }
    println!(
        "{threads} threads, {pairs} pairs of {images} images; medians, ratios [least greatest].\n"
    );
    println!(
        "| 1024 to 512 pixels, one channel | weakseg, images/s | albumentations | ratio |\n|---|---|---|---|"
    );
    for (name, ours, theirs) in ROWS {
        let of = |side: usize, key: &str| -> Result<Vec<f64>, String> {
            let numbers = samples.iter().map(|s| sample::number(&s[side], key));
            numbers.collect()
        };
        let (ours, theirs) = (of(0, ours)?, of(1, theirs)?);
        println!(
            "| {name} | {:.0} | {:.0} | {:.1} |",
            median(&ours),
            median(&theirs),
            Spread::of_ratios(&ours, &theirs)
        );
    }
    Ok(())
}
