//! `GET /cases/ID`: a case's image and what the run has made of it.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use weakseg::pipeline::RunReader;
use weakseg::pipeline::steps::Heat;
use weakseg::report::colour::{self, Rgb};
use weakseg_data::{Case, DataError, Limits, Mask};

use super::{Served, json, text};
use crate::layer::{Layer, picture, pseudo_label_colour};
use crate::refusal::Refusal;

/// The answer.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    split: &'static str,
    labels: &'a [bool],
    /// PNG of 8 bits, grey or RGB, as the network sees it at its full size; in base 64.
    image: String,
    /// `cam`, `walked`, `pseudo-label`, `prediction`, `truth`; without planes where the run has none of this case.
    layers: Vec<Layer>,
    /// What was odd about the image's file, and layers that cannot be read.
    notes: Vec<String>,
}

/// Answers. An id is looked up among those of the run.
pub(super) async fn case(
    State(served): State<Arc<Served>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Refusal> {
    let unknown = || Refusal::not_found("the run has no case of this name");
    let Path(id) = id.map_err(|_| unknown())?;
    let run = served.site.run.as_ref().ok_or_else(unknown)?;
    run.cases().get(&id).ok_or_else(unknown)?;
    let place = served.readings.place()?;
    let work = {
        let served = served.clone();
        move || {
            let run = served.site.run.as_ref()?;
            Some(show(run, run.cases().get(&id)?))
        }
    };
    let shown = served.readings.work(place, work).await?;
    Ok(json(shown.ok_or_else(unknown)??))
}

fn show(run: &RunReader, case: &Case) -> Result<Vec<u8>, Refusal> {
    let image = case
        .read_picture(&Limits::default())
        .map_err(Refusal::damaged)?;
    let classes = &run.cases().classes;
    let heat = |name, title, heat: Result<Option<Heat>, DataError>| {
        let draw = |heat: Heat| Layer::heat(name, title, &heat);
        (
            name,
            title,
            heat.and_then(|heat| heat.map(draw).transpose()),
        )
    };
    let mask = |name, title, mask: Result<Option<Mask>, DataError>, single: Rgb| {
        let draw = |mask: Mask| Layer::mask(name, title, classes, &mask, single);
        (
            name,
            title,
            mask.and_then(|mask| mask.map(draw).transpose()),
        )
    };
    let found = [
        heat("cam", "class activation map", run.cam(case)),
        heat("walked", "map after the walk", run.walked(case)),
        mask(
            "pseudo-label",
            "pseudo-label",
            run.pseudo_label(case),
            pseudo_label_colour(),
        ),
        mask(
            "prediction",
            "segmentation",
            run.prediction(case),
            colour::class(0),
        ),
        mask("truth", "truth", run.truth(case), colour::truth()),
    ];
    let (mut layers, mut notes) = (Vec::new(), image.notes);
    for (name, title, layer) in found {
        // A layer that cannot be read keeps its place, and with it its key on the page.
        let layer = layer.unwrap_or_else(|error| {
            notes.push(error.to_string());
            None
        });
        layers.push(layer.unwrap_or_else(|| Layer::none(name, title)));
    }
    text(&Shown {
        id: &case.id,
        split: case.split.name(),
        labels: &case.labels,
        image: picture(&image.pixels).map_err(Refusal::damaged)?,
        layers,
        notes,
    })
}
