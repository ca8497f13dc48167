//! Step 1: class activation maps of every case (paper §3.2; reference §2).

use std::path::Path;

use burn::tensor::Tensor;
use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::{Limits, Stack};

use super::image_notes;
use super::maps::predicted;
use super::{ClassMaps, MODEL};
use crate::cam::multi_scale::{self, Grid, Sampling};
use crate::cam::{CamMethod, autograd, closed_form};
use weakseg_models::{Classifier, ModelError};

use crate::networks::{self, ModelCard};
use crate::pipeline::{Bench, Outcome, StepError};
use crate::train::to_tensor;

/// Writes `CASE.npz` for every case of every split: the maps of the classes that its image-level label names or the
/// classifier predicts.
///
/// Departs from IRNet, which resizes the views by bicubic interpolation: because the classifier has learned on images that were resized
/// by area, as the reference's are (reference §7), and a view at scale 1 is then what it has seen.
///
/// Which of these a later step may use is that step's choice: learning uses the labels of the training split, scoring
/// says for each row whether the labels were `truth` or `predicted`.
pub fn make_cams(bench: &Bench<'_>, folder: &Path) -> Result<Outcome, StepError> {
    let config = bench.config;
    let file = bench.run.folder("train-classifier").join(MODEL);
    let card = ModelCard::read(&file)?;
    let network = networks::open_classifier(&file, &card, &bench.device)?;
    let normalisation = card.normalisation();
    let layer = config.cams.layer.as_deref();
    let sampling = Sampling::of(config.classifier.arch, layer);
    // The last layer's maps come without a backward pass.
    let layer = layer.filter(|name| network.layers().last() != Some(name));
    let cases = &bench.cases.cases;
    let open: Vec<usize> = (0..cases.len())
        .filter(|&i| !ClassMaps::path(folder, &cases[i].id).exists())
        .collect();
    image_notes::settle(folder)?;
    bench.progress.begin("make-cams", open.len() as u64);
    let mut done = 0;
    for batch in open.chunks(config.classifier.training.batch) {
        if bench.stop.asked() {
            bench.progress.end();
            return Err(StepError::Stopped);
        }
        let mut originals = Vec::with_capacity(batch.len());
        for &case in batch {
            let picture = cases[case].read_picture(&Limits::default())?;
            image_notes::add(folder, &cases[case].id, &picture.notes)?;
            originals.push(picture.pixels);
        }
        let sizes: Vec<[usize; 2]> = originals.iter().map(|o| [o.height(), o.width()]).collect();
        let side = config.image.size;
        let cams = multi_scale::aggregate(
            &config.cams,
            [side, side],
            Grid::Strided,
            sampling,
            |[size, _], mirrored| {
                let images: Vec<std::sync::Arc<Stack<u8>>> = originals
                    .iter()
                    .map(|original| {
                        let image = resize_u8(original, size, size, Filter::Area);
                        std::sync::Arc::new(if mirrored {
                            networks::mirror(&image)
                        } else {
                            image
                        })
                    })
                    .collect();
                let images = to_tensor(&images, &normalisation, &bench.device);
                layer_maps(&config.cams.method, &network, images, layer)
                    .expect("the settings were checked for a layer of this network")
            },
        );
        for (place, &case) in batch.iter().enumerate() {
            let probabilities = cams.probabilities[place].clone();
            let space = bench.cases.classes.space;
            let seen = predicted(space, &probabilities, config.cams.gate);
            let keys: Vec<usize> = (0..bench.cases.classes.len())
                .filter(|&class| cases[case].labels[class] || seen.contains(&class))
                .collect();
            let maps = cams.strided[place].clone();
            let all = ClassMaps {
                keys: (0..maps.channels()).collect(),
                maps,
                probabilities,
                size: sizes[place],
            };
            let (keys, maps) = all.of(|class| keys.contains(&class));
            ClassMaps { keys, maps, ..all }.write(folder, &cases[case].id)?;
            done += 1;
            bench.progress.at(done, &cases[case].id);
        }
    }
    bench.progress.end();
    image_notes::settle(folder)?;
    if let Some(told) = image_notes::summary(bench)? {
        bench.progress.note(&format!("warning: {told}"));
    }
    Ok(Outcome {
        cases: cases.len(),
        ..Outcome::default()
    })
}

/// Maps `[B, C, h, w]` of all classes at a layer, and logits `[B, C]`: by the closed form at the last, else by gradients.
fn layer_maps(
    method: &CamMethod,
    network: &Classifier,
    images: Tensor<4>,
    layer: Option<&str>,
) -> Result<(Tensor<4>, Tensor<2>), ModelError> {
    let Some(layer) = layer else {
        let maps = network.maps(images, None);
        let logits = network.logits(maps.clone());
        let cams = closed_form::cams(method, maps, network.class_weights(), logits.clone());
        return Ok((cams, logits));
    };
    let activation = network.activation(images, layer)?;
    let logits = network.from_activation(activation.clone(), layer)?;
    let classes: Vec<usize> = (0..network.classes()).collect();
    let cams = autograd::from_activation(method, network, activation, layer, &classes)?;
    Ok((cams, logits))
}
