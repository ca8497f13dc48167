//! `cargo xtask bench peers`: `weakseg bench step` beside PyTorch, in alternation.
//!
//! For each network a pair is one run of weakseg and one of each of PyTorch's layouts (two in fp32, channels last in
//! bf16), one process after the other, so that what else the machine does falls on all of them; the ratio of a pair is
//! weakseg's time over the faster layout's. The first of a pair changes from pair to pair. Peak memory is the process's
//! greatest resident set, PyTorch's with what the interpreter and its libraries take.
//!
//! With `--device vulkan` (or another GPU) PyTorch runs on its `cuda` device, and peak memory is left out: neither
//! program's is the process's. `--program` names a program built elsewhere, for machines that have a GPU and no Rust.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::options;
use crate::spread::{Spread, median};

/// Arithmetic of both programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Fp32,
    Bf16,
}

impl Mode {
    /// Its name for `weakseg bench step`.
    fn ours(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }

    /// PyTorch's names, one for each way to lay a batch out.
    fn theirs(self) -> &'static [&'static str] {
        match self {
            Self::Fp32 => &["fp32", "fp32-nhwc"],
            Self::Bf16 => &["bf16-nhwc"],
        }
    }
}

const NETS: [&str; 7] = [
    "vgg16",
    "resnet50-os32",
    "resnet50-os8",
    "unet-resnet50",
    "unet-se_resnext50",
    "deeplabv3-resnet50",
    "deeplabv3plus-resnet50-os8",
];

const USAGE: &str = "usage: cargo xtask bench peers PYTHON [--script TRAIN_STEP.py] [--net NAME…] [--pairs 5] \
                     [--mode fp32|bf16] [--batch 4] [--size 224] [--repeat 3] [--device cpu|vulkan|metal|wgpu|cuda] \
                     [--program WEAKSEG]";

/// What is compared.
struct Plan {
    python: String,
    script: PathBuf,
    nets: Vec<String>,
    mode: Mode,
    pairs: usize,
    batch: usize,
    size: usize,
    repeat: usize,
    /// Weakseg's name for it.
    device: String,
    /// Built here if not given.
    program: Option<PathBuf>,
}

impl Plan {
    fn parse(root: &Path, arguments: &[&str]) -> Result<Self, String> {
        let [python, rest @ ..] = arguments else {
            return Err(USAGE.to_owned());
        };
        let mut plan = Self {
            python: (*python).to_owned(),
            script: root.join("../shared/peers/train_step.py"),
            nets: Vec::new(),
            mode: Mode::Fp32,
            pairs: 5,
            batch: 4,
            size: 224,
            repeat: 3,
            device: "cpu".to_owned(),
            program: None,
        };
        for option in options(rest, USAGE)? {
            match option.name {
                "--script" => plan.script = option.value()?.into(),
                "--net" => plan
                    .nets
                    .extend(option.values.iter().map(|&net| net.to_owned())),
                "--mode" => {
                    plan.mode = match option.value()? {
                        "fp32" => Mode::Fp32,
                        "bf16" => Mode::Bf16,
                        other => return Err(format!("--mode {other}: expected fp32 or bf16")),
                    }
                }
                "--device" => plan.device = option.value()?.to_owned(),
                "--program" => plan.program = Some(option.value()?.into()),
                "--pairs" => plan.pairs = option.number()?,
                "--batch" => plan.batch = option.number()?,
                "--size" => plan.size = option.number()?,
                "--repeat" => plan.repeat = option.number()?,
                _ => return option.unknown(),
            }
        }
        if plan.nets.is_empty() {
            plan.nets = NETS.map(str::to_owned).to_vec();
        }
        Ok(plan)
    }

    fn on_gpu(&self) -> bool {
        self.device != "cpu"
    }

    /// The program to measure: the one named, or this repository's, built for the device.
    fn program(&self, root: &Path) -> Result<PathBuf, String> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let mut build = crate::cargo();
        build.args(["build", "--release"]).current_dir(root);
        if self.on_gpu() {
            let feature = self.device.split(':').next().unwrap_or_default();
            build.args(["--features", feature]);
        }
        if !build.status().is_ok_and(|status| status.success()) {
            return Err("the program could not be built".to_owned());
        }
        Ok(crate::target(root).join("release/weakseg"))
    }

    /// The arguments that both programs take.
    fn arguments(&self, net: &str) -> Vec<String> {
        let numbers = [
            ("--batch", self.batch),
            ("--size", self.size),
            ("--repeat", self.repeat),
        ];
        let mut all = vec!["--net".to_owned(), net.to_owned()];
        for (name, number) in numbers {
            all.extend([name.to_owned(), number.to_string()]);
        }
        all
    }

    fn weakseg(&self, program: &Path, net: &str) -> Result<Sample, String> {
        let mut command = Command::new(program);
        command.args(["--device", &self.device, "bench", "step"]);
        command.args(["--modes", self.mode.ours()]);
        sample(command.args(self.arguments(net)))
    }

    fn pytorch(&self, net: &str, layout: &str, threads: usize) -> Result<Sample, String> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(self.arguments(net));
        let device = if self.on_gpu() { "cuda" } else { "cpu" };
        command.args(["--device", device, "--modes", layout]);
        command.args(["--threads", &threads.to_string()]);
        sample(&mut command)
    }
}

