//! Numbers that begin on a cache line.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// Some numbers, the first at the start of a cache line: no row of 16 or of 8 then lies in two lines. A
/// plain vector of many numbers begins 16 bytes into a line, and every row of 16 lies in two.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    values: Vec<f32>,
    first: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let room = LINE / size_of::<f32>() - 1;
        let values = vec![0.0; len + room];
        // `align_offset` may know none: then the numbers lie as they happen to.
        let first = values.as_ptr().align_offset(LINE).min(room);
        Self { values, first, len }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[self.first..][..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.first..][..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_begin_on_a_line() {
        for len in [0, 1, 16, 1000, 1 << 20] {
            let zeros = Aligned::zeros(len);
            assert_eq!(zeros.len(), len);
            assert!(zeros.iter().all(|value| *value == 0.0));
            assert_eq!(zeros.as_ptr() as usize % LINE, 0);
        }
    }
}
