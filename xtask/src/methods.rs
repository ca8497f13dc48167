//! `cargo xtask bench methods`: the dense CRF, the random walk and the pair affinities beside their peers, in
//! alternation.
//!
//! A pair is one run of ours and one of the peer's, one process after the other; the first changes from pair to pair.
//! CRF and affinities are the best of a process's repetitions, a walk is done once. `--shared` names the folder with
//! the peers' scripts (`peers`) and images with label maps (`fixtures/crf`); affinities need none. A ratio is the
//! peer's seconds over ours, the times that ours is faster.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::options::options;
use crate::sample;
use crate::spread::{Spread, median};

const USAGE: &str = "usage: cargo xtask bench methods PYTHON [--shared DIR] [--only crf|walk|affinity] \
                     [--pairs 5] [--threads 2]";

/// What is compared.
struct Plan {
    python: String,
    shared: PathBuf,
    only: Option<String>,
    pairs: usize,
    threads: usize,
}

impl Plan {
    fn parse(root: &Path, arguments: &[&str]) -> Result<Self, String> {
        let [python, rest @ ..] = arguments else {
            return Err(USAGE.to_owned());
        };
        let mut plan = Self {
            python: (*python).to_owned(),
            shared: root.join("../shared"),
            only: None,
            pairs: 5,
            threads: 2,
        };
        for option in options(rest, USAGE)? {
            match (option.name, option.value()?) {
                ("--shared", value) => plan.shared = value.into(),
                ("--only", value @ ("crf" | "walk" | "affinity")) => {
                    plan.only = Some(value.to_owned())
                }
                ("--pairs", _) => plan.pairs = option.number()?,
                ("--threads", _) => plan.threads = option.number()?,
                _ => return option.unknown(),
            }
        }
        Ok(plan)
    }
}

/// A row of the table: the two commands of one case.
struct Case {
    name: String,
    ours: Vec<String>,
    /// None where the peer would take more memory or time than there is.
    theirs: Option<Vec<String>>,
}

/// Runs the comparison and prints it as a table.
pub fn bench(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let plan = Plan::parse(root, arguments)?;
    for name in ["speed", "affinity_speed"] {
        crate::example(root, name)?;
    }
    if !crate::run(crate::cargo().args(["build", "--release"]), root) {
        return Err("cargo build --release: failed".to_owned());
    }
    let scratch = crate::target(root).join("bench-methods");
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    if plan.only.as_deref() != Some("affinity") {
        make_inputs(&plan, &scratch)?;
    }
    println!(
        "{} threads, {} pairs; seconds are medians, ratios medians [least greatest], memory in MiB.\n",
        plan.threads, plan.pairs
    );
    println!("| case | weakseg | peer | times faster | peak | peer |\n|---|---|---|---|---|---|");
    for (kind, case) in cases(&plan, root, &scratch) {
        if plan.only.as_deref().is_some_and(|only| only != kind) {
            continue;
        }
        row(&plan, &case)?;
    }
    Ok(())
}

/// Files that are not among the shared ones: an image of 512 and of 1024 pixels, class maps and edges.
fn make_inputs(plan: &Plan, scratch: &Path) -> Result<(), String> {
    const SCRIPT: &str = "
import sys, numpy as np
from PIL import Image
source, out = sys.argv[1:]
for side in (512, 1024):
    image = Image.open(source + '.image.png').convert('RGB'); labels = Image.open(source + '.labels.png')
    image.resize((side, side), Image.BICUBIC).save(f'{out}/{side}.image.png')
    labels.resize((side, side), Image.NEAREST).save(f'{out}/{side}.labels.png')
chance = np.random.default_rng(0)
for side in (64, 128, 256, 512):
    np.save(f'{out}/{side}.cam.npy', chance.random((1, side, side), np.float32))
    np.save(f'{out}/{side}.edge.npy', chance.random((side, side), np.float32) ** 3)
";
    let source = plan.shared.join("fixtures/crf/00000261_007");
    let made = Command::new(&plan.python)
        .args(["-c", SCRIPT])
        .args([&source, scratch])
        .status();
    match made {
        Ok(status) if status.success() => Ok(()),
        _ => Err(format!(
            "{}: the inputs could not be made from {}.*.png; PYTHON needs numpy and Pillow",
            plan.python,
            source.display()
        )),
    }
}