/// One run of one program.
#[derive(Debug, Clone, Copy)]
struct Sample {
    train: f64,
    infer: f64,
    threads: usize,
    /// Greatest resident set in bytes, 0 where the system does not tell.
    peak: u64,
}

fn sample(command: &mut Command) -> Result<Sample, String> {
    let (printed, peak) = crate::sample::run(command)?;
    let number = |key: &str| crate::sample::number(&printed, key);
    Ok(Sample {
        train: number("train_s")?,
        infer: number("infer_s")?,
        threads: number("threads")? as usize,
        peak,
    })
}

/// The samples of one network.
struct Row {
    ours: Vec<Sample>,
    /// One for each layout.
    theirs: Vec<Vec<Sample>>,
}

impl Row {
    fn print(&self, net: &str, memory: bool) {
        let faster = |of: fn(&Sample) -> f64| -> Vec<f64> {
            let pairs = self.theirs.iter();
            pairs
                .map(|pair| pair.iter().map(of).fold(f64::INFINITY, f64::min))
                .collect()
        };
        let mut cells = vec![net.to_owned()];
        for of in [|s: &Sample| s.train, |s: &Sample| s.infer] {
            let ours: Vec<f64> = self.ours.iter().map(of).collect();
            let theirs = faster(of);
            cells.push(format!("{:.3}", median(&ours)));
            cells.push(format!("{:.3}", median(&theirs)));
            cells.push(format!("{:.2}", Spread::of_ratios(&ours, &theirs)));
        }
        if memory {
            let mebi = |bytes: u64| (bytes >> 20).to_string();
            let peak = self.ours.iter().map(|s| s.peak).max().unwrap_or(0);
            // The layout that takes less.
            let count = self.theirs.first().map_or(0, Vec::len);
            let layouts = (0..count).map(|l| self.theirs.iter().map(|pair| pair[l].peak).max());
            cells.push(mebi(peak));
            cells.push(mebi(layouts.flatten().min().unwrap_or(0)));
        }
        println!("| {} |", cells.join(" | "));
    }
}

/// Runs the comparison and prints it as a table.
pub fn bench(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let plan = Plan::parse(root, arguments)?;
    if !plan.script.is_file() {
        return Err(format!(
            "{}: no such file; name PyTorch's side with --script",
            plan.script.display()
        ));
    }
    let program = plan.program(root)?;
    println!(
        "Batch {}, {} px, {}, {}, {} pairs; seconds are medians, ratios medians [least greatest], memory in MiB.\n",
        plan.batch,
        plan.size,
        plan.mode.ours(),
        plan.device,
        plan.pairs
    );
    let columns = if plan.on_gpu() {
        ""
    } else {
        " peak | PyTorch |"
    };
    println!(
        "| network | train | PyTorch | ratio | infer | PyTorch | ratio |{columns}\n|---|---|---|---|---|---|---|{}",
        "---|".repeat(columns.matches('|').count())
    );
    for net in &plan.nets {
        let mut row = Row {
            ours: Vec::new(),
            theirs: Vec::new(),
        };
        for pair in 0..plan.pairs {
            let ours_first = pair % 2 == 0;
            if ours_first {
                row.ours.push(plan.weakseg(&program, net)?);
            }
            // As many threads as weakseg takes.
            let threads = match row.ours.last() {
                Some(sample) => sample.threads,
                None => std::thread::available_parallelism().map_or(1, usize::from),
            };
            let layouts = plan.mode.theirs().iter();
            let theirs: Result<Vec<Sample>, String> = layouts
                .map(|layout| plan.pytorch(net, layout, threads))
                .collect();
            row.theirs.push(theirs?);
            if !ours_first {
                row.ours.push(plan.weakseg(&program, net)?);
            }
            let all = |of: fn(&Sample) -> f64| -> String {
                let each = row.theirs[pair].iter().map(|s| format!("{:.4}", of(s)));
                each.collect::<Vec<_>>().join(" and ")
            };
            eprintln!(
                "{net} {}/{}: {:.4} against {}; inference {:.4} against {}",
                pair + 1,
                plan.pairs,
                row.ours[pair].train,
                all(|s| s.train),
                row.ours[pair].infer,
                all(|s| s.infer),
            );
        }
        row.print(net, !plan.on_gpu());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_mistakes_named() {
        let root = Path::new("root");
        let plan = Plan::parse(
            root,
            &["python", "--net", "vgg16", "resnet50-os8", "--pairs", "7"],
        );
        let plan = plan.expect("sound");
        assert_eq!((plan.nets.len(), plan.pairs, plan.batch), (2, 7, 4));
        for bad in [
            &["python", "--pairs"][..],
            &["python", "--pairs", "0"],
            &["python", "--nets", "vgg16"],
            &[],
        ] {
            assert!(Plan::parse(root, bad).is_err(), "{bad:?}");
        }
    }
}
