//! Results, on stdout and nowhere else.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use serde::Serialize;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether nobody reads stdout any more, as in `weakseg … | head`. Printing has ended then; work that is worth more
/// than its lines goes on, and ends as it would have.
pub fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Prints one line, if anybody reads it.
///
/// # Errors
/// The system's reason, such as a full disk.
pub fn line(text: impl Display) -> Result<()> {
    if is_closed() {
        return Ok(());
    }
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            CLOSED.store(true, Ordering::Relaxed);
            Ok(())
        }
        written => written.context("cannot write to stdout"),
    }
}

/// Prints one JSON document, or one item of several, on one line.
///
/// # Errors
/// As [`line`].
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string(value)?)
}
