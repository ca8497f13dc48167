//! `train-segmenter`: a segmentation network learns from the pseudo-labels (paper §3.4; reference §6).

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use weakseg_data::mask_store::MaskStore;
use weakseg_data::resize::resize_nearest;
use weakseg_data::sampler::Sampler;
use weakseg_data::{LabelSpace, Plane, Split, Stack};
use weakseg_models::weights::save_safetensors;
use weakseg_models::{DropNoise, Normalisation, Segmenter};

use super::agreement::Agreement;
use super::learner::Learner;
use super::{MODEL, fit_settings, indices, optimizer, training_images, training_seed};
use crate::config::{PosWeight, PosWeightRule};
use crate::loss::{PixelBatch, PixelTargets, logits_by_weight, pixel_loss, pos_weights};
use crate::networks::{self, ModelCard};
use crate::pipeline::{Bench, StepError};
use crate::train::{
    Draw, Lesson, Pictures, Place, TrainError, fit, purpose, stream_seed, to_tensor,
};

/// Trains the segmentation network on the training split's images and pseudo-labels.
///
/// Where nothing but weighted cross-entropies is minimised, the weight of positive pixels is taken back from the logits
/// of the network that is saved: its probabilities are those of pixels as they are, so that at one half a pixel's
/// pseudo-label is as likely there as not.
///
/// Departs from the paper, which weighs positives and says neither by how much nor at which probability masks begin,
/// because under the weight w one half is where the pseudo-label is there once in 1 + w times: masks grew far beyond
/// it.
pub fn train_segmenter(bench: &Bench<'_>, folder: &Path) -> Result<usize, StepError> {
    let config = bench.config.segmenter;
    let device = bench.training_device();
    let network =
        networks::new_segmenter(bench, training_seed(bench, purpose::SEGMENTER), &device)?;
    let cases = &bench.cases.cases;
    let train = Learner::Segmenter.cases(bench.cases);
    let store = MaskStore::new(
        bench.run.folder("make-pseudo-labels"),
        bench.cases.classes.clone(),
    );
    let side = bench.config.image.size;
    let mut masks = Vec::with_capacity(train.len());
    for &index in &train {
        let mask = store.read(&cases[index].id)?;
        masks.push(to_grid(&mask.planes, side));
    }
    let images = Arc::new(training_images(bench, &config.training));
    let card = bench.card("train-segmenter", ModelCard::segmenter);
    let space = bench.cases.classes.space;
    let pos_weight = match config.pos_weight {
        PosWeight::Value(value) => vec![value as f32; card.outputs()],
        PosWeight::Rule(PosWeightRule::FromPixels) => pos_weights(&masks, space, card.outputs()),
    };
    let by_weight = match config.losses.iter().all(|loss| loss.is_weighted(space)) {
        true => logits_by_weight(&pos_weight),
        false => vec![0.0; card.outputs()],
    };
    let first = train
        .iter()
        .take(config.training.batch)
        .map(|&i| images.get(i))
        .collect::<Result<Vec<_>, _>>()?;
    // An empty split is refused below, with a message.
    let network = match first.is_empty() {
        true => network,
        false => network.with_unit_scale_encoder(to_tensor(&first, &card.normalisation(), &device)),
    };
    let sampler = Learner::Segmenter.sampler(bench.config, bench.cases)?;
    let (learned, mut watched) = (train.len(), train);
    for index in indices(bench, Split::Val) {
        let mask = store.read(&cases[index].id)?;
        masks.push(to_grid(&mask.planes, side));
        watched.push(index);
    }
    let seed = training_seed(bench, purpose::SEGMENTER);
    let mut lesson = SegmenterLesson {
        bench,
        pictures: Arc::new(Pictures {
            images,
            cases: watched,
            masks,
            augment: config.training.augment.clone(),
            seed,
        }),
        pos_weight,
        by_weight,
        sampler,
        train: learned,
        normalisation: card.normalisation(),
        device,
        seed,
    };
    let meta = card.metadata();
    let head: &[&str] = match &network {
        Segmenter::Unet(_) => &["decoder", "segmentation_head"],
        Segmenter::DeeplabV3(_) | Segmenter::DeeplabV3Plus(_) => &["classifier"],
    };
    let optimizer = optimizer(&config.training, head);
    let settings = fit_settings(bench, folder, "train-segmenter", &config.training, &meta);
    let network = fit(&mut lesson, network, optimizer, &settings)?;
    let taken_back: Vec<f32> = lesson.by_weight.iter().map(|by| -by).collect();
    let network = network.valid().with_logits_moved(&taken_back);
    save_safetensors(&network, &folder.join(MODEL), &meta)?;
    Ok(lesson.train)
}

/// Brings planes to the network's grid by nearest neighbours.
fn to_grid(planes: &Stack<u8>, side: usize) -> Stack<u8> {
    let planes: Vec<Plane<u8>> = (0..planes.channels())
        .map(|c| resize_nearest(&planes.to_plane(c), side, side))
        .collect();
    Stack::from_planes(&planes).expect("planes of one size")
}

