//! The command line: what is global, and which commands there are. Each command's own options stand with the command.

use std::num::NonZeroUsize;

use clap::{Args, Parser, Subcommand};

use weakseg_data::Limits;

use crate::commands::{
    Bench, Cam, Config, Crf, DataSplit, Demo, Evaluate, Phantom, Pixels, Predict, Report, Rle, Run,
    Serve, Tune, Verify, Walk, Weights,
};
use crate::device::Choice;
use crate::ui::{Level, Ui};

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (research software, not a medical device)"
);

/// From image-level labels to masks: train a classifier on what is in each image, ask it where, refine the answer,
/// and train a segmentation network with it. No mask is needed to train.
#[derive(Debug, Parser)]
#[command(
    name = "weakseg",
    version = VERSION,
    arg_required_else_help = true,
    after_help = "\
Start with:
  weakseg demo                    the whole method on made chest X-rays, in minutes
  weakseg run config.toml         the whole method on your images
  weakseg predict --model RUN image.png --out masks
  weakseg serve RUN               its cases, and its model on an image, in the browser

Results go to stdout, progress to stderr. Exit codes:
  0 done   1 failed   2 usage or configuration
  3 finished, but more cases were left out than --allow-skips allows
  130 interrupted; `weakseg run` and `weights fetch` go on from there, other commands begin again

Research software, not a medical device."
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Where networks run: auto, cpu, cuda[:N], vulkan[:N], metal or wgpu. Never falls back in silence. `weakseg run`
    /// trains on several with --devices.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto")]
    pub device: Choice,
    /// Threads of the CPU; all by default. Results do not depend on it.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Most pixels of an image that is read, height times width; larger ones are refused before they take memory.
    #[arg(long, global = true, value_name = "N", default_value_t = Limits::default().max_pixels)]
    pub max_pixels: u64,
    /// Seed of trainings, resampling and what else is drawn; wins over the configuration's `seed`. How a set is divided
    /// has a seed of its own, `data.split_seed`, which --seed sets for `data split` alone.
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// Print one JSON document, or one JSON line per item, on stdout and nothing else there.
    #[arg(long, global = true)]
    pub json: bool,
    /// Tell also what was decided on the way.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show no progress; stderr tells only what went wrong. Results on stdout stay.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// What to do.
// A doc comment of a variant would take the place, in --help, of all that the command's own type says: they have none.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(Demo),
    Run(Run),
    Predict(Predict),
    Evaluate(Evaluate),
    Tune(Tune),
    Cam(Cam),
    Crf(Crf),
    Walk(Walk),
    /// Make a phantom set, check or divide a data set, look at pixels, turn run lengths into masks and back.
    #[command(subcommand)]
    Data(Data),
    /// Pretrained weights, and weights from and for other libraries.
    #[command(subcommand)]
    Weights(Weights),
    /// Time networks on this machine.
    #[command(subcommand)]
    Bench(Bench),
    Report(Report),
    Serve(Serve),
    /// Show what a configuration may hold, or what it resolves to.
    #[command(subcommand)]
    Config(Config),
}

/// `weakseg data …`
#[derive(Debug, Subcommand)]
pub enum Data {
    Phantom(Phantom),
    Verify(Verify),
    Split(DataSplit),
    Pixels(Pixels),
    /// Turn run lengths into masks, and masks into run lengths.
    #[command(subcommand)]
    Rle(Rle),
}

/// The global options, as commands use them.
pub struct Settings {
    /// Who shows progress.
    pub ui: Ui,
    /// Whether stdout takes JSON.
    pub json: bool,
    /// Seed asked for.
    pub seed: Option<u64>,
    /// Device asked for.
    pub device: Choice,
}

impl Settings {
    /// What `globals` mean.
    pub fn new(globals: &Globals) -> Self {
        let level = match (globals.quiet, globals.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        Self {
            ui: Ui::new(level),
            json: globals.json,
            seed: globals.seed,
            device: globals.device,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Shows `look` a command and all below it.
    fn all(command: &mut clap::Command, look: &mut impl FnMut(&mut clap::Command)) {
        look(command);
        for inner in command.get_subcommands_mut() {
            all(inner, look);
        }
    }

    #[test]
    fn what_a_command_says_of_itself_is_in_its_help() {
        let mut cli = Cli::command();
        all(&mut cli, &mut |command| {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        });
        for (name, words) in [
            ("run", "make-ir-labels"),
            ("predict", "OUT/model.json"),
            ("tune", "Otsu"),
        ] {
            let command = cli.find_subcommand_mut(name).expect(name);
            let help = command.render_long_help().to_string();
            assert!(help.contains(words), "{name}: {help}");
        }
    }

    /// Longer lines are broken where the terminal ends, and their second half reads as a command.
    #[test]
    fn examples_fit_into_a_hundred_columns() {
        all(&mut Cli::command(), &mut |command| {
            let after = command.get_after_help().map(ToString::to_string);
            for line in after.unwrap_or_default().lines() {
                let name = command.get_name();
                assert!(line.chars().count() <= 100, "{name}: {line}");
            }
        });
    }
}
