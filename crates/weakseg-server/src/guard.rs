//! Who may ask, and what browsers are told about every answer.
//!
//! A page of another site can make a browser send requests here. It cannot read the answers as long as its host is
//! another one, which is why names that anybody can point at this machine are refused (DNS rebinding), and it cannot
//! change anything, for what is sent here must come from a page of ours.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;
use crate::routes::Served;

/// What every answer says but for those that say something else.
const HEADERS: [(HeaderName, &str); 5] = [
    // Nothing from elsewhere, nothing inline.
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // Not as a picture in a page of others either.
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    // Images of patients do not stay in the browser's cache.
    (CACHE_CONTROL, "no-store"),
];

/// Lets a request through or refuses it, and adds the headers.
pub(crate) async fn guard(
    State(served): State<Arc<Served>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check(request.method(), request.headers(), &served.host) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// `bound` is the host that the server was started with.
fn check(method: &Method, headers: &HeaderMap, bound: &str) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => host,
        _ => {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "host",
                "the request names no host, or several",
            ));
        }
    };
    if !is_ours(host, bound) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            format!(
                "the request was for the host `{host}`; use the address that weakseg serve has printed, or start it with --host and \
                 that name"
            ),
        ));
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let of_ours = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        let origin = origin.and_then(|origin| origin.strip_prefix("http://"));
        origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    };
    if !reads && !headers.get_all(ORIGIN).iter().all(of_ours) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "origin",
            "images are taken from the viewer's own page and from programs, not from pages of other sites",
        ));
    }
    Ok(())
}

/// Whether a host is an address, which no other site can have, or a name that is this machine's.
fn is_ours(host: &str, bound: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || name.eq_ignore_ascii_case(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, headers: &[(HeaderName, &str)]) -> Option<StatusCode> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().expect("a value"));
        }
        let refused = check(method, &map, "workstation.example").err()?;
        Some(refused.into_response().status())
    }

    #[test]
    fn hosts_are_addresses_or_names_of_ours() {
        let of = |host: &str| status(&Method::GET, &[(HOST, host)]);
        for ours in [
            "127.0.0.1:8377",
            "127.0.0.1",
            "[::1]:8377",
            "192.168.1.7:8377",
            "localhost:8377",
            "LOCALHOST",
            "Workstation.example:8377",
        ] {
            assert_eq!(of(ours), None, "{ours}");
        }
        for other in [
            "evil.example:8377",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example@",
            "127.0.0.1:8377/",
            "",
        ] {
            assert_eq!(of(other), Some(StatusCode::MISDIRECTED_REQUEST), "{other}");
        }
        assert_eq!(
            status(&Method::GET, &[]),
            Some(StatusCode::BAD_REQUEST),
            "none"
        );
        let two = [(HOST, "127.0.0.1"), (HOST, "127.0.0.1")];
        assert_eq!(status(&Method::GET, &two), Some(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn what_is_sent_comes_from_our_page_or_from_no_page() {
        let post =
            |origin: &str| status(&Method::POST, &[(HOST, "127.0.0.1:8377"), (ORIGIN, origin)]);
        assert_eq!(status(&Method::POST, &[(HOST, "localhost:1")]), None);
        assert_eq!(post("http://127.0.0.1:8377"), None);
        for other in [
            "http://127.0.0.1:8378",
            "https://127.0.0.1:8377",
            "http://evil.example",
            "null",
        ] {
            assert_eq!(post(other), Some(StatusCode::FORBIDDEN), "{other}");
        }
    }
}