fn cases(plan: &Plan, root: &Path, scratch: &Path) -> Vec<(&'static str, Case)> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let words = |words: &[&str]| words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>();
    let release = crate::target(root).join("release");
    let peer = |name: &str| text(plan.shared.join("peers").join(name));
    let out = text(scratch.join("out"));
    let mut all = Vec::new();

    let crf = plan.shared.join("fixtures/crf");
    for (name, at, labels) in [
        ("CRF 512x512, 2 labels", scratch.join("512"), "2"),
        ("CRF 500x375, 3 labels", crf.join("2007_000170"), "3"),
        ("CRF 500x375, 21 labels", crf.join("2007_000170"), "21"),
        ("CRF 1024x1024, 2 labels", scratch.join("1024"), "2"),
    ] {
        let at = text(at);
        let (image, map) = (format!("{at}.image.png"), format!("{at}.labels.png"));
        let speed = text(release.join("examples/speed"));
        let (crf, png) = (peer("crf.py"), format!("{out}.png"));
        let theirs = [
            &plan.python,
            &crf,
            &image,
            &map,
            &png,
            "--labels-count",
            labels,
        ];
        let theirs = [&theirs[..], &["--repeat", "3"]].concat();
        let case = Case {
            name: name.to_owned(),
            ours: words(&[&speed, &image, &map, labels, "3"]),
            theirs: Some(words(&theirs)),
        };
        all.push(("crf", case));
    }
    for side in [64, 128, 256, 512] {
        let input = |kind: &str| text(scratch.join(format!("{side}.{kind}.npy")));
        let (cam, edge, npy) = (input("cam"), input("edge"), format!("{out}.npy"));
        let program = text(release.join("weakseg"));
        let walk = peer("walk.py");
        let case = Case {
            name: format!("walk {side}x{side}"),
            ours: words(&[&program, "--json", "walk", &cam, &edge, "--out", &npy]),
            // In double precision: values too small for single make it many times slower.
            theirs: (side == 64)
                .then(|| words(&[&plan.python, &walk, &cam, &edge, &npy, "--double"])),
        };
        all.push(("walk", case));
    }
    let affinity = text(root.join("xtask/peers/affinity.py"));
    let case = Case {
        name: "losses of pairs, 8 x 128x128, radius 10".to_owned(),
        ours: vec![text(release.join("examples/affinity_speed"))],
        theirs: Some(words(&[&plan.python, &affinity])),
    };
    all.push(("affinity", case));
    all
}

fn row(plan: &Plan, case: &Case) -> Result<(), String> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut peaks = [0u64; 2];
    for pair in 0..plan.pairs {
        let mut order = [0, 1];
        order.rotate_left(pair % 2);
        for who in order {
            let (command, seconds) = match (who, &case.theirs) {
                (0, _) => (&case.ours, &mut ours),
                (_, Some(command)) => (command, &mut theirs),
                _ => continue,
            };
            let (best, peak) = best_of(command, plan.threads)?;
            seconds.push(best);
            peaks[who] = peaks[who].max(peak);
        }
    }
    let (theirs, ratio) = if theirs.is_empty() {
        ("-".to_owned(), "-".to_owned())
    } else {
        let ratio = Spread::of_ratios(&theirs, &ours).to_string();
        (format!("{:.4}", median(&theirs)), ratio)
    };
    println!(
        "| {} | {:.4} | {theirs} | {ratio} | {} | {} |",
        case.name,
        median(&ours),
        peaks[0] >> 20,
        peaks[1] >> 20
    );
    Ok(())
}

/// Seconds that a program prints, and its greatest resident set.
fn best_of(command: &[String], threads: usize) -> Result<(f64, u64), String> {
    let (program, arguments) = command.split_first().ok_or("no command")?;
    let threads = threads.to_string();
    let mut command = Command::new(program);
    command.args(arguments).stderr(Stdio::null());
    command.envs([
        ("RAYON_NUM_THREADS", &threads),
        ("OMP_NUM_THREADS", &threads),
    ]);
    let (printed, peak) = sample::run(&mut command)?;
    Ok((sample::number(&printed, "seconds")?, peak))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_mistakes_named() {
        let root = Path::new("root");
        let plan = Plan::parse(root, &["python", "--only", "walk", "--pairs", "7"]);
        let plan = plan.expect("sound");
        assert_eq!((plan.only.as_deref(), plan.pairs), (Some("walk"), 7));
        for bad in [
            &["python", "--pairs"][..],
            &["python", "--pairs", "0"],
            &["python", "--only", "all"],
            &[],
        ] {
            assert!(Plan::parse(root, bad).is_err(), "{bad:?}");
        }
    }
}
