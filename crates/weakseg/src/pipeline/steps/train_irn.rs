//! `train-irn`: IRNet learns class boundaries and displacements from what the maps are sure of (reference §4).

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use weakseg_data::sampler::Sampler;
use weakseg_data::{Limits, read_index_png};
use weakseg_kernels::PathIndex;
use weakseg_models::weights::save_safetensors;
use weakseg_models::{Irnet, IrnetHeads, Normalisation};

use super::learner::Learner;
use super::{MODEL, fit_settings, optimizer, training_images, training_seed};
use crate::irn::{irn_loss, pair_labels};
use crate::networks::{self, ModelCard};
use crate::pipeline::{Bench, StepError};
use crate::train::{Draw, Lesson, Pictures, Place, TrainError, copy_on, fit, purpose, to_tensor};

/// Trains the heads of IRNet over the classifier's frozen trunk, on the training cases that have IR labels.
///
/// Departs from IRNet, whose trunk is an ImageNet ResNet50: because the classifier's trunk knows these images, and is
/// there without a download.
pub fn train_irn(bench: &Bench<'_>, folder: &Path) -> Result<usize, StepError> {
    let config = bench.config.irn;
    let device = bench.training_device();
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
    let train = Learner::Irn.cases(bench.cases);
    let mut labels = Vec::with_capacity(train.len());
    for &index in &train {
        let path = labels_folder.join(format!("{}.png", cases[index].id));
        labels.push(read_index_png(&path, &Limits::default())?.into_stack());
    }
    let card = bench.card("train-irn", ModelCard::irnet);
    let seed = training_seed(bench, purpose::IRN);
    let mut lesson = IrnLesson {
        bench,
        sampler: Learner::Irn.sampler(bench.config, bench.cases)?,
        pictures: Arc::new(Pictures {
            images: Arc::new(training_images(bench, &config.training)),
            cases: train,
            masks: labels,
            augment: config.training.augment.clone(),
            seed,
        }),
        irnet: irnet.clone(),
        paths: PathIndex::new(config.radius),
        normalisation: card.normalisation(),
        device,
        seed,
    };
    let meta = card.metadata();
    let optimizer = optimizer(&config.training, &["displacement"]);
    let settings = fit_settings(bench, folder, "train-irn", &config.training, &meta);
    let heads = fit(&mut lesson, irnet.heads.clone(), optimizer, &settings)?;
    let mut trained = irnet.valid();
    trained.heads = heads.valid();
    trained.set_mean_shift(lesson.mean_displacement(&trained)?);
    save_safetensors(&trained, &folder.join(MODEL), &meta)?;
    Ok(lesson.pictures.cases.len())
}

#[derive(Clone)]
struct IrnLesson<'a> {
    bench: &'a Bench<'a>,
    /// Images and IR labels.
    pictures: Arc<Pictures>,
    sampler: Sampler,
    irnet: Irnet,
    paths: PathIndex,
    normalisation: Normalisation,
    device: Device,
    seed: u64,
}

impl IrnLesson<'_> {
    /// Mean displacement over the training images, to be subtracted at inference (reference §4.1, mean shift).
    ///
    /// Departs from IRNet, which averages the means of whole batches over a list of its own, images cut to 512 pixels
    /// or filled up to them with zeros: because every pixel of the images that it learned from counts alike here, and
    /// nothing else.
    fn mean_displacement(&self, irnet: &Irnet) -> Result<[f32; 2], StepError> {
        let mut sums = [0f64; 2];
        let mut count = 0usize;
        let cases = &self.pictures.cases;
        for batch in cases.chunks(self.bench.config.irn.training.batch) {
            let images = batch
                .iter()
                .map(|&case| self.pictures.images.get(case))
                .collect::<Result<Vec<_>, _>>()?;
            let levels = irnet.levels(to_tensor(&images, &self.normalisation, &self.bench.device));
            let displacement = irnet.heads.displacement(&levels);
            let [b, _, h, w] = displacement.dims();
            let values = displacement.try_into_vec_as::<f32>();
            let values = values.map_err(TrainError::from)?;
            for (place, value) in values.into_iter().enumerate() {
                sums[place / (h * w) % 2] += f64::from(value);
            }
            count += b * h * w;
        }
        Ok(sums.map(|s| (s / count.max(1) as f64) as f32))
    }
}

impl Lesson for IrnLesson<'_> {
    type Network = IrnetHeads;
    type Draw = Pictures;

    fn draw(&self) -> Arc<Pictures> {
        self.pictures.clone()
    }

    fn on(&self, device: &Device) -> Self {
        Self {
            irnet: copy_on(&self.irnet, device),
            device: device.clone(),
            ..self.clone()
        }
    }

    fn order(&self, epoch: usize) -> Vec<usize> {
        self.sampler.epoch_order(self.seed, epoch as u64)
    }

    fn loss(
        &mut self,
        heads: &IrnetHeads,
        _batch: &[usize],
        samples: Vec<<Pictures as Draw>::Sample>,
        _at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError> {
        let (images, labels) = Pictures::apart(samples);
        let levels = self
            .irnet
            .levels(to_tensor(&images, &self.normalisation, &self.device));
        let edge = heads.edge(&levels);
        let displacement = heads.displacement(&levels);
        let [_, _, height, width] = edge.dims();
        let targets = pair_labels::pair_labels(&labels, height, width, &self.paths);
        let terms = irn_loss::irn_loss(edge, displacement, &targets);
        Ok(vec![
            ("loss", terms.total),
            ("affinity", terms.affinity),
            ("displacement", terms.displacement),
        ])
    }

    fn id(&self, index: usize) -> String {
        self.bench.cases.cases[self.pictures.cases[index]]
            .id
            .clone()
    }
}
