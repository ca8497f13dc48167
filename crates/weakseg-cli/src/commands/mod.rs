//! One command each: its options, and the work it calls.

mod bench;
mod cam;
mod config;
mod crf;
mod demo;
mod evaluate;
mod output_path;
mod phantom;
mod pixels;
mod predict;
mod report;
mod rle;
mod run;
mod serve;
mod set;
mod split;
mod tune;
mod verify;
mod view;
mod walk;
mod weights;

pub use bench::Bench;
pub use cam::Cam;
pub use config::Config;
pub use crf::Crf;
pub use demo::Demo;
pub use evaluate::Evaluate;
pub use phantom::Phantom;
pub use pixels::Pixels;
pub use predict::Predict;
pub use report::Report;
pub use rle::Rle;
pub use run::Run;
pub use serve::Serve;
pub use split::DataSplit;
pub use tune::Tune;
pub use verify::Verify;
pub use walk::Walk;
pub use weights::Weights;

/// `N` numbers with commas between.
fn numbers<const N: usize>(text: &str) -> Result<[f32; N], String> {
    let parts: Vec<f32> = text
        .split(',')
        .map(|part| {
            part.trim()
                .parse()
                .map_err(|_| format!("`{part}` is no number"))
        })
        .collect::<Result<_, _>>()?;
    let found = parts.len();
    parts
        .try_into()
        .map_err(|_| format!("expected {N} numbers with commas between, found {found}"))
}
