//! A few SVG shapes, written as text. Colours are the page's (CSS classes), so that charts follow
//! light and dark.

use std::fmt::Write;

/// A drawing under way.
pub(super) struct Svg {
    text: String,
}

/// Which part of a text stands at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty drawing of `width`×`height` units, named for those who cannot see it.
    pub fn new(width: f64, height: f64, name: &str) -> Self {
        let name = escape(name);
        let text = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{name}\">"
        );
        Svg { text }
    }

    /// A path with the outline `d`.
    pub fn path(&mut self, class: &str, d: &str) {
        self.push(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    /// A level line.
    pub fn level(&mut self, class: &str, y: f64, from: f64, to: f64) {
        self.path(class, &format!("M{from:.1} {y:.1}H{to:.1}"));
    }

    /// An upright line.
    pub fn upright(&mut self, class: &str, x: f64, from: f64, to: f64) {
        self.path(class, &format!("M{x:.1} {from:.1}V{to:.1}"));
    }

    /// A full circle.
    pub fn circle(&mut self, class: &str, [x, y]: [f64; 2], radius: f64) {
        self.push(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
        ));
    }

    /// A text on the base line `y`.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// The drawing as an `<svg>` element.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>");
        self.text
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.text
            .write_fmt(text)
            .expect("a string takes all that is written to it");
    }
}

/// Text made safe to stand in HTML or SVG.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
