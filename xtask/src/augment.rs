//! `cargo xtask bench augment`: the scope `pneumothorax` beside albumentations with the same operations, in alternation.
//!
//! A pair is one run of each program, one after the other, the first changing from pair to pair; a ratio is of the same pair.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::peers::median;

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
    let [python, options @ ..] = arguments else {
        return Err(USAGE.to_owned());
    };
    let (mut pairs, mut images) = (5, 400);
    for option in options.chunks(2) {
        let number = match option {
            [_, number] => number.parse().ok().filter(|n| *n > 0).ok_or(USAGE)?,
            _ => return Err(USAGE.to_owned()),
        };
        match option[0] {
            "--pairs" => pairs = number,
            "--images" => images = number,
            _ => return Err(USAGE.to_owned()),
        }
    }
    let program = crate::example(root, "augment_speed")?;
    let script = root.join("xtask/peers/augment.py");
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
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
            let numbers = samples.iter().map(|s| s[side][key].as_f64());
            numbers
                .collect::<Option<_>>()
                .ok_or(format!("no `{key}` in what was printed"))
        };
        let (ours, theirs) = (of(0, ours)?, of(1, theirs)?);
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a / b).collect();
        println!(
            "| {name} | {:.0} | {:.0} | {:.1} [{:.1} {:.1}] |",
            median(&ours),
            median(&theirs),
            median(&ratios),
            ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
    }
    Ok(())
}

/// The line of JSON that a program prints.
fn line(command: &mut Command) -> Result<Value, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{said}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.trim()).map_err(|e| format!("{command:?}: {e}: {text}"))
}
