//! A trained model on images that are not of its set.

mod crf;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor};
use weakseg_data::resize::{Filter, resize_f32, resize_u8};
use weakseg_data::{Classes, DataError, LabelSpace, Mask, Plane, Stack};
use weakseg_models::{Classifier, ModelError, Normalisation, Segmenter};

use crf::refine_probabilities;

use crate::cam::{CamMethod, autograd, closed_form};
use crate::config::{self, ConfigError};
use crate::digest::digest_file;
use crate::finding_rule::FindingRule;
use crate::mask_rule::MaskRule;
use crate::networks::{self, ModelCard, NetworkError, Role};
use crate::pipeline::{CONFIG, finished_folder};
use crate::train::to_tensor;

/// Why a model cannot be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// Neither a run's folder nor a model file.
    #[error("{}: no model here; expected a run's folder whose {step} step is finished, or a .safetensors file that weakseg wrote", path.display())]
    NoModel {
        /// What was given.
        path: PathBuf,
        /// The step that writes it.
        step: &'static str,
    },
    /// The file holds another kind of network.
    #[error("{}: the network here is of the kind {found}, expected {expected}", path.display())]
    WrongRole {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: Role,
        /// What is needed.
        expected: Role,
    },
    /// The network's file.
    #[error(transparent)]
    File(#[from] NetworkError),
    /// The settings of a run.
    #[error(transparent)]
    Settings(#[from] ConfigError),
    /// A class that the model does not know.
    #[error("no class `{name}`; this model knows: {known}")]
    NoClass {
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A layer that the network does not have.
    #[error(transparent)]
    NoLayer(ModelError),
    /// Anything a network refuses.
    #[error("{0}")]
    Network(String),
}

/// What a model says of one image.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// At the image's own size.
    pub mask: Mask,
    /// Probabilities at the image's own size: one plane per finding, or background first, then each class.
    pub scores: Stack<f32>,
    /// Image-level probability of each class by the classifier, where the model has one.
    pub probabilities: Option<Vec<f32>>,
    /// The classes that the gate lets through, ascending; all of them where nothing is gated.
    pub open: Vec<usize>,
}

/// An opened classifier.
struct Gate {
    classifier: Classifier,
    file: PathBuf,
    normalisation: Normalisation,
}

/// An opened segmentation model.
pub struct Predictor {
    segmenter: Segmenter,
    file: PathBuf,
    card: ModelCard,
    gate: Option<Gate>,
    normalisation: Normalisation,
    device: Device,
}

impl Predictor {
    /// Opens a run's folder or a model file. Masks of a run's folder are made as its `config.toml` says now, those of a
    /// file as it was set when the network was trained. A run whose settings ask for a gate opens its classifier too; a
    /// file has none ([`Predictor::lost_gate`]).
    ///
    /// # Errors
    /// When there is no model, it is of another kind, or its file is damaged.
    pub fn open(path: &Path, device: &Device) -> Result<Self, PredictError> {
        Self::open_asking(path, device, false)
    }

    /// As [`Predictor::open`] of a run's folder, with its classifier even where its settings have no gate, so that
    /// predictions have probabilities. Masks stay the same.
    ///
    /// # Errors
    /// Those of [`Predictor::open`].
    pub fn open_with_classifier(run: &Path, device: &Device) -> Result<Self, PredictError> {
        Self::open_asking(run, device, true)
    }

    fn open_asking(path: &Path, device: &Device, always: bool) -> Result<Self, PredictError> {
        let file = model_file(path, "train-segmenter")?;
        let mut card = ModelCard::read(&file)?;
        expect_role(&file, &card, Role::Segmenter)?;
        let segmenter = networks::open_segmenter(&file, &card, device)?;
        let settings = path.join(CONFIG);
        if settings.is_file() {
            card.rule = MaskRule::of(&config::load(&settings, None, &[])?.segmenter);
        }
        let gate = if (always || card.rule.gate > 0.0) && path.is_dir() {
            let file = model_file(path, "train-classifier")?;
            let card = ModelCard::read(&file)?;
            Some(Gate {
                classifier: networks::open_classifier(&file, &card, device)?,
                file,
                normalisation: card.normalisation(),
            })
        } else {
            None
        };
        Ok(Self {
            segmenter,
            file,
            normalisation: card.normalisation(),
            card,
            gate,
            device: device.clone(),
        })
    }

    /// The classes that the model knows.
    pub fn classes(&self) -> &Classes {
        &self.card.classes
    }

    /// How its masks are made.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Classifier probability up to which a mask stays empty, if the model has the classifier that tells it.
    pub fn gate(&self) -> Option<f64> {
        (self.card.rule.gate > 0.0 && self.gate.is_some()).then_some(self.card.rule.gate)
    }

    /// SHA-256 of the files that masks depend on beside [`ModelCard::rule`]: the segmentation network's, and the
    /// classifier's where it gates.
    ///
    /// # Errors
    /// When a file cannot be read any more.
    pub fn digests(&self) -> Result<(String, Option<String>), DataError> {
        let gate = self.gate.as_ref().filter(|_| self.card.rule.gate > 0.0);
        let of = |file: &Path| digest_file(file).map(|(_, digest)| digest);
        Ok((
            of(&self.file)?,
            gate.map(|gate| of(&gate.file)).transpose()?,
        ))
    }

    /// The gate of the model's settings, if it is not applied: a model file is opened without the classifier that
    /// gates.
    pub fn lost_gate(&self) -> Option<f64> {
        (self.card.rule.gate > 0.0 && self.gate.is_none()).then_some(self.card.rule.gate)
    }

    /// Masks of some images, whatever their sizes; of none if there are none.
    ///
    /// # Errors
    /// When a mask cannot be built, which no image of at least one pixel causes.
    pub fn predict(&self, images: &[Stack<u8>]) -> Result<Vec<Prediction>, PredictError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let side = self.card.size;
        let small: Vec<Arc<Stack<u8>>> = images
            .iter()
            .map(|image| Arc::new(resize_u8(image, side, side, Filter::Area)))
            .collect();
        let mut scores = self.scores(&small);
        if self.card.rule.flip {
            let mirrored: Vec<Arc<Stack<u8>>> = small
                .iter()
                .map(|image| Arc::new(networks::mirror(image)))
                .collect();
            scores = (scores + self.scores(&mirrored).flip([3])).mul_scalar(0.5);
        }
        let [_, planes, height, width] = scores.dims();
        let scores = networks::to_vec(scores);
        let probabilities = self.gate.as_ref().map(|gate| {
            let input = to_tensor(&small, &gate.normalisation, &self.device);
            let logits = gate.classifier.forward(input, None);
            networks::to_vec(sigmoid(logits))
        });
        let classes = self.card.classes.len();
        images
            .iter()
            .enumerate()
            .map(|(place, image)| {
                let values =
                    scores[place * planes * height * width..][..planes * height * width].to_vec();
                let grid = Stack::new(planes, height, width, values)
                    .map_err(|e| PredictError::Network(e.to_string()))?;
                let grid = match &self.card.rule.crf {
                    None => grid,
                    Some(crf) => {
                        refine_probabilities(&small[place], &grid, self.card.classes.space, crf)
                            .map_err(|e| PredictError::Network(format!("dense CRF: {e}")))?
                    }
                };
                let scores = resize_f32(&grid, image.height(), image.width());
                let probabilities = probabilities
                    .as_ref()
                    .map(|p| p[place * classes..][..classes].to_vec());
                let open = self.open_classes(probabilities.as_deref());
                Ok(Prediction {
                    mask: self.mask(&scores, &open),
                    scores,
                    probabilities,
                    open,
                })
            })
            .collect()
    }

    fn scores(&self, images: &[Arc<Stack<u8>>]) -> Tensor<4> {
        let images = to_tensor(images, &self.normalisation, &self.device);
        let logits = self
            .segmenter
            .forward_scales(images, &self.card.scales, None);
        match self.card.classes.space {
            LabelSpace::Exclusive => softmax(logits, 1),
            LabelSpace::Findings => sigmoid(logits),
        }
    }

    /// The classes that the gate lets through, for an image of these probabilities.
    fn open_classes(&self, probabilities: Option<&[f32]>) -> Vec<usize> {
        // Without a gate even a probability that is too small for its number is let through.
        let gate = self.card.rule.gate;
        let open = |class: &usize| {
            gate == 0.0 || probabilities.is_none_or(|p| f64::from(p[*class]) > gate)
        };
        (0..self.card.classes.len()).filter(open).collect()
    }

    fn mask(&self, scores: &Stack<f32>, open: &[usize]) -> Mask {
        let rule = FindingRule::of(&self.card.rule);
        let (height, width) = (scores.height(), scores.width());
        let planes: Vec<Plane<u8>> = match self.card.classes.space {
            LabelSpace::Findings => (0..self.card.classes.len())
                .map(|class| match open.contains(&class) {
                    true => rule.mask(&scores.to_plane(class)),
                    false => Plane::filled(height, width, 0),
                })
                .collect(),
            LabelSpace::Exclusive => vec![Plane::from_fn(height, width, |y, x| {
                let at = y * width + x;
                let mut best = (0, scores.plane(0)[at]);
                for &class in open {
                    let value = scores.plane(class + 1)[at];
                    if value > best.1 {
                        best = (class + 1, value);
                    }
                }
                best.0 as u8
            })],
        };
        Mask {
            planes: Stack::from_planes(&planes).expect("planes of one size"),
        }
    }
}

