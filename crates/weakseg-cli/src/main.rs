//! `weakseg`: weakly supervised segmentation from the command line.
//!
//! Results go to stdout, everything else to stderr; see [`exit`] for the exit codes. This program parses, opens files
//! and prints: the work is done by the crates below it.
#![forbid(unsafe_code)]

mod args;
mod base;
mod commands;
mod device;
mod devices;
mod evaluation;
mod exit;
mod interrupt;
mod output;
mod ui;
mod wsmis;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use weakseg_data::Limits;

use args::{Cli, Command, Data, Settings};
use exit::Done;

/// Keeps freed pages, where the system's allocator hands large tensors back and asks for them again at every step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of a worker's stack: as much as the main thread has on most systems, since all work happens on workers.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let threads = cli.globals.threads.map_or(0, NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .stack_size(STACK)
        .build_global();
    // On a worker: from any other thread every parallel loop, and a training step has a thousand, would begin with
    // waking a worker and end with being woken.
    exit::code(match pool.context("cannot start the threads") {
        // It waits for requests, and a worker that waits is one less to predict with.
        Ok(()) if matches!(cli.command, Command::Serve(_)) => run(cli),
        Ok(()) => rayon::scope(|_| run(cli)),
        Err(error) => Err(error),
    })
}

fn run(cli: Cli) -> Result<Done> {
    Limits::set_max_pixels(cli.globals.max_pixels);
    let settings = Settings::new(&cli.globals);
    match cli.command {
        Command::Demo(demo) => demo.run(&settings),
        Command::Run(run) => run.run(&settings),
        Command::Predict(predict) => predict.run(&settings),
        Command::Evaluate(evaluate) => evaluate.run(&settings),
        Command::Tune(tune) => tune.run(&settings),
        Command::Cam(cam) => cam.run(&settings),
        Command::Crf(crf) => crf.run(&settings),
        Command::Walk(walk) => walk.run(&settings),
        Command::Data(Data::Phantom(phantom)) => phantom.run(&settings),
        Command::Data(Data::Verify(verify)) => verify.run(&settings),
        Command::Data(Data::Split(split)) => split.run(&settings),
        Command::Data(Data::Pixels(pixels)) => pixels.run(&settings),
        Command::Data(Data::Rle(rle)) => rle.run(&settings),
        Command::Weights(weights) => weights.run(&settings),
        Command::Bench(bench) => bench.run(&settings),
        Command::Report(report) => report.run(&settings),
        Command::Serve(serve) => serve.run(&settings),
        Command::Config(config) => config.run(&settings),
    }
}
