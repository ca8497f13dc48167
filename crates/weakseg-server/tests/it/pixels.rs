//! What is in a picture of an answer; taken in by the program's tests too.

use std::path::Path;

use serde_json::Value;
use weakseg_data::{Limits, View, decode_picture};

/// The values of a PNG in base 64 (RFC 4648, §4).
pub fn pixels(base64: &Value) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = base64.as_str().expect("text").trim_end_matches('=');
    let mut bytes = Vec::new();
    for four in text.as_bytes().chunks(4) {
        let digit = |c: &u8| DIGITS.iter().position(|d| d == c).expect("a digit") as u32;
        let bits = four.iter().fold(0, |bits, c| bits << 6 | digit(c));
        let bits = bits << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    let picture = decode_picture(Path::new("a"), &bytes, &Limits::default(), View::default());
    picture.expect("a PNG").pixels.into_vec()
}
