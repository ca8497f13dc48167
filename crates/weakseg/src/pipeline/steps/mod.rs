//! One module a step; each writes its own folder and reads those of the steps it needs.

mod agreement;
mod boundaries;
mod classifier_chance;
mod eval_cams;
mod eval_pseudo_labels;
mod evaluate;
mod heat;
pub(crate) mod image_loss;
mod image_notes;
pub(crate) mod learner;
mod make_cams;
mod make_instances;
mod make_ir_labels;
pub(crate) mod make_pseudo_labels;
pub(crate) mod maps;
mod report;
mod score_instances;
pub(crate) mod scoring;
mod train_classifier;
mod train_irn;
mod train_segmenter;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use weakseg_data::Split;
use weakseg_models::weights::Metadata;

use super::{Bench, StepError};
use crate::config::{LoaderConfig, Training};
use crate::optim::{LrGroup, Optimizer};
use crate::train::{Fit, ImageStore, stream_seed};

pub use eval_cams::eval_cams;
pub use eval_pseudo_labels::eval_pseudo_labels;
pub use evaluate::evaluate;
pub use heat::Heat;
pub use make_cams::make_cams;
pub use make_ir_labels::make_ir_labels;
pub use make_pseudo_labels::make_pseudo_labels;
pub use maps::ClassMaps;
pub(super) use report::{left_out, set_warnings};
pub use report::{report, tuning_tables};
pub use score_instances::instance_figures;
pub use train_classifier::train_classifier;
pub use train_irn::train_irn;
pub use train_segmenter::train_segmenter;

/// File of a trained network in its step's folder.
pub(crate) const MODEL: &str = "model.safetensors";

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
pub(crate) fn fit_settings<'a>(
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
        loader: bench.config.loader,
        meta,
        device_name: bench.device_name,
        further: bench.further,
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

/// The images of the run's cases.
pub(crate) fn image_store(bench: &Bench<'_>) -> ImageStore {
    let config = bench.config;
    let cache = config.loader.cache.as_ref();
    let settings = LoaderConfig {
        cache: cache.map(|folder| bench.base.join(folder)),
        ..config.loader.clone()
    };
    ImageStore::new(&bench.cases.cases, config.image.size, &settings)
}

