//! `POST /predict`: what the model says of the image that is sent, a PNG, JPEG or DICOM file as the body.
//!
//! The image is kept in memory until it is answered, and nowhere else. Nothing of a DICOM file is sent back but its
//! pixels.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use weakseg::report::colour;
use weakseg_data::{Limits, decode_picture};

use super::{Served, json, text};
use crate::layer::{Layer, picture};
use crate::refusal::Refusal;
use crate::site::Model;

/// What messages call an image that was sent; its own name is not asked for.
const SENT: &str = "the image";

/// The answer.
#[derive(Serialize)]
struct Said {
    /// PNG of 8 bits, grey or RGB, as the network sees it at its full size; in base 64.
    image: String,
    /// `scores`, probabilities in 255 steps, and `prediction`, the mask as `weakseg predict` writes it.
    layers: Vec<Layer>,
    /// Of each class in the image as a whole, by the classifier; none of a model without.
    probabilities: Option<Vec<f32>>,
    /// The classes that the classifier's gate lets through.
    open: Vec<usize>,
    /// What was odd about the file.
    notes: Vec<String>,
}

/// Answers.
pub(super) async fn predict(
    State(served): State<Arc<Served>>,
    request: Request,
) -> Result<Response, Refusal> {
    let none =
        || Refusal::not_found("there is no model here: the run's train-segmenter is not finished");
    served.site.model.as_ref().ok_or_else(none)?;
    let place = served.predictions.place()?;
    let file = served.bounds.read(request).await?;
    let work = {
        let served = served.clone();
        move || {
            let model = served.site.model.as_ref()?;
            // On a thread of the pool, where a network does not wake another one for each of its loops.
            Some(rayon::scope(|_| say(model, &file)))
        }
    };
    let said = served.predictions.work(place, work).await?;
    Ok(json(said.ok_or_else(none)??))
}

fn say(model: &Model, file: &[u8]) -> Result<Vec<u8>, Refusal> {
    let image = decode_picture(Path::new(SENT), file, &Limits::default(), model.view)
        .map_err(|error| Refusal::unreadable(&error))?;
    let predictor = &model.predictor;
    let mut said = predictor
        .predict(std::slice::from_ref(&image.pixels))
        .map_err(Refusal::damaged)?;
    let said = said.remove(0);
    let classes = predictor.classes();
    let layers = [
        Layer::scores(classes, &said.scores),
        Layer::mask(
            "prediction",
            "segmentation",
            classes,
            &said.mask,
            colour::class(0),
        ),
    ];
    let layers = layers.into_iter().collect::<Result<_, _>>();
    text(&Said {
        image: picture(&image.pixels).map_err(Refusal::damaged)?,
        layers: layers.map_err(Refusal::damaged)?,
        probabilities: said.probabilities,
        open: said.open,
        notes: image.notes,
    })
}
