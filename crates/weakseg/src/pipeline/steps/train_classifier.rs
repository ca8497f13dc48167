//! `train-classifier`: a classifier learns which findings an image has (paper §3.1; reference §1).

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use weakseg_data::Split;
use weakseg_data::sampler::Sampler;
use weakseg_models::weights::save_safetensors;
use weakseg_models::{Classifier, DropNoise, Normalisation};

use super::classifier_chance::chance;
use super::image_loss::image_loss;
use super::learner::Learner;
use super::{MODEL, fit_settings, indices, optimizer, training_images, training_seed};
use crate::config::ClassifierStep;
use crate::loss::ImageLoss;
use crate::metrics::LabelScores;
use crate::networks::{self, ModelCard};
use crate::pipeline::{Bench, StepError};
use crate::train::{
    Chance, Draw, ImageStore, Lesson, Pictures, Place, TrainError, fit, purpose, stream_seed,
    to_tensor,
};

/// What starts from noise.
pub(super) const HEAD: [&str; 1] = ["head"];

/// Trains the classifier on the training split's image-level labels.
pub fn train_classifier(bench: &Bench<'_>, folder: &Path) -> Result<usize, StepError> {
    let config = bench.config.classifier;
    let device = bench.training_device();
    let network =
        networks::new_classifier(bench, training_seed(bench, purpose::CLASSIFIER), &device)?;
    let images = Arc::new(training_images(bench, &config.training));
    read_all(bench, &images)?;
    let card = bench.card("train-classifier", ModelCard::classifier);
    let meta = card.metadata();
    let visits = Visits::new(bench)?;
    let loss = image_loss(config, bench.cases)?;
    let seed = visits.seed;
    let mut lesson = ClassifierLesson {
        bench,
        config,
        loss,
        pictures: Arc::new(Pictures {
            images,
            cases: (0..bench.cases.cases.len()).collect(),
            masks: Vec::new(),
            augment: config.training.augment.clone(),
            seed,
        }),
        visits,
        val: indices(bench, Split::Val),
        normalisation: card.normalisation(),
        device,
        seed,
    };
    let optimizer = optimizer(&config.training, &HEAD);
    let settings = fit_settings(bench, folder, "train-classifier", &config.training, &meta);
    let network = fit(&mut lesson, network, optimizer, &settings)?;
    save_safetensors(&network.valid(), &folder.join(MODEL), &meta)?;
    Ok(lesson.visits.cases.len())
}

/// Decodes every image once: what fits stays in memory for the first epoch, and one that broke since the run was
/// prepared ends the step here, by name, before hours are spent.
fn read_all(bench: &Bench<'_>, images: &ImageStore) -> Result<(), StepError> {
    let all: Vec<usize> = (0..bench.cases.cases.len()).collect();
    super::per_case(
        bench,
        "read images",
        &all,
        |_| false,
        |case| Ok(images.get(case).map(drop)?),
    )
}

/// Which cases the classifier learns from in an epoch.
#[derive(Clone)]
pub(super) struct Visits {
    sampler: Sampler,
    /// Places in the set of those that it draws from.
    cases: Vec<usize>,
    seed: u64,
}

impl Visits {
    pub(super) fn new(bench: &Bench<'_>) -> Result<Self, StepError> {
        Ok(Self {
            sampler: Learner::Classifier.sampler(bench.config, bench.cases)?,
            cases: Learner::Classifier.cases(bench.cases),
            seed: training_seed(bench, purpose::CLASSIFIER),
        })
    }

    /// Places in the set, in order.
    pub(super) fn order(&self, epoch: usize) -> Vec<usize> {
        let order = self.sampler.epoch_order(self.seed, epoch as u64);
        order.into_iter().map(|i| self.cases[i]).collect()
    }
}

#[derive(Clone)]
struct ClassifierLesson<'a> {
    bench: &'a Bench<'a>,
    config: &'a ClassifierStep,
    loss: ImageLoss,
    pictures: Arc<Pictures>,
    visits: Visits,
    val: Vec<usize>,
    normalisation: Normalisation,
    device: Device,
    seed: u64,
}

impl ClassifierLesson<'_> {
    /// [B, C], 0 or 1.
    fn labels(&self, batch: &[usize], device: &Device) -> Tensor<2> {
        let classes = self.bench.cases.classes.len();
        let values: Vec<f32> = batch
            .iter()
            .flat_map(|&case| {
                self.bench.cases.cases[case]
                    .labels
                    .iter()
                    .map(|&l| f32::from(u8::from(l)))
            })
            .collect();
        Tensor::from_data(TensorData::new(values, [batch.len(), classes]), device)
    }
}

impl Lesson for ClassifierLesson<'_> {
    type Network = Classifier;
    type Draw = Pictures;

    fn draw(&self) -> Arc<Pictures> {
        self.pictures.clone()
    }

    fn on(&self, device: &Device) -> Self {
        Self {
            device: device.clone(),
            ..self.clone()
        }
    }

    fn order(&self, epoch: usize) -> Vec<usize> {
        self.visits.order(epoch)
    }

    fn loss(
        &mut self,
        network: &Classifier,
        batch: &[usize],
        samples: Vec<<Pictures as Draw>::Sample>,
        at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError> {
        let (images, _) = Pictures::apart(samples);
        let input = to_tensor(&images, &self.normalisation, &self.device);
        let drop = &self.config.dropblock;
        let mut noise = DropNoise::new(
            stream_seed(self.seed, at, purpose::DROPBLOCK),
            0,
            drop.probability_at(at.epoch),
        );
        let logits = network.logits(network.maps(input, Some(&mut noise)));
        Ok(vec![(
            "loss",
            self.loss.of(logits, self.labels(batch, &self.device)),
        )])
    }

    fn validate(&mut self, network: &Classifier) -> Result<Vec<(&'static str, f64)>, TrainError> {
        if self.val.is_empty() {
            return Ok(Vec::new());
        }
        let device = &self.bench.device;
        let mut scores = LabelScores::new(self.bench.cases.classes.len());
        let mut sum = 0.0;
        for batch in self.val.chunks(self.config.training.batch) {
            let images = batch
                .iter()
                .map(|&case| self.pictures.images.get(case))
                .collect::<Result<Vec<_>, _>>()?;
            let logits = network.forward(to_tensor(&images, &self.normalisation, device), None);
            let loss: f32 = self
                .loss
                .of(logits.clone(), self.labels(batch, device))
                .try_into_scalar()?;
            sum += f64::from(loss) * batch.len() as f64;
            let probabilities =
                burn::tensor::activation::sigmoid(logits).try_into_vec_as::<f32>()?;
            for (row, &case) in probabilities
                .chunks(self.bench.cases.classes.len())
                .zip(batch)
            {
                scores
                    .push(row, &self.bench.cases.cases[case].labels)
                    .map_err(|e| {
                        TrainError::Other(format!("case {}: {e}", self.bench.cases.cases[case].id))
                    })?;
            }
        }
        let mut figures = vec![("loss", sum / self.val.len() as f64)];
        figures.extend(scores.mean_auroc().map(|v| ("auroc", v)));
        figures.extend(scores.mean_f1(0.5).map(|v| ("f1", v)));
        figures.extend(scores.mean_accuracy(0.5).map(|v| ("accuracy", v)));
        Ok(figures)
    }

    fn chance(&self, drawn: &[usize]) -> Option<Chance> {
        chance(&self.loss, &self.bench.cases.cases, drawn)
    }

    fn id(&self, index: usize) -> String {
        self.bench.cases.cases[index].id.clone()
    }
}
