//! `make-cams`: class activation maps of every case (paper §3.2; reference §2).

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Tensor;
use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::{Case, Limits, Stack};
use weakseg_models::{Classifier, ModelError, Normalisation};

use super::image_notes;
use super::maps::predicted;
use super::{ClassMaps, MODEL, per_batch};
use crate::cam::multi_scale::{self, Views};
use crate::cam::{Sampling, autograd, closed_form};
use crate::networks::{self, ModelCard, NetworkError};
use crate::pipeline::{Bench, StepError};
use crate::train::to_tensor;

/// Writes `CASE.npz` for every case of every split: the maps of the classes that its image-level label names or the
/// classifier predicts.
///
/// Departs from IRNet, which resizes the views by bicubic interpolation: because the classifier has learned on images
/// that were resized by area, as the reference's are (reference §7), and a view at scale 1 is then what it has seen.
///
/// Which of these a later step may use is that step's choice: learning uses the labels of the training split, scoring
/// says for each row whether the labels were `truth` or `predicted`.
pub fn make_cams(bench: &Bench<'_>, folder: &Path) -> Result<usize, StepError> {
    let config = bench.config;
    let file = bench.run.folder("train-classifier").join(MODEL);
    let card = ModelCard::read(&file)?;
    let network = networks::open_classifier(&file, &card, &bench.device)?;
    let layer = config.cams.layer.as_deref();
    let sampling = Sampling::of(config.classifier.arch, config.classifier.stages, layer);
    // The last layer's maps come without a backward pass.
    let layer = layer.filter(|name| network.layers().last() != Some(name));
    let cases = &bench.cases.cases;
    let all: Vec<usize> = (0..cases.len()).collect();
    image_notes::settle(folder)?;
    per_batch(
        bench,
        "make-cams",
        &all,
        config.classifier.training.batch,
        |i| ClassMaps::path(folder, &cases[i].id).is_file(),
        |batch| {
            let mut originals = Vec::with_capacity(batch.len());
            for &case in batch {
                let picture = cases[case].read_picture(&Limits::default())?;
                image_notes::add(folder, &cases[case].id, &picture.notes)?;
                originals.push(picture.pixels);
            }
            let side = config.image.size;
            let views = Batch {
                bench,
                network: &network,
                normalisation: card.normalisation(),
                layer,
                cases: batch.iter().map(|&case| &cases[case]).collect(),
                originals,
            };
            let cams = multi_scale::aggregate(config.cams, [side, side], sampling, &views)
                .map_err(NetworkError::from)?;
            for (place, case) in views.cases.iter().enumerate() {
                let probabilities = cams.probabilities[place].clone();
                let shown = shown(bench, case, &probabilities);
                let original = &views.originals[place];
                let all = ClassMaps {
                    keys: cams.classes.clone(),
                    maps: cams.maps[place].clone(),
                    probabilities,
                    size: [original.height(), original.width()],
                };
                let (keys, maps) = all.select(|class| shown.contains(&class));
                ClassMaps { keys, maps, ..all }.write(folder, &case.id)?;
            }
            Ok(())
        },
    )?;
    image_notes::settle(folder)?;
    if let Some(told) = image_notes::summary(bench)? {
        bench.progress.warn(&format!("warning: {told}"));
    }
    Ok(cases.len())
}

/// The classes of which a case's maps are kept, ascending: those that its label names or the classifier predicts.
fn shown(bench: &Bench<'_>, case: &Case, probabilities: &[f32]) -> Vec<usize> {
    let predicted = predicted(
        bench.cases.classes.space,
        probabilities,
        bench.config.cams.gate,
    );
    (0..bench.cases.classes.len())
        .filter(|class| case.labels[*class] || predicted.contains(class))
        .collect()
}

/// Images that the classifier looks at together.
struct Batch<'a> {
    bench: &'a Bench<'a>,
    network: &'a Classifier,
    normalisation: Normalisation,
    /// Where maps are taken by gradients; none for the closed form at the last layer.
    layer: Option<&'a str>,
    cases: Vec<&'a Case>,
    /// As they came.
    originals: Vec<Stack<u8>>,
}

impl Views for Batch<'_> {
    /// The activation `[B, K, h, w]` of the layer, and the logits.
    type Seen = (Tensor<4>, Tensor<2>);
    type Error = ModelError;

    fn look(
        &self,
        [height, width]: [usize; 2],
        mirrored: bool,
    ) -> Result<(Self::Seen, Tensor<2>), ModelError> {
        let images: Vec<Arc<Stack<u8>>> = self
            .originals
            .iter()
            .map(|original| {
                let image = resize_u8(original, height, width, Filter::Area);
                Arc::new(if mirrored {
                    networks::mirror(&image)
                } else {
                    image
                })
            })
            .collect();
        let images = to_tensor(&images, &self.normalisation, &self.bench.device);
        let network = self.network;
        let (activation, logits) = match self.layer {
            None => {
                let maps = network.maps(images, None);
                (maps.clone(), network.logits(maps))
            }
            Some(layer) => {
                let activation = network.activation(images, layer)?;
                let logits = network.from_activation(activation.clone(), layer)?;
                (activation, logits)
            }
        };
        Ok(((activation, logits.clone()), logits))
    }

    /// By the closed form all, which cost no more than one; else those that any case of the batch keeps.
    fn wanted(&self, probabilities: &[Vec<f32>]) -> Vec<usize> {
        let mut wanted = vec![self.layer.is_none(); self.bench.cases.classes.len()];
        for (case, probabilities) in self.cases.iter().zip(probabilities) {
            for class in shown(self.bench, case, probabilities) {
                wanted[class] = true;
            }
        }
        (0..wanted.len()).filter(|&class| wanted[class]).collect()
    }

    fn maps(
        &self,
        (activation, logits): Self::Seen,
        classes: &[usize],
    ) -> Result<Tensor<4>, ModelError> {
        let method = &self.bench.config.cams.method;
        match self.layer {
            None => {
                let weights = self.network.class_weights();
                Ok(closed_form::cams(method, activation, weights, logits))
            }
            Some(layer) => {
                autograd::from_activation(method, self.network, activation, layer, classes)
            }
        }
    }
}
