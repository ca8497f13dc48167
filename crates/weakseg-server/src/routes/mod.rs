//! All that can be asked for, one file a route. Nothing else is answered, and no path of a request ever becomes one of
//! a file.
//!
//! | route | answers |
//! |---|---|
//! | `GET /` | the page |
//! | `GET /viewer/NAME` | its parts: a fixed table of files that are in the program |
//! | `GET /run` | what is shown: classes, cases, model |
//! | `GET /cases/ID` | a case's image and what the run has made of it |
//! | `GET /report` | the run's `report.html` |
//! | `POST /predict` | what the model says of the image that is sent |
//!
//! What is refused is JSON, see [`Refusal`].

mod case;
mod page;
mod predict;
mod report;
mod run;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use crate::bounds::Bounds;
use crate::guard::guard;
use crate::queue::Queue;
use crate::refusal::Refusal;
use crate::site::Site;

/// Cases that may wait to be read: a person who leafs through them asks for one at a time and gives up the one before.
const LEAFING: usize = 15;

/// What every route has at hand.
pub(crate) struct Served {
    pub(crate) site: Site,
    pub(crate) bounds: Bounds,
    /// The host that the server was started with.
    pub(crate) host: String,
    predictions: Queue,
    readings: Queue,
}

impl Served {
    pub(crate) fn new(site: Site, bounds: Bounds, host: &str) -> Self {
        Self {
            site,
            bounds,
            host: host.to_owned(),
            predictions: Queue::new(bounds.waiting),
            readings: Queue::new(LEAFING),
        }
    }
}

/// The table.
pub(crate) fn router(served: Arc<Served>) -> Router {
    let upload = DefaultBodyLimit::max(served.bounds.upload);
    Router::new()
        .route("/", get(page::page))
        .route("/viewer/{name}", get(page::part))
        .route("/run", get(run::run))
        .route("/cases/{id}", get(case::case))
        .route("/report", get(report::report))
        .route("/predict", post(predict::predict).layer(upload))
        .fallback(|| async { Refusal::not_found("there is no such page") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "this cannot be done here",
            )
        })
        .layer(from_fn_with_state(served.clone(), guard))
        .with_state(served)
}

/// A document's text.
fn text(document: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(document).map_err(Refusal::damaged)
}

/// A JSON document.
fn json(text: Vec<u8>) -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, kind)], text).into_response()
}
