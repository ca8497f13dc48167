//! [`Segments`]: the markers of a JPEG up to its end, with what stands behind them.

/// One marker and its segment.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Without its length.
    pub(super) body: &'a [u8],
    /// Where it ends in the file; coded data begin here after the header of a scan.
    pub(super) end: usize,
}

/// Walks from marker to marker; bytes between them are fill or coded data.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// The next segment, or `None` at the end of the image. A file that ends before is cut off.
    pub(super) fn next(&mut self) -> Result<Option<Segment<'a>>, String> {
        let bytes = self.bytes;
        let cut = || {
            format!(
                "the JPEG is cut off: it ends at byte {} without an end-of-image marker",
                bytes.len()
            )
        };
        loop {
            let marker = loop {
                match (bytes.get(self.at), bytes.get(self.at + 1)) {
                    (Some(0xff), Some(0xff)) => self.at += 1,
                    (Some(0xff), Some(&marker))
                        if marker != 0 && !(0xd0..=0xd7).contains(&marker) =>
                    {
                        self.at += 2;
                        break marker;
                    }
                    (Some(_), Some(_)) => self.at += 1,
                    _ => return Err(cut()),
                }
            };
            if marker == 0xd9 {
                return Ok(None);
            }
            if marker == 0x01 || marker == 0xd8 {
                continue;
            }
            let length = match (bytes.get(self.at), bytes.get(self.at + 1)) {
                (Some(&high), Some(&low)) => usize::from(high) << 8 | usize::from(low),
                _ => return Err(cut()),
            };
            let body = bytes
                .get(self.at + 2..self.at + length.max(2))
                .ok_or_else(cut)?;
            self.at += length.max(2);
            return Ok(Some(Segment {
                marker,
                body,
                end: self.at,
            }));
        }
    }
}
