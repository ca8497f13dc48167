//! One module a step; each writes its own folder and reads those of the steps it needs.

mod eval_cams;
mod eval_pseudo_labels;
mod evaluate;
mod make_cams;
mod make_ir_labels;
pub(crate) mod make_pseudo_labels;
pub(crate) mod maps;
mod report;
pub(crate) mod scoring;
mod train_classifier;
mod train_irn;
mod train_segmenter;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use weakseg_data::sampler::Sampler;
use weakseg_data::{Case, Split};
use weakseg_models::weights::Metadata;

use super::{Bench, StepError};
use crate::config::{SamplerKind, Training};
use crate::optim::{LrGroup, Optimizer};
use crate::train::{Fit, stream_seed};

pub use eval_cams::eval_cams;
pub use eval_pseudo_labels::eval_pseudo_labels;
pub use evaluate::evaluate;
pub use make_cams::make_cams;
pub use make_ir_labels::make_ir_labels;
pub use make_pseudo_labels::make_pseudo_labels;
pub use maps::ClassMaps;
pub use report::report;
pub use train_classifier::train_classifier;
pub use train_irn::train_irn;
pub use train_segmenter::train_segmenter;

/// File of a trained network in its step's folder.
pub(crate) const MODEL: &str = "model.safetensors";

/// What a random stream is for, so that no two uses share one.
pub(crate) mod purpose {
    pub const CLASSIFIER: u64 = 1;
    pub const IRN: u64 = 2;
    pub const SEGMENTER: u64 = 3;
    pub const DROPBLOCK: u64 = 4;
    pub const AUGMENT: u64 = 5;
}

/// Seed of the initial weights and the order of one training.
pub(crate) fn training_seed(bench: &Bench<'_>, purpose: u64) -> u64 {
    stream_seed(
        bench.config.seed,
        crate::train::Place { epoch: 0, step: 0 },
        purpose,
    )
}

/// Places in the set of the cases of a split, in order.
pub(crate) fn indices(bench: &Bench<'_>, split: Split) -> Vec<usize> {
    (0..bench.cases.cases.len())
        .filter(|&i| bench.cases.cases[i].split == split)
        .collect()
}

/// How one of the trainings runs.
pub(crate) fn plan<'a>(
    bench: &'a Bench<'a>,
    folder: &'a Path,
    name: &'a str,
    training: &'a Training,
    meta: &'a Metadata,
) -> Fit<'a> {
    Fit {
        folder,
        name,
        training,
        drop_last: true,
        meta,
        progress: bench.progress,
        stop: bench.stop,
    }
}

/// The optimizer of a training with its learning-rate groups; `head` are the paths of the part that starts from noise.
pub(crate) fn optimizer(training: &Training, head: &[&str]) -> Optimizer {
    let base = training.optimizer.lr;
    let groups = match training.groups.is_empty() {
        true => vec![LrGroup::new(head.to_vec(), training.head_lr_factor)],
        false => training
            .groups
            .iter()
            .map(|group| group.group(head, base))
            .collect(),
    };
    Optimizer::new(&training.optimizer, groups)
}

/// The sampler of a training over some cases.
pub(crate) fn sampler(
    bench: &Bench<'_>,
    kind: SamplerKind,
    cases: &[usize],
) -> Result<Sampler, StepError> {
    Ok(match kind {
        SamplerKind::Shuffle => Sampler::Shuffle { len: cases.len() },
        SamplerKind::Balanced => {
            let cases: Vec<&Case> = cases.iter().map(|&i| &bench.cases.cases[i]).collect();
            Sampler::balanced(&cases)?
        }
    })
}

/// Works on cases in parallel. A case that is `done` already, by a run that was stopped, is not worked on again.
pub(crate) fn per_case(
    bench: &Bench<'_>,
    what: &str,
    cases: &[usize],
    done: impl Fn(usize) -> bool,
    work: impl Fn(usize) -> Result<(), StepError> + Sync,
) -> Result<(), StepError> {
    let open: Vec<usize> = cases.iter().copied().filter(|&case| !done(case)).collect();
    bench.progress.begin(what, open.len() as u64);
    let over = AtomicU64::new(0);
    let result = open.par_iter().try_for_each(|&case| {
        if bench.stop.asked() {
            return Err(StepError::Stopped);
        }
        work(case)?;
        bench.progress.at(
            over.fetch_add(1, Ordering::Relaxed) + 1,
            &bench.cases.cases[case].id,
        );
        Ok(())
    });
    bench.progress.end();
    result
}
