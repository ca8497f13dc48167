//! irn
