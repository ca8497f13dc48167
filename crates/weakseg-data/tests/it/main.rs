//! The checks of this crate that need files.
