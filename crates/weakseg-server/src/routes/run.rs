//! `GET /run`: what is shown.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use weakseg::finding_rule::FindingRule;
use weakseg::report::colour;
use weakseg_data::LabelSpace;

use super::{Served, json, text};
use crate::refusal::Refusal;

/// The answer.
#[derive(Serialize)]
struct Run<'a> {
    title: &'a str,
    version: &'static str,
    /// Names of the classes; everywhere else they go by their place here.
    classes: &'a [String],
    /// `findings` or `exclusive`.
    space: Option<LabelSpace>,
    /// In the order of the set; none without a run.
    cases: Option<Vec<Listed<'a>>>,
    /// Ids that the set leaves out.
    left_out: usize,
    /// Whether there is a `/report`.
    report: bool,
    model: Option<Told>,
    /// Colours of heat from 0 to 1 in 255 steps, `#rrggbb`.
    heat: Vec<String>,
    /// Most bytes that `/predict` takes.
    max_upload: usize,
}

#[derive(Serialize)]
struct Listed<'a> {
    id: &'a str,
    split: &'static str,
    /// The classes that it is labelled with.
    labels: Vec<usize>,
}

/// The model, and how its masks come about.
#[derive(Serialize)]
struct Told {
    /// A pixel belongs to a finding above this probability.
    threshold: f64,
    /// Regions below this share of the image are removed.
    min_area: f64,
    /// Whether a finding must also be sure somewhere.
    triplet: bool,
    /// Probability by the classifier up to which masks stay empty, where that is heeded.
    gate: Option<f64>,
    /// The same where it is not heeded, for a file holds no classifier.
    lost_gate: Option<f64>,
}

/// Answers.
pub(super) async fn run(State(served): State<Arc<Served>>) -> Result<Response, Refusal> {
    let site = &served.site;
    let cases = site.run.as_ref().map(|run| {
        let cases = run.cases().cases.iter();
        let listed = cases.map(|case| Listed {
            id: &case.id,
            split: case.split.name(),
            labels: (0..case.labels.len()).filter(|&k| case.labels[k]).collect(),
        });
        listed.collect()
    });
    let model = site.model.as_ref().map(|model| {
        let predictor = &model.predictor;
        let rule = FindingRule::of(&predictor.card().rule);
        Told {
            threshold: rule.threshold,
            min_area: rule.min_area,
            triplet: rule.triplet.is_some(),
            gate: predictor.gate(),
            lost_gate: predictor.lost_gate(),
        }
    });
    let classes = site.classes();
    Ok(json(text(&Run {
        title: &site.title,
        version: env!("CARGO_PKG_VERSION"),
        classes: classes.map_or(&[], |classes| &classes.names),
        space: classes.map(|classes| classes.space),
        cases,
        left_out: site
            .run
            .as_ref()
            .map_or(0, |run| run.cases().left_out.len()),
        report: site.run.as_ref().is_some_and(|run| run.report().is_some()),
        model,
        heat: (0..=255_u8)
            .map(|step| colour::css(colour::heat(f32::from(step) / 255.0)))
            .collect(),
        max_upload: served.bounds.upload,
    })?))
}
