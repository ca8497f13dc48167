//! Huffman codes of JPEG (ISO 10918-1 annex C and F.2.2), and the bits of a scan between two markers.

/// Why a scan cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The bits end before the scan does.
    Short,
    /// They mean nothing.
    Damaged,
}

/// Bits looked up at once; most codes are no longer.
const FAST: u32 = 9;

/// One table of codes.
#[derive(Clone)]
pub(super) struct Table {
    /// By the next [`FAST`] bits: length and symbol of the code they begin with, or length 0 for longer ones.
    fast: [(u8, u8); 1 << FAST],
    /// By length: one more than its greatest code, left-aligned to 16 bits, and what to add to a code for its place.
    ends: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Table {
    /// From the 16 counts of codes by length, and their symbols.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut table = Self {
            fast: [(0, 0); 1 << FAST],
            ends: [(0, 0); 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = u32::from(counts[length as usize - 1]);
            table.ends[length as usize].1 = place as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return None;
                }
                let symbol = *symbols.get(place)?;
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    table.fast[first..first + (1 << (FAST - length))].fill((length as u8, symbol));
                }
                code += 1;
                place += 1;
            }
            table.ends[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }
}

/// The bits of coded data, up to the next marker.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    held: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            held: 0,
            count: 0,
        }
    }

    fn fill(&mut self) {
        while self.count <= 56 {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => return,
                (Some(&byte), _) => {
                    self.at += 1;
                    byte
                }
            };
            self.held |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    fn drop(&mut self, count: u32) -> Result<(), Fault> {
        if count > self.count {
            return Err(Fault::Short);
        }
        self.held <<= count;
        self.count -= count;
        Ok(())
    }

    /// The next bits, at most 16, as a number.
    pub(super) fn take(&mut self, count: u8) -> Result<u32, Fault> {
        if count == 0 {
            return Ok(0);
        }
        if self.count < u32::from(count) {
            self.fill();
        }
        let value = (self.held >> (64 - u32::from(count))) as u32;
        self.drop(count.into())?;
        Ok(value)
    }

    /// The symbol of the next code.
    pub(super) fn symbol(&mut self, table: &Table) -> Result<u8, Fault> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.fast[(self.held >> (64 - FAST)) as usize];
        if length > 0 {
            self.drop(length.into())?;
            return Ok(symbol);
        }
        let next = (self.held >> 48) as u32;
        for length in FAST + 1..=16 {
            let (end, offset) = table.ends[length as usize];
            if next < end {
                self.drop(length)?;
                let place = (next >> (16 - length)) as i32 + offset;
                let symbol = usize::try_from(place).ok();
                return symbol
                    .and_then(|place| table.symbols.get(place).copied())
                    .ok_or(Fault::Damaged);
            }
        }
        // With fewer bits than a code may have, those that are lacking read as zeros.
        Err(if self.count < 16 {
            Fault::Short
        } else {
            Fault::Damaged
        })
    }

    /// Goes behind the restart marker that must come next.
    pub(super) fn restart(&mut self) -> Result<(), Fault> {
        (self.held, self.count) = (0, 0);
        loop {
            match self.bytes.get(self.at..self.at + 2) {
                Some([0xff, 0xd0..=0xd7]) => {
                    self.at += 2;
                    return Ok(());
                }
                Some([0xff, 0 | 0xff] | [0..=0xfe, _]) => self.at += 1,
                _ => return Err(Fault::Short),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes 0, 10, 110, and one of 12 bits, 111000000000.
    fn table() -> Table {
        let mut counts = [0; 16];
        (counts[0], counts[1], counts[2], counts[11]) = (1, 1, 1, 1);
        Table::new(&counts, &[7, 8, 9, 10]).unwrap()
    }

    #[test]
    fn codes_are_read_in_order() {
        // 0 10 110 111000000000 101
        let bytes = [0b0101_1011, 0b1000_0000, 0b0010_1000];
        let mut bits = Bits::new(&bytes, 0);
        let table = table();
        for symbol in [7, 8, 9, 10] {
            assert_eq!(bits.symbol(&table), Ok(symbol));
        }
        assert_eq!(bits.take(3), Ok(0b101));
        assert_eq!(bits.take(4), Err(Fault::Short));
    }

    #[test]
    fn bits_end_at_a_marker_and_go_on_behind_a_restart() {
        let bytes = [0xff, 0, 0x80, 0xff, 0xd0, 0x40, 0xff, 0xd9];
        let mut bits = Bits::new(&bytes, 0);
        assert_eq!(bits.take(16), Ok(0xff80));
        assert_eq!(bits.take(1), Err(Fault::Short));
        bits.restart().unwrap();
        assert_eq!(bits.take(8), Ok(0x40));
        assert_eq!(bits.restart(), Err(Fault::Short));
    }

    #[test]
    fn tables_with_more_codes_than_there_are_bits_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Table::new(&counts, &[1, 2, 3]).is_none());
        counts[0] = 2;
        assert!(Table::new(&counts, &[1]).is_none());
    }
}
