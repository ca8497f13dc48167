//! [`Elements`]: the data elements of a MAT-file, one after another.

use super::MatError;
use super::error::Place;

/// Types of data elements.
pub(super) mod kind {
    /// Signed bytes; names are made of them.
    pub(in super::super) const INT8: u32 = 1;
    /// Bytes.
    pub(in super::super) const UINT8: u32 = 2;
    /// Signed words of 32 bits; lengths are made of them.
    pub(in super::super) const INT32: u32 = 5;
    /// Words of 32 bits; flags are made of them.
    pub(in super::super) const UINT32: u32 = 6;
    /// An array, itself made of elements.
    pub(in super::super) const MATRIX: u32 = 14;
    /// Another element, packed by zlib.
    pub(in super::super) const COMPRESSED: u32 = 15;
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    /// The lowest.
    Little,
    /// The highest.
    Big,
}

impl ByteOrder {
    /// A word of 32 bits.
    pub(super) fn word(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// A data element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    /// What its data are ([`kind`]).
    pub(super) kind: u32,
    /// Where its tag begins.
    pub(super) place: Place,
    /// Its data, without the bytes that fill them up to a multiple of eight.
    pub(super) data: &'a [u8],
    /// Where they begin.
    data_place: Place,
}

impl<'a> Element<'a> {
    /// The elements that its data are made of.
    pub(super) fn parts(&self, order: ByteOrder) -> Elements<'a> {
        Elements {
            bytes: self.data,
            order,
            at: 0,
            begin: self.data_place,
        }
    }

    /// Refuses another type than `kind`.
    pub(super) fn expect(&self, what: &'static str, kind: u32) -> Result<(), MatError> {
        if self.kind == kind {
            return Ok(());
        }
        Err(MatError::Kind {
            place: self.place,
            what,
            found: self.kind,
            expected: kind,
        })
    }

    /// Its data as words of 32 bits, `None` if they are not a whole number of them.
    pub(super) fn words(&self, order: ByteOrder) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let (words, rest) = self.data.as_chunks::<4>();
        rest.is_empty()
            .then(|| words.iter().map(move |&bytes| order.word(bytes)))
    }
}

/// Elements, from the first on.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
    at: usize,
    /// Where the first byte lies.
    begin: Place,
}

impl<'a> Elements<'a> {
    /// Those in `bytes`, which begin at byte `at` of the file.
    pub(super) fn new(bytes: &'a [u8], order: ByteOrder, at: usize) -> Self {
        Self {
            bytes,
            order,
            at: 0,
            begin: Place { packed: None, at },
        }
    }

    /// Those in `bytes`, which were unpacked from an element at byte `packed` of the file.
    pub(super) fn unpacked(bytes: &'a [u8], order: ByteOrder, packed: usize) -> Self {
        Self {
            bytes,
            order,
            at: 0,
            begin: Place {
                packed: Some(packed),
                at: 0,
            },
        }
    }

    /// Where the next element begins.
    pub(super) fn place(&self) -> Place {
        self.begin.further(self.at)
    }

    /// The next element, `None` at the end.
    pub(super) fn advance(&mut self) -> Result<Option<Element<'a>>, MatError> {
        let place = self.place();
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let Some((&[a, b, c, d, e, f, g, h], data)) = rest.split_first_chunk() else {
            return Err(MatError::CutOff {
                place,
                needed: 8,
                left: rest.len(),
            });
        };
        let first = self.order.word([a, b, c, d]);
        let small = (first >> 16) as usize;
        if small > 0 {
            // Both halves of the tag's first word are used: up to four bytes of data stand in its second.
            let data = rest[4..8].get(..small);
            let data = data.ok_or(MatError::Small {
                place,
                length: small,
            })?;
            self.at += 8;
            return Ok(Some(Element {
                kind: first & 0xffff,
                place,
                data,
                data_place: place.further(4),
            }));
        }
        let length = self.order.word([e, f, g, h]) as usize;
        let data = data.get(..length).ok_or(MatError::CutOff {
            place,
            needed: length,
            left: data.len(),
        })?;
        // Data fill a multiple of eight bytes, but what is compressed; the last of a file may lack the filling.
        let filled = match first {
            kind::COMPRESSED => length,
            _ => length.saturating_add(7) / 8 * 8,
        };
        self.at = self.bytes.len().min(self.at + 8 + filled);
        Ok(Some(Element {
            kind: first,
            place,
            data,
            data_place: place.further(8),
        }))
    }

    /// The next element, which must be there and of a type; `what` names it.
    pub(super) fn expect(
        &mut self,
        what: &'static str,
        kind: u32,
    ) -> Result<Element<'a>, MatError> {
        let place = self.place();
        let element = self.advance()?.ok_or(MatError::Missing { place, what })?;
        element.expect(what, kind)?;
        Ok(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_elements_follow_each_other() {
        // Worked out by hand from the format's description: "ab" in a small element, five bytes filled up to eight.
        let little = [
            1, 0, 2, 0, b'a', b'b', 0, 0, //
            2, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, //
            6, 0, 0, 0, 0, 0, 0, 0,
        ];
        let big = [
            0, 2, 0, 1, b'a', b'b', 0, 0, //
            0, 0, 0, 2, 0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0, //
            0, 0, 0, 6, 0, 0, 0, 0,
        ];
        for (bytes, order) in [(little, ByteOrder::Little), (big, ByteOrder::Big)] {
            let mut elements = Elements::new(&bytes, order, 128);
            let mut found = Vec::new();
            while let Some(element) = elements.advance().unwrap() {
                found.push((element.kind, element.place.at, element.data));
            }
            let expected: [(u32, usize, &[u8]); 3] = [
                (kind::INT8, 128, b"ab"),
                (kind::UINT8, 136, &[1, 2, 3, 4, 5]),
                (kind::UINT32, 152, &[]),
            ];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn lengths_that_lie_are_told_with_their_place() {
        let told = |bytes: &[u8]| {
            Elements::new(bytes, ByteOrder::Little, 128)
                .advance()
                .unwrap_err()
                .to_string()
        };
        let huge = [2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 2];
        assert_eq!(
            told(&huge),
            "byte 128: the element has 4294967295 bytes by its tag, 2 are left"
        );
        assert_eq!(
            told(&[2, 0, 5, 0, 1, 2, 3, 4]),
            "byte 128: a small element of 5 bytes, which can have 4 at most"
        );
        assert_eq!(
            told(&[2, 0, 0]),
            "byte 128: the element has 8 bytes by its tag, 3 are left"
        );
    }
}
