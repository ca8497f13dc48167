//! One annotation: an object of an image.

use serde::Deserialize;

use super::segmentation::{Counts, Segmentation};
use crate::Plane;
use crate::rle::coco;

/// An instance: what it is, where, and how sure whoever found it is.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoInstance {
    /// Id of the image it is seen in.
    pub image: u64,
    /// Id of its category.
    pub category: u64,
    /// How sure it is; `None` where nobody says so, as of a true one.
    pub score: Option<f32>,
    size: [usize; 2],
    counts: Vec<u64>,
}

impl CocoInstance {
    /// Height and width of its image, by its mask.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Its pixels, at least one: 1 inside, 0 outside, of the whole image. H×W.
    #[must_use]
    pub fn mask(&self) -> Plane<u8> {
        let [height, width] = self.size;
        coco::from_counts(&self.counts, height, width).expect("checked when it was read")
    }
}

/// An annotation as it is written.
#[derive(Deserialize)]
pub(super) struct Written {
    image_id: u64,
    category_id: u64,
    segmentation: Segmentation,
    score: Option<f32>,
    #[serde(default)]
    iscrowd: u8,
}

impl Written {
    /// Checks all of it, so that its mask can be made later; what is wrong, and what to do about it.
    pub(super) fn check(self) -> Result<CocoInstance, (String, &'static str)> {
        const RLE: &str =
            "write its mask as run lengths: {\"size\": [height, width], \"counts\": …}";
        let (size, counts) = match self.segmentation {
            Segmentation::Rle { size, counts } => (size, counts),
            Segmentation::Polygons => return Err(("its mask is polygons".into(), RLE)),
        };
        if self.iscrowd != 0 {
            let remedy = "leave crowds out; they are no objects that can be found or missed";
            return Err(("it is a crowd (`iscrowd`)".into(), remedy));
        }
        let wrong = |error: crate::rle::RleError| (error.to_string(), "write it anew");
        let counts = match counts {
            Counts::Packed(text) => coco::unpack(&text).map_err(wrong)?,
            Counts::Plain(counts) => counts,
        };
        coco::check_counts(&counts, size[0], size[1]).map_err(wrong)?;
        if counts.iter().skip(1).step_by(2).all(|&count| count == 0) {
            return Err(("its mask has no pixel".into(), "leave it out"));
        }
        Ok(CocoInstance {
            image: self.image_id,
            category: self.category_id,
            score: self.score,
            size,
            counts,
        })
    }
}
