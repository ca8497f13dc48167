//! What a long step tells whoever watches, and how it is asked to stop. Libraries never print.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A watcher of long work.
pub trait Progress: Sync {
    /// Work of `total` units begins.
    fn begin(&self, what: &str, total: u64);
    /// `done` units are over; `note` is a short reading such as the loss.
    fn at(&self, done: u64, note: &str);
    /// The work is over.
    fn end(&self);
    /// A line worth keeping: a step skipped, a case left out, a fall-back.
    fn note(&self, line: &str);
    /// A line for those too who want to hear of nothing but what went wrong.
    fn warn(&self, line: &str) {
        self.note(line);
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn at(&self, _: u64, _: &str) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

/// A request to stop at the next safe place, shared with a signal handler.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks for the stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was asked for.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