#[derive(Clone)]
struct SegmenterLesson<'a> {
    bench: &'a Bench<'a>,
    /// Images and pseudo-labels of the cases that are learned from, then of those of the validation split.
    pictures: Arc<Pictures>,
    /// One an output.
    pos_weight: Vec<f32>,
    /// What it adds to the logits of each output, and is taken back where masks are made of them.
    by_weight: Vec<f32>,
    /// How many are learned from.
    train: usize,
    sampler: Sampler,
    normalisation: Normalisation,
    device: Device,
    seed: u64,
}

impl Lesson for SegmenterLesson<'_> {
    type Network = Segmenter;
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
        self.sampler.epoch_order(self.seed, epoch as u64)
    }

    fn loss(
        &mut self,
        network: &Segmenter,
        batch: &[usize],
        samples: Vec<<Pictures as Draw>::Sample>,
        at: Place,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError> {
        let (images, masks) = Pictures::apart(samples);
        let mut noise = DropNoise::new(stream_seed(self.seed, at, purpose::DROPBLOCK), 0, 0.0);
        let logits = network.forward_scales(
            to_tensor(&images, &self.normalisation, &self.device),
            &self.bench.config.segmenter.scales,
            Some(&mut noise),
        );
        self.terms(batch, &images, &masks, logits)
    }

    fn validate(&mut self, network: &Segmenter) -> Result<Vec<(&'static str, f64)>, TrainError> {
        let watched: Vec<usize> = (self.train..self.pictures.cases.len()).collect();
        if watched.is_empty() {
            return Ok(Vec::new());
        }
        let config = self.bench.config.segmenter;
        let space = self.bench.cases.classes.space;
        let mut agreement = Agreement::new(space, self.pos_weight.len());
        let mut figures: Vec<(&'static str, f64)> = Vec::new();
        for batch in watched.chunks(config.training.batch) {
            let images = batch
                .iter()
                .map(|&i| self.pictures.images.get(self.pictures.cases[i]))
                .collect::<Result<Vec<_>, _>>()?;
            let masks: Vec<Stack<u8>> = batch
                .iter()
                .map(|&i| self.pictures.masks[i].clone())
                .collect();
            let input = to_tensor(&images, &self.normalisation, &self.bench.device);
            // The terms are computed on the device that trains.
            let logits = network.forward_scales(input, &config.scales, None);
            let by_weight = Tensor::<1>::from_floats(&self.by_weight[..], &logits.device());
            let unweighted = logits.clone() - by_weight.reshape([1, -1, 1, 1]);
            let values = unweighted.try_into_vec_as::<f32>()?;
            for ((logits, mask), &i) in values
                .chunks(values.len() / batch.len())
                .zip(&masks)
                .zip(batch)
            {
                agreement
                    .add(logits, mask)
                    .map_err(|e| TrainError::Other(format!("case {}: {e}", self.id(i))))?;
            }
            for (name, term) in self.terms(batch, &images, &masks, logits)? {
                let value: f32 = term.try_into_scalar()?;
                let part = f64::from(value) * batch.len() as f64 / watched.len() as f64;
                match figures.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, mean)) => *mean += part,
                    None => figures.push((name, part)),
                }
            }
        }
        figures.extend(agreement.figures());
        Ok(figures)
    }

    fn id(&self, index: usize) -> String {
        self.bench.cases.cases[self.pictures.cases[index]]
            .id
            .clone()
    }
}

impl SegmenterLesson<'_> {
    /// The terms of the loss of a batch's logits against its masks and the images they were made from.
    fn terms(
        &self,
        batch: &[usize],
        images: &[Arc<Stack<u8>>],
        masks: &[Stack<u8>],
        logits: Tensor<4>,
    ) -> Result<Vec<(&'static str, Tensor<1>)>, TrainError> {
        let (planes, height, width) = (masks[0].channels(), masks[0].height(), masks[0].width());
        let values = masks.iter().flat_map(|m| m.as_slice());
        let targets = match self.bench.cases.classes.space {
            LabelSpace::Exclusive => {
                let target = TensorData::new(
                    values.map(|&v| i64::from(v)).collect(),
                    [masks.len(), height, width],
                );
                PixelTargets::Exclusive(Tensor::<3, Int>::from_data(target, &self.device))
            }
            LabelSpace::Findings => {
                let target = TensorData::new(
                    values.map(|&v| f32::from(v)).collect(),
                    [masks.len(), planes, height, width],
                );
                PixelTargets::Findings(Tensor::from_data(target, &self.device))
            }
        };
        let images: Vec<&Stack<u8>> = images.iter().map(AsRef::as_ref).collect();
        let pixels = PixelBatch {
            targets: &targets,
            images: &images,
            pos_weight: &self.pos_weight,
        };
        let losses = &self.bench.config.segmenter.losses;
        pixel_loss(losses, &logits, pixels).map_err(|error| {
            TrainError::Other(format!("case {}: {error}", self.id(batch[error.place])))
        })
    }
}
