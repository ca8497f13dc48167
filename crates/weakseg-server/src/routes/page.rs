//! `GET /` and `GET /viewer/NAME`: the page and its parts, which are in the program.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};

use crate::refusal::Refusal;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const PAGE: &str = include_str!("../../viewer/index.html");

/// Name, kind and content of each part.
const PARTS: [(&str, &str, &str); 11] = [
    ("style.css", CSS, include_str!("../../viewer/style.css")),
    ("icon.svg", SVG, include_str!("../../viewer/icon.svg")),
    ("main.js", SCRIPT, include_str!("../../viewer/main.js")),
    ("ask.js", SCRIPT, include_str!("../../viewer/ask.js")),
    ("list.js", SCRIPT, include_str!("../../viewer/list.js")),
    ("canvas.js", SCRIPT, include_str!("../../viewer/canvas.js")),
    ("pixels.js", SCRIPT, include_str!("../../viewer/pixels.js")),
    (
        "overlay.js",
        SCRIPT,
        include_str!("../../viewer/overlay.js"),
    ),
    ("legend.js", SCRIPT, include_str!("../../viewer/legend.js")),
    (
        "predict.js",
        SCRIPT,
        include_str!("../../viewer/predict.js"),
    ),
    ("state.js", SCRIPT, include_str!("../../viewer/state.js")),
];

/// The page.
pub(super) async fn page() -> Response {
    of_kind(HTML, PAGE)
}

/// A part of it.
pub(super) async fn part(name: Result<Path<String>, PathRejection>) -> Result<Response, Refusal> {
    let found = name
        .ok()
        .and_then(|Path(name)| PARTS.iter().find(|(known, ..)| *known == name));
    match found {
        Some((_, kind, content)) => Ok(of_kind(kind, content)),
        None => Err(Refusal::not_found("the page has no such part")),
    }
}

fn of_kind(kind: &'static str, content: &'static str) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a part names is a part, so that the page cannot lack one.
    #[test]
    fn the_page_and_its_parts_name_parts_alone() {
        let mut named = Vec::new();
        for (text, before) in PARTS
            .iter()
            .map(|(_, _, text)| (*text, "from \"./"))
            .chain([(PAGE, "\"/viewer/")])
        {
            let names = text.split(before).skip(1);
            named.extend(names.map(|rest| rest.split('"').next().expect("a name")));
        }
        assert!(named.len() > PARTS.len(), "{named:?}");
        for (name, ..) in PARTS {
            assert!(named.contains(&name), "{name} is not used");
        }
        for name in named {
            assert!(PARTS.iter().any(|(part, ..)| *part == name), "{name}");
        }
    }

    /// Names of cases and findings are text wherever they are shown, and nothing comes from elsewhere.
    #[test]
    fn no_part_makes_markup_of_text_or_leaves_the_machine() {
        for (name, _, text) in PARTS.iter().chain([&("index.html", HTML, PAGE)]) {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
            ] {
                assert!(!text.contains(word), "{name}: {word}");
            }
            let without = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!without.contains("://"), "{name}");
        }
    }
}
