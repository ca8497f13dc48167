//! Results, on stdout and nowhere else.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};

use serde::Serialize;

/// Nobody reads stdout any more; the program then ends quietly and well.
#[derive(Debug, thiserror::Error)]
#[error("stdout was closed")]
pub struct Closed;

/// Prints one line.
///
/// # Errors
/// [`Closed`] if the reader has gone, else the system's reason.
pub fn line(text: impl Display) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        Err(error) => Err(anyhow::Error::new(error).context("cannot write to stdout")),
    }
}

/// Prints one JSON document, or one item of several, on one line.
///
/// # Errors
/// As [`line`].
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}
