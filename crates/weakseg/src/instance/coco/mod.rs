//! Instances as the JSON of the COCO data set (Lin et al. 2014), which most tools for detection read.

mod described;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use described::{Described, DescriptionError, MaskForm, Segmentation};

/// An instance of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// Its number in the document, from 1.
    pub id: u64,
    /// [`Image::id`] of the image it is seen in.
    pub image_id: u64,
    /// What it is.
    #[serde(flatten)]
    pub described: Described,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its number, see [`image_ids`].
    pub id: u64,
    /// Its file, without a folder.
    pub file_name: String,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// Its number from 1: the class's index plus 1, its value in an index map.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// A document of instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The images, those without an instance too.
    pub images: Vec<Image>,
    /// The instances.
    pub annotations: Vec<Annotation>,
    /// The classes.
    pub categories: Vec<Category>,
}

/// An image and what is seen in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Name of the case.
    pub name: String,
    /// The image's file, without a folder.
    pub file_name: String,
    /// Height and width of the image.
    pub size: [usize; 2],
    /// Its instances.
    pub instances: Vec<Described>,
}

impl Document {
    /// The document of some images, their order kept; images are numbered by [`image_ids`], annotations from 1.
    ///
    /// Departs from IRNet's code, whose categories begin at 0 against names that begin at 1: because every class then
    /// has its neighbour's name.
    pub fn new(classes: &[String], seen: Vec<Seen>) -> Self {
        let names: Vec<&str> = seen.iter().map(|s| s.name.as_str()).collect();
        let ids = image_ids(&names);
        let categories = classes.iter().enumerate().map(|(class, name)| Category {
            id: category_id(class),
            name: name.clone(),
        });
        let mut document = Self {
            images: Vec::new(),
            annotations: Vec::new(),
            categories: categories.collect(),
        };
        for (image_id, seen) in ids.into_iter().zip(seen) {
            document.images.push(Image {
                id: image_id,
                file_name: seen.file_name,
                height: seen.size[0],
                width: seen.size[1],
            });
            for described in seen.instances {
                document.annotations.push(Annotation {
                    id: document.annotations.len() as u64 + 1,
                    image_id,
                    described,
                });
            }
        }
        document
    }
}

/// Number of a class's category.
pub fn category_id(class: usize) -> u64 {
    class as u64 + 1
}

/// Numbers for images of these names: the digits of each name, as PASCAL VOC's images have in COCO's form
/// (`2007_000033` is 2007000033), if all have some, no two the same ones, none is 0, and JSON can hold them exactly;
/// else 1, 2, 3, ….
pub fn image_ids(names: &[&str]) -> Vec<u64> {
    /// Greatest whole number up to which a JSON number is exact everywhere.
    const GREATEST: u64 = 1 << 53;
    let digits = |name: &&str| {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|id| (1..=GREATEST).contains(id))
    };
    let ids: Option<Vec<u64>> = names.iter().map(digits).collect();
    let distinct = |ids: &Vec<u64>| ids.iter().collect::<HashSet<_>>().len() == ids.len();
    ids.filter(distinct)
        .unwrap_or_else(|| (1..=names.len() as u64).collect())
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, Region};
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

    fn seen(name: &str, instances: Vec<Described>) -> Seen {
        Seen {
            name: name.into(),
            file_name: format!("{name}.png"),
            size: [4, 5],
            instances,
        }
    }

    #[test]
    fn numbers_are_unique_and_lead_where_they_should() {
        let one = Described::of(&instance(), MaskForm::Rle);
        let two = Described::of(&instance(), MaskForm::Polygons);
        let classes = ["cat", "dog"].map(String::from);
        let document = Document::new(
            &classes,
            vec![
                seen("2007_000033", vec![one.clone(), two.clone()]),
                seen("2007_000061", Vec::new()),
                seen("2007_000129", vec![one]),
            ],
        );
        let pairs = |document: &Document| -> Vec<(u64, u64)> {
            document
                .annotations
                .iter()
                .map(|a| (a.id, a.image_id))
                .collect()
        };
        assert_eq!(
            pairs(&document),
            [(1, 2007000033), (2, 2007000033), (3, 2007000129)]
        );
        assert_eq!(document.images.len(), 3, "one without an instance too");
        for annotation in &document.annotations {
            let category = document
                .categories
                .iter()
                .find(|c| c.id == annotation.described.category_id);
            assert_eq!(category.unwrap().name, "dog");
        }
        let text = serde_json::to_string(&document).unwrap();
        let again: Document = serde_json::from_str(&text).unwrap();
        assert_eq!(again, document);
        let raw: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            raw["annotations"][1]["bbox"],
            serde_json::json!([2, 1, 3, 2])
        );
        assert_eq!(
            raw["annotations"][0]["segmentation"]["size"],
            serde_json::json!([4, 5])
        );
        assert_eq!(raw["annotations"][1]["iscrowd"], 0);
    }

    #[test]
    fn an_empty_document_is_one() {
        let document = Document::new(&[], Vec::new());
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(text, r#"{"images":[],"annotations":[],"categories":[]}"#);
    }

    #[test]
    fn digits_are_numbers_only_where_they_tell_images_apart() {
        assert_eq!(image_ids(&["2007_000033", "x12"]), [2007000033, 12]);
        assert_eq!(image_ids(&["a1", "b1"]), [1, 2], "the same digits");
        assert_eq!(image_ids(&["7", "x"]), [1, 2], "no digits");
        assert_eq!(
            image_ids(&["1.2.840.113619.2.55.3", "7"]),
            [128401136192553, 7]
        );
        assert_eq!(
            image_ids(&["99999999999999999", "7"]),
            [1, 2],
            "beyond 2^53"
        );
        assert_eq!(
            image_ids(&["x-1", "x-0"]),
            [1, 2],
            "0, which some tools take for none"
        );
        assert!(image_ids(&[]).is_empty());
    }
}
