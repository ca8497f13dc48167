//! [`Bounds`]: what a client may ask for.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;

use crate::refusal::Refusal;

/// What a client may ask for, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of an image that is sent.
    pub upload: usize,
    /// Time for a request's head.
    pub head: Duration,
    /// Time for a request's body, which has its place among those that wait meanwhile.
    pub body: Duration,
    /// Connections at once, each for one request; further ones wait for one of them to end.
    pub connections: usize,
    /// Time for a connection, whatever it waits for: also for a client that does not read its answer.
    pub connection: Duration,
    /// Predictions that may wait for the one under way; each holds its image in memory.
    pub waiting: usize,
    /// Time that requests under way have once the server was asked to end.
    pub grace: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            upload: 256 << 20,
            // Whoever connects and says nothing keeps others out for as long.
            head: Duration::from_secs(10),
            body: Duration::from_secs(120),
            connections: 64,
            connection: Duration::from_secs(600),
            waiting: 3,
            grace: Duration::from_secs(3),
        }
    }
}

impl Bounds {
    /// The body of a request to a route with the limit [`Bounds::upload`].
    pub(crate) async fn read(&self, request: Request) -> Result<Bytes, Refusal> {
        let too_large = || {
            Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!(
                    "more than {} bytes were sent; if the image is genuine, start weakseg serve with a larger --max-upload",
                    self.upload
                ),
            )
        };
        // Before any of it is read.
        let length = request.headers().get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.upload as u64) {
            return Err(too_large());
        }
        match tokio::time::timeout(self.body, Bytes::from_request(request, &())).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(refused)) if refused.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(too_large())
            }
            Ok(Err(refused)) => Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "cut_off",
                format!("the image did not come whole: {refused}; send it again"),
            )),
            Err(_) => Err(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                format!(
                    "the image did not come within {} seconds; send it again",
                    self.body.as_secs_f32()
                ),
            )),
        }
    }
}