/// The images of the run's cases, as a training changes them.
pub(crate) fn training_images(bench: &Bench<'_>, training: &Training) -> ImageStore {
    match training.augment_first {
        true => image_store(bench).at_own_size(),
        false => image_store(bench),
    }
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

/// Works on cases batch by batch, in order. A case that is `done` already, by a run that was stopped, is not worked on
/// again.
pub(crate) fn per_batch(
    bench: &Bench<'_>,
    what: &str,
    cases: &[usize],
    size: usize,
    done: impl Fn(usize) -> bool,
    mut work: impl FnMut(&[usize]) -> Result<(), StepError>,
) -> Result<(), StepError> {
    let open: Vec<usize> = cases.iter().copied().filter(|&case| !done(case)).collect();
    bench.progress.begin(what, open.len() as u64);
    let mut over = 0;
    let result = open.chunks(size).try_for_each(|batch| {
        if bench.stop.asked() {
            return Err(StepError::Stopped);
        }
        work(batch)?;
        for &case in batch {
            over += 1;
            bench.progress.at(over, &bench.cases.cases[case].id);
        }
        Ok(())
    });
    bench.progress.end();
    result
}

/// Places of the cases of the validation and the test split.
pub(crate) fn held_out(bench: &Bench<'_>) -> Vec<usize> {
    [Split::Val, Split::Test]
        .into_iter()
        .flat_map(|split| indices(bench, split))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use weakseg_models::{
        Classifier, ClassifierArch, ClassifierConfig, SegmenterArch, SegmenterConfig,
    };

    use crate::optim::parameter_paths;

    fn classifier() -> Classifier {
        let config = ClassifierConfig {
            width: 0.0625,
            ..ClassifierConfig::new(ClassifierArch::Vgg16Bn, 2)
        };
        config.init(&Device::flex()).expect("a network")
    }

    fn training(groups: &str) -> Training {
        toml::from_str(&format!("optimizer = {{ lr = 0.5 }}\n{groups}")).expect("settings")
    }

    /// How many parameters have each learning rate; running statistics, which have none, are left out.
    fn rates(optimizer: &Optimizer, paths: &[String]) -> Vec<(f64, usize)> {
        let mut found: Vec<(f64, usize)> = Vec::new();
        for path in paths.iter().filter(|path| !path.contains("running_")) {
            let rate = 0.5 * optimizer.lr_factor(path);
            match found
                .iter_mut()
                .find(|(known, _)| (*known - rate).abs() < 1e-12)
            {
                Some((_, count)) => *count += 1,
                None => found.push((rate, 1)),
            }
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }

    /// Reference §1.4: trunk weights, trunk biases, extra weights, extra biases. VGG16 with batch norm has 13
    /// convolutions with bias, each with a norm of two parameters; the head three convolutions and a linear layer.
    #[test]
    fn the_references_four_groups_of_a_classifier() {
        let network = classifier();
        let optimizer = optimizer(
            &training(
                "[[groups]]\npart = \"trunk\"\nparameters = \"weights\"\nlr = 1e-5\n\
                 [[groups]]\npart = \"trunk\"\nparameters = \"biases\"\nlr = 1e-4\n\
                 [[groups]]\npart = \"head\"\nparameters = \"weights\"\nlr = 2e-4\n\
                 [[groups]]\npart = \"head\"\nparameters = \"biases\"\nlr = 1e-3",
            ),
            &train_classifier::HEAD,
        );
        optimizer.check_groups(&network).expect("none is empty");
        let paths = parameter_paths(&network);
        let head = |name: &str| {
            let extra = paths.iter().filter(|p| p.starts_with("head."));
            extra.filter(|p| p.ends_with(name)).count()
        };
        assert!(head("weight") >= 2 && head("bias") >= 1);
        let found: Vec<usize> = rates(&optimizer, &paths).iter().map(|(_, n)| *n).collect();
        assert_eq!(found, [26, 26, head("weight"), head("bias")]);
    }

    /// Reference §1.4: encoder, and the rest.
    #[test]
    fn the_references_two_groups_of_a_segmentation_network() {
        let config = SegmenterConfig {
            width: 0.0625,
            ..SegmenterConfig::new(SegmenterArch::UnetVgg16Bn, 1)
        };
        let network = config.init(&Device::flex()).expect("a network");
        let head = ["decoder", "segmentation_head"];
        let paths = parameter_paths(&network);
        let by_path = optimizer(
            &training("groups = [{ part = \"encoder\", lr = 0.001 }]"),
            &head,
        );
        let by_name = optimizer(
            &training("groups = [{ part = \"trunk\", lr = 0.001 }]"),
            &head,
        );
        let by_factor = optimizer(&training("head_lr_factor = 10.0"), &head);
        for optimizer in [&by_path, &by_name, &by_factor] {
            optimizer.check_groups(&network).expect("none is empty");
        }
        let found = rates(&by_path, &paths);
        assert_eq!((found.len(), found[0]), (2, (0.001, 52)));
        assert_eq!(found[1].0, 0.5, "what no group holds has the base rate");
        assert_eq!(rates(&by_name, &paths), found);
        let factors: Vec<f64> = rates(&by_factor, &paths).iter().map(|r| r.0).collect();
        assert_eq!(factors, [0.5, 5.0]);
    }

    #[test]
    fn a_group_of_nothing_is_refused_with_the_parts_there_are() {
        for part in ["", "decoder", "trunk.conv9"] {
            let groups = training(&format!("groups = [{{ part = \"{part}\", lr = 0.1 }}]"));
            let message = optimizer(&groups, &train_classifier::HEAD)
                .check_groups(&classifier())
                .expect_err("nothing there")
                .to_string();
            assert!(
                message.contains(&format!("`{part}`")) && message.contains("parts are trunk, head"),
                "{message}"
            );
        }
    }
}
