//! Step 2: IRNet learns class boundaries and displacements from what the maps are sure of (reference §4).

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use weakseg_data::sampler::Sampler;
use weakseg_data::{Limits, Split, Stack, read_index_png};
use weakseg_kernels::PathIndex;
use weakseg_models::weights::save_safetensors;
use weakseg_models::{Irnet, IrnetHeads, Normalisation};

use super::{MODEL, indices, optimizer, plan, purpose, training_seed};
use crate::irn::{irn_loss, pair_labels};
use crate::networks::{self, ModelCard};
use crate::pipeline::{Bench, Outcome, StepError};
use crate::train::{ImageStore, Lesson, Place, TrainError, fit, to_tensor};

/// Trains the heads of IRNet over the frozen trunk of step 1, on the training cases that have IR labels.
///
/// Departs from IRNet, whose trunk is an ImageNet ResNet50: because the trunk of step 1 knows these images, and is there
/// without a download.
pub fn train_irn(bench: &Bench<'_>, folder: &Path) -> Result<Outcome, StepError> {
    let config = &bench.config.irn;
    let device = bench.device.clone().autodiff();
    let file = bench.run.folder("train-classifier").join(MODEL);
    let classifier = networks::open_classifier(&file, &ModelCard::read(&file)?, &device)?;
    let irnet = networks::new_irnet(
        bench,
        &classifier,
        training_seed(bench, purpose::IRN),
        &device,
    )?;
    let labels_folder = bench.run.folder("make-ir-labels");
    let cases = &bench.cases.cases;
    let mut train = Vec::new();
    let mut labels = Vec::new();
    for index in indices(bench, Split::Train) {
        if cases[index].is_positive() {
            let path = labels_folder.join(format!("{}.png", cases[index].id));
            labels.push(read_index_png(&path, &Limits::default())?.into_stack());
            train.push(index);
        }
    }
    let images = ImageStore::new(cases, bench.config.image.size);
    let card = ModelCard::irnet(bench.config, &bench.cases.classes);
    let mut lesson = Boundaries {
        bench,
        images: &images,
        labels,
        sampler: Sampler::Shuffle { len: train.len() },
        train,
        irnet: irnet.clone(),
        paths: PathIndex::new(config.radius),
        normalisation: card.normalisation(),
        device,
        seed: training_seed(bench, purpose::IRN),
    };
    let meta = card.metadata();
    let optimizer = optimizer(&config.training, &["displacement"]);
    let plan = plan(bench, folder, "train-irn", &config.training, &meta);
    let heads = fit(&mut lesson, irnet.heads.clone(), optimizer, &plan)?;
    let mut trained = irnet.valid();
    trained.heads = heads.valid();
    trained.set_mean_shift(lesson.mean_displacement(&trained)?);
    save_safetensors(&trained, &folder.join(MODEL), &meta)?;
    Ok(Outcome {
        cases: lesson.train.len(),
        ..Outcome::default()
    })
}

struct Boundaries<'a> {
    bench: &'a Bench<'a>,
    images: &'a ImageStore,
    labels: Vec<Stack<u8>>,
    train: Vec<usize>,
    sampler: Sampler,
    irnet: Irnet,
    paths: PathIndex,
    normalisation: Normalisation,
    device: Device,
    seed: u64,
}

impl Boundaries<'_> {
    /// Mean displacement over the training images, to be subtracted at inference (reference §4.1, mean shift).
    fn mean_displacement(&self, irnet: &Irnet) -> Result<[f32; 2], StepError> {
        let mut sums = [0f64; 2];
        let mut count = 0usize;
        for batch in self.train.chunks(self.bench.config.irn.training.batch) {
            let images = batch
                .iter()
                .map(|&case| self.images.get(case))
                .collect::<Result<Vec<_>, _>>()?;
            let levels = irnet.levels(to_tensor(&images, &self.normalisation, &self.bench.device));
            let displacement = irnet.heads.displacement(&levels);
            let [b, _, h, w] = displacement.dims();
            for (place, value) in networks::to_vec(displacement).into_iter().enumerate() {
                sums[place / (h * w) % 2] += f64::from(value);
            }
            count += b * h * w;
        }
        Ok(sums.map(|s| (s / count.max(1) as f64) as f32))
    }
}

impl Lesson for Boundaries<'_> {
    type Network = IrnetHeads;

    fn order(&self, epoch: usize) -> Vec<usize> {
        self.sampler.epoch_order(self.seed, epoch as u64)
    }

    fn loss(
        &mut self,
        heads: &IrnetHeads,
        batch: &[usize],
        at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError> {
        let cases: Vec<usize> = batch.iter().map(|&i| self.train[i]).collect();
        let labels: Vec<&Stack<u8>> = batch.iter().map(|&i| &self.labels[i]).collect();
        let pairs = networks::augmented(
            self.seed,
            &self.bench.config.irn.training,
            self.images,
            &cases,
            at,
            Some(&labels),
        )?;
        let (images, labels): (Vec<_>, Vec<_>) = pairs
            .into_iter()
            .map(|(i, m)| (i, m.expect("a label was given")))
            .unzip();
        let levels = self
            .irnet
            .levels(to_tensor(&images, &self.normalisation, &self.device));
        let edge = heads.edge(&levels);
        let displacement = heads.displacement(&levels);
        let [_, _, height, width] = edge.dims();
        let targets = pair_labels::pair_labels(&labels, height, width, &self.paths, &self.device);
        let terms = irn_loss::irn_loss(edge, displacement, &targets, &self.paths);
        Ok(vec![
            ("loss", terms.total),
            ("affinity", terms.affinity),
            ("displacement", terms.displacement),
        ])
    }

    fn id(&self, index: usize) -> String {
        self.bench.cases.cases[self.train[index]].id.clone()
    }
}
