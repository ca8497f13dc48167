//! [`Segmentation`]: a mask as it is written.
//!
//! Read by visitors, not as serde's untagged enums: those keep everything that is inside of one in memory, at more than
//! thirty bytes a number, before they look at it.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The mask of an annotation.
pub(super) enum Segmentation {
    /// Height and width, and run lengths.
    Rle { size: [usize; 2], counts: Counts },
    /// A list, which only polygons are; what it holds is not kept.
    Polygons,
}

/// Run lengths.
pub(super) enum Counts {
    /// Compressed.
    Packed(String),
    /// Plain numbers.
    Plain(Vec<u64>),
}

impl<'de> Deserialize<'de> for Segmentation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfSegmentation)
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfCounts)
    }
}

struct OfSegmentation;

impl<'de> Visitor<'de> for OfSegmentation {
    type Value = Segmentation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mask: run lengths with their size, or polygons")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Segmentation, A::Error> {
        #[derive(Deserialize)]
        struct Rle {
            size: [usize; 2],
            counts: Counts,
        }
        let Rle { size, counts } = Rle::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Segmentation::Rle { size, counts })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Segmentation, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Segmentation::Polygons)
    }
}

struct OfCounts;

impl<'de> Visitor<'de> for OfCounts {
    type Value = Counts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("run lengths: COCO's string, or a list of numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Counts, E> {
        Ok(Counts::Packed(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Counts, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Counts::Plain)
    }
}
