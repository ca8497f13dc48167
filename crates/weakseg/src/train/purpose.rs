//! What a random stream is for, so that no two uses share one.

pub const CLASSIFIER: u64 = 1;
pub const IRN: u64 = 2;
pub const SEGMENTER: u64 = 3;
pub const DROPBLOCK: u64 = 4;
pub const AUGMENT: u64 = 5;
