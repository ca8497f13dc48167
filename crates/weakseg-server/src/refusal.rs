//! [`Refusal`]: every answer that is none, in one form.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use weakseg_data::DataError;

/// A request that is not answered: `{"error": {"code", "message"}}` with a status of 400 or more.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refusal {
    /// `code` is for programs and stays as it is, `message` for people.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// There is no such thing here.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// A file of the run's, or of its data, cannot be read.
    pub(crate) fn damaged(error: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "damaged",
            error.to_string(),
        )
    }

    /// An image that was sent cannot be read.
    pub(crate) fn unreadable(error: &DataError) -> Self {
        let (status, code) = match error {
            DataError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            DataError::MultiFrame { .. } | DataError::FrameRange { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "frames")
            }
            DataError::NoImage { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_image"),
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "unreadable"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
