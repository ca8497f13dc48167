//! `GET /report`: the run's `report.html`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::Served;
use crate::refusal::Refusal;

/// That of the page itself: it holds its style and its pictures, and no script.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Answers.
pub(super) async fn report(State(served): State<Arc<Served>>) -> Result<Response, Refusal> {
    let run = served.site.run.as_ref();
    let file = run.and_then(|run| run.report()).ok_or_else(|| {
        Refusal::not_found("the run has no report.html; weakseg report writes it")
    })?;
    let place = served.readings.place()?;
    let page = served
        .readings
        .work(place, move || std::fs::read(file))
        .await?
        .map_err(Refusal::damaged)?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
    Ok((headers, page).into_response())
}