/// The activation map of one class at the image's own size, and the classifier's probabilities.
///
/// `layer` none takes the closed form at the last map; a name takes gradients at that layer. `class` none takes the
/// class with the greatest probability.
///
/// # Errors
/// When the model cannot be opened or has no such layer or class.
pub fn activation(
    model: &Path,
    image: &Stack<u8>,
    method: &CamMethod,
    layer: Option<&str>,
    class: Option<&str>,
    device: &Device,
) -> Result<Activation, PredictError> {
    let file = model_file(model, "train-classifier")?;
    let card = ModelCard::read(&file)?;
    expect_role(&file, &card, Role::Classifier)?;
    let network = networks::open_classifier(&file, &card, device)?;
    let small = Arc::new(resize_u8(image, card.size, card.size, Filter::Area));
    let input = to_tensor(&[small], &card.normalisation(), device);
    let maps = network.maps(input.clone(), None);
    let logits = network.logits(maps.clone());
    let probabilities = networks::to_vec(sigmoid(logits.clone()));
    let class = match class {
        Some(name) => card
            .classes
            .index(name)
            .ok_or_else(|| PredictError::NoClass {
                name: name.to_owned(),
                known: card.classes.names.join(", "),
            })?,
        None => (0..probabilities.len())
            .max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]))
            .unwrap_or(0),
    };
    let cams = match layer {
        None => closed_form::cams(method, maps, network.class_weights(), logits),
        Some(layer) => autograd::cams(method, &network, input, layer, &[class])
            .map_err(PredictError::NoLayer)?,
    };
    let [_, planes, height, width] = cams.dims();
    let values = networks::to_vec(cams);
    let plane = if planes == 1 { 0 } else { class };
    let grid = Stack::new(
        1,
        height,
        width,
        values[plane * height * width..][..height * width].to_vec(),
    )
    .map_err(|e| PredictError::Network(e.to_string()))?;
    let map = resize_f32(&grid, image.height(), image.width()).to_plane(0);
    let last = || network.layers().last().copied().unwrap_or_default();
    Ok(Activation {
        map,
        layer: layer.unwrap_or_else(last).to_owned(),
        class: card.classes.names[class].clone(),
        classes: card.classes,
        probabilities,
    })
}

/// What [`activation`] gives.
#[derive(Debug, Clone)]
pub struct Activation {
    /// In the method's own units, at the image's own size.
    pub map: Plane<f32>,
    /// The layer it is of.
    pub layer: String,
    /// The class it is of.
    pub class: String,
    /// All classes of the model.
    pub classes: Classes,
    /// Probability of each class.
    pub probabilities: Vec<f32>,
}

/// The model file that `step_name` wrote in a run's folder, or the file itself.
fn model_file(path: &Path, step_name: &'static str) -> Result<PathBuf, PredictError> {
    let missing = || PredictError::NoModel {
        path: path.to_owned(),
        step: step_name,
    };
    if path.is_file() {
        return Ok(path.to_owned());
    }
    // A model without its manifest is of a step that is not finished.
    let folder = finished_folder(path, step_name).ok_or_else(missing)?;
    let file = folder.join(crate::pipeline::steps::MODEL);
    file.is_file().then_some(file).ok_or_else(missing)
}

fn expect_role(path: &Path, card: &ModelCard, expected: Role) -> Result<(), PredictError> {
    if card.role == expected {
        Ok(())
    } else {
        Err(PredictError::WrongRole {
            path: path.to_owned(),
            found: card.role,
            expected,
        })
    }
}
