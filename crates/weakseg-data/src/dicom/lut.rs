//! [`Lut`]: a look-up table of the standard, LUT Descriptor and LUT Data (PS3.3 C.11.1.1, C.11.2.1.1, C.7.6.3.1.5).

use dicom_core::value::Value;
use dicom_core::{PrimitiveValue, Tag, VR};
use dicom_object::InMemDicomObject;
use dicom_object::mem::InMemElement;

/// A table from consecutive input values on.
pub(crate) struct Lut {
    /// The input value of the first entry; lower ones are mapped to it too, higher than the last to the last.
    first: i64,
    entries: Vec<u16>,
    /// Bits of an entry, 1 to 16.
    pub(crate) bits: u32,
}

impl Lut {
    /// Reads a table; `signed` says of the kind that its descriptor is written in, and of its first input value as it
    /// stands there, whether that has a sign.
    pub(crate) fn read(
        object: &InMemDicomObject,
        descriptor: Tag,
        data: Tag,
        signed: impl FnOnce(VR, u16) -> bool,
    ) -> Result<Self, String> {
        let element = |tag: Tag| object.get(tag).ok_or_else(|| format!("{tag} is missing"));
        let numbers = element(descriptor)?
            .to_multi_int::<i64>()
            .map_err(|_| format!("{descriptor} holds no numbers"))?;
        let [count, first, bits] = numbers.as_slice() else {
            return Err(format!(
                "{descriptor} has {} values, expected 3",
                numbers.len()
            ));
        };
        // The three were written as 16 bits each, with or without sign as the writer took it.
        let word = |value: i64| (value & 0xffff) as u16;
        let count = match word(*count) {
            0 => 65536,
            count => usize::from(count),
        };
        let first = if signed(element(descriptor)?.vr(), word(*first)) {
            i64::from(word(*first).cast_signed())
        } else {
            i64::from(word(*first))
        };
        let bits = u32::from(word(*bits));
        if !(1..=16).contains(&bits) {
            return Err(format!("its entries have {bits} bits, expected 1 to 16"));
        }
        let entries = entries(element(data)?, count, bits)
            .ok_or_else(|| format!("{data} holds fewer than the {count} entries it declares"))?;
        Ok(Self {
            first,
            entries,
            bits,
        })
    }

    /// The entry of an input value.
    pub(crate) fn at(&self, value: i64) -> u16 {
        let last = self.entries.len() - 1;
        let index = usize::try_from(value.saturating_sub(self.first)).unwrap_or(0);
        self.entries[index.min(last)]
    }

    /// The least and greatest entry.
    pub(crate) fn range(&self) -> [u16; 2] {
        let entries = || self.entries.iter().copied();
        [entries().min().unwrap_or(0), entries().max().unwrap_or(0)]
    }

    /// The value of an entry that is white. Tables are about that declare more bits than their entries have (12 in 16,
    /// of Agfa CR), and by their word the image would be nearly black; so the greatest entry says how many bits they
    /// have, at least 8. Told in `notes` where that is fewer than declared.
    pub(crate) fn white(&self, notes: &mut Vec<String>) -> f64 {
        let [_, greatest] = self.range();
        let used = (16 - greatest.leading_zeros()).max(8);
        let bits = if greatest == 0 || used >= self.bits {
            self.bits
        } else {
            notes.push(format!(
                "the VOI LUT declares entries of {} bits and has none above {greatest}; they are taken as {used} bits",
                self.bits
            ));
            used
        };
        f64::from((1_u32 << bits) - 1)
    }
}

/// The entries; two may lie in one word if they have 8 bits.
fn entries(element: &InMemElement, count: usize, bits: u32) -> Option<Vec<u16>> {
    let words: Vec<u16> = match element.value() {
        Value::Primitive(PrimitiveValue::U16(words)) => words.to_vec(),
        Value::Primitive(PrimitiveValue::I16(words)) => {
            words.iter().map(|word| word.cast_unsigned()).collect()
        }
        Value::Primitive(PrimitiveValue::U8(bytes)) => {
            if bits <= 8 && bytes.len() < 2 * count && element.vr() != VR::US {
                bytes.iter().map(|&byte| byte.into()).collect()
            } else {
                bytes
                    .chunks_exact(2)
                    .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                    .collect()
            }
        }
        _ => return None,
    };
    let words = if bits <= 8 && words.len() < count && 2 * words.len() >= count {
        words
            .iter()
            .flat_map(|word| [word & 0xff, word >> 8])
            .collect()
    } else {
        words
    };
    (words.len() >= count).then(|| words[..count].to_vec())
}
