//! What an annotation says of its instance, and back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use weakseg_data::rle::{RleError, coco};

use super::category_id;
use crate::instance::polygon::{Polygon, fill, polygons};
use crate::instance::{Instance, Region};

/// How the pixels of an instance are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MaskForm {
    /// Compressed run lengths.
    #[default]
    Rle,
    /// Outlines along the sides of pixels, without tolerance.
    Polygons,
}

/// The pixels of an instance, exactly, in either form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// Compressed run lengths, see [`coco`].
    Rle {
        /// Height and width of the image.
        size: [usize; 2],
        /// The compressed counts.
        counts: String,
    },
    /// Outlines as x, y, x, y, … in pixels from the image's upper left corner.
    Polygons(Vec<Vec<usize>>),
}

/// What an annotation says of its instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// [`Category::id`](super::Category::id) of its class.
    pub category_id: u64,
    /// Its pixels.
    pub segmentation: Segmentation,
    /// Number of its pixels.
    pub area: usize,
    /// The box around them: left, top, width, height.
    pub bbox: [usize; 4],
    /// Always 0: one object, not a crowd.
    pub iscrowd: u8,
    /// How sure it is, above 0 and at most 1.
    pub score: f32,
}

impl Described {
    /// Describes an instance.
    pub fn of(instance: &Instance, form: MaskForm) -> Self {
        let region = &instance.region;
        let [top, left] = region.corner();
        let segmentation = match form {
            MaskForm::Rle => Segmentation::Rle {
                size: region.size(),
                counts: coco::encode(&region.whole()),
            },
            MaskForm::Polygons => Segmentation::Polygons(
                polygons(region.mask())
                    .iter()
                    .map(|polygon| {
                        let corners = polygon.iter().flat_map(|[x, y]| [left + x, top + y]);
                        corners.collect()
                    })
                    .collect(),
            ),
        };
        Self {
            category_id: category_id(instance.class),
            segmentation,
            area: region.area(),
            bbox: [left, top, region.mask().width(), region.mask().height()],
            iscrowd: 0,
            score: instance.score,
        }
    }

    /// The instance that is described, of an image of `size` = `[height, width]`.
    ///
    /// # Errors
    /// [`DescriptionError`] for what [`Described::of`] does not write.
    pub fn instance(&self, size: [usize; 2]) -> Result<Instance, DescriptionError> {
        let mask = match &self.segmentation {
            Segmentation::Rle { size: found, .. } if *found != size => {
                return Err(DescriptionError::Size {
                    expected: size,
                    found: *found,
                });
            }
            Segmentation::Rle { counts, .. } => coco::decode(counts, size[0], size[1])?,
            Segmentation::Polygons(outlines) => {
                let outlines: Vec<Polygon> = outlines.iter().map(|o| corners(o)).collect();
                fill(&outlines, size).ok_or(DescriptionError::Outline { size })?
            }
        };
        let class = self.category_id.checked_sub(1);
        let class = class.and_then(|class| usize::try_from(class).ok());
        Ok(Instance {
            class: class.ok_or(DescriptionError::Category(self.category_id))?,
            score: self.score,
            region: Region::of(&mask).ok_or(DescriptionError::Nothing)?,
        })
    }
}

/// x, y, x, y, … as corners; a number that is left over makes one that lies nowhere.
fn corners(outline: &[usize]) -> Polygon {
    let corner = |pair: &[usize]| match *pair {
        [x, y] => [x, y],
        _ => [usize::MAX; 2],
    };
    outline.chunks(2).map(corner).collect()
}

/// Why a description is none of an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// Run lengths that are no mask.
    #[error(transparent)]
    Rle(#[from] RleError),
    /// A mask of another size than its image.
    #[error(
        "the mask is {}x{} (height x width), its image {}x{}",
        found[0], found[1], expected[0], expected[1]
    )]
    Size {
        /// Height and width of the image.
        expected: [usize; 2],
        /// Height and width of the mask.
        found: [usize; 2],
    },
    /// Outlines that leave the image or run across pixels.
    #[error("an outline leaves the image of {}x{} (height x width) or its pixels' sides", size[0], size[1])]
    Outline {
        /// Height and width of the image.
        size: [usize; 2],
    },
    /// A mask without a pixel.
    #[error("the mask has no pixel")]
    Nothing,
    /// A category that is no class's.
    #[error("the category {0} is none; they are counted from 1")]
    Category(u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use weakseg_data::Plane;

    fn instance() -> Instance {
        let mask = Plane::from_fn(4, 5, |y, x| u8::from((1..3).contains(&y) && x >= 2));
        Instance {
            class: 1,
            score: 0.75,
            region: Region::of(&mask).unwrap(),
        }
    }

    #[test]
    fn both_forms_describe_the_same_pixels() {
        let rle = Described::of(&instance(), MaskForm::Rle);
        let Segmentation::Rle { size, counts } = &rle.segmentation else {
            panic!("run lengths were asked for");
        };
        let read = coco::decode(counts, size[0], size[1]).unwrap();
        assert_eq!(read, instance().region.whole());
        assert_eq!((rle.area, rle.bbox), (6, [2, 1, 3, 2]));
        let polygons = Described::of(&instance(), MaskForm::Polygons);
        let corners = vec![vec![2, 1, 5, 1, 5, 3, 2, 3]];
        assert_eq!(polygons.segmentation, Segmentation::Polygons(corners));
        assert_eq!((polygons.area, polygons.bbox), (rle.area, rle.bbox));
    }

    #[test]
    fn both_forms_are_read_back() {
        for form in [MaskForm::Rle, MaskForm::Polygons] {
            let described = Described::of(&instance(), form);
            assert_eq!(described.instance([4, 5]), Ok(instance()), "{form:?}");
        }
    }

    #[test]
    fn what_describes_no_instance_is_named() {
        let rle = |counts: &str| Segmentation::Rle {
            size: [4, 5],
            counts: counts.into(),
        };
        let outline = |corners: &[usize]| Segmentation::Polygons(vec![corners.to_vec()]);
        let text = |segmentation, category_id, size| {
            let described = Described {
                segmentation,
                category_id,
                ..Described::of(&instance(), MaskForm::Rle)
            };
            described.instance(size).unwrap_err().to_string()
        };
        for (segmentation, words) in [
            (rle("66"), "add up to 12"),
            (rle("d0"), "no pixel"),
            (outline(&[]), "no pixel"),
            (
                outline(&[0, 0, 6, 0, 6, 1, 0, 1]),
                "leaves the image of 4x5",
            ),
            (outline(&[0, 0, 2, 2, 0, 2]), "its pixels' sides"),
            (outline(&[0, 0, 2, 0, 2]), "leaves the image"),
        ] {
            let text = text(segmentation, 1, [4, 5]);
            assert!(text.contains(words), "{text}");
        }
        let same = || Described::of(&instance(), MaskForm::Rle).segmentation;
        assert!(text(same(), 2, [5, 4]).contains("the mask is 4x5"));
        assert!(text(same(), 0, [4, 5]).contains("category 0"));
    }
}
