//! [`CocoFile`]: a document of instances, or a list of results.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use serde::Deserialize;

use super::annotation::{CocoInstance, Written};
use crate::{DataError, Limits, image_id};

/// Most bytes of a file: numbers take up to eight times as much in memory as in the text.
const MOST: u64 = 1 << 27;

/// An image of a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CocoImage {
    /// Its number in the document.
    pub id: u64,
    /// Its file.
    pub file_name: String,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl CocoImage {
    /// The name of its file without folder and ending, by which images of different documents are told to be the same.
    #[must_use]
    pub fn name(&self) -> &str {
        image_id(&self.file_name)
    }
}

/// A category of a document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CocoCategory {
    /// Its number in the document.
    pub id: u64,
    /// Its name.
    pub name: String,
}

/// Images and categories, which a list of results lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CocoHead {
    /// The images, each id and name once.
    pub images: Vec<CocoImage>,
    /// The categories by their ids, each id and name once.
    pub categories: Vec<CocoCategory>,
}

/// What a file says of instances, checked: ids lead somewhere, masks have pixels and their image's size.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoFile {
    /// Images and categories; `None` of a list of results.
    pub head: Option<CocoHead>,
    /// The instances of each image that has some, by the image's id, in the order of the file.
    pub instances: BTreeMap<u64, Vec<CocoInstance>>,
}

#[derive(Deserialize)]
struct Document {
    images: Vec<CocoImage>,
    categories: Vec<CocoCategory>,
    annotations: Vec<Written>,
}

impl CocoFile {
    /// Reads a file of either kind.
    ///
    /// # Errors
    /// [`DataError::Unreadable`] for what is not of this form, for polygons, crowds, masks without a pixel or of
    /// another size than their image, and ids and names that occur twice or nowhere; [`DataError::TooLarge`] for a file
    /// of more than 2^27 bytes, or of more than `limits` allow, [`DataError::Io`].
    pub fn read(path: &Path, limits: &Limits) -> Result<Self, DataError> {
        let reading = Reading(path);
        let limits = Limits {
            max_bytes: limits.max_bytes.min(MOST),
            ..*limits
        };
        let bytes = limits.read(path)?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let text = text.trim_ascii_start();
        if text.starts_with(b"[") {
            let written: Vec<Written> = reading.json(text)?;
            let instances = reading.instances(written, None)?;
            return Ok(Self {
                head: None,
                instances,
            });
        }
        let document: Document = reading.json(text)?;
        let mut head = CocoHead {
            images: document.images,
            categories: document.categories,
        };
        head.categories.sort_by_key(|category| category.id);
        reading.once("images", "id", head.images.iter().map(|image| image.id))?;
        reading.once(
            "images",
            "file name",
            head.images.iter().map(CocoImage::name),
        )?;
        let categories = || head.categories.iter();
        reading.once("categories", "id", categories().map(|category| category.id))?;
        reading.once(
            "categories",
            "name",
            categories().map(|category| &category.name),
        )?;
        let instances = reading.instances(document.annotations, Some(&head))?;
        Ok(Self {
            head: Some(head),
            instances,
        })
    }
}

/// The file that is read, for errors.
struct Reading<'a>(&'a Path);

impl Reading<'_> {
    fn error(&self, problem: String, remedy: &str) -> DataError {
        DataError::unreadable(self.0, problem, remedy)
    }

    fn json<'t, T: Deserialize<'t>>(&self, text: &'t [u8]) -> Result<T, DataError> {
        serde_json::from_slice(text).map_err(|error| {
            self.error(
                format!("no instances in COCO's form: {error}"),
                "expected a document of `images`, `categories` and `annotations`, or a list of results",
            )
        })
    }

    /// Refuses what occurs twice.
    fn once<T: std::hash::Hash + Eq + std::fmt::Display>(
        &self,
        of: &str,
        what: &str,
        values: impl Iterator<Item = T>,
    ) -> Result<(), DataError> {
        let mut seen = HashSet::new();
        for value in values {
            if seen.contains(&value) {
                let problem = format!("two {of} have the {what} {value}");
                return Err(self.error(problem, "give each its own"));
            }
            seen.insert(value);
        }
        Ok(())
    }

    fn instances(
        &self,
        written: Vec<Written>,
        head: Option<&CocoHead>,
    ) -> Result<BTreeMap<u64, Vec<CocoInstance>>, DataError> {
        let known = head.map(|head| {
            let images = head.images.iter();
            let sizes: HashMap<u64, [usize; 2]> = images
                .map(|image| (image.id, [image.height, image.width]))
                .collect();
            let categories: HashSet<u64> = head.categories.iter().map(|c| c.id).collect();
            (sizes, categories)
        });
        let mut found: BTreeMap<u64, Vec<CocoInstance>> = BTreeMap::new();
        for (number, written) in (1..).zip(written) {
            let wrong = |(problem, remedy): (String, &str)| {
                self.error(format!("annotation {number}: {problem}"), remedy)
            };
            let instance = written.check().map_err(wrong)?;
            if let Some((sizes, categories)) = &known {
                if !categories.contains(&instance.category) {
                    let problem = format!("no category has its id {}", instance.category);
                    return Err(wrong((problem, "add the category, or remove it")));
                }
                let [height, width] = instance.size();
                match sizes.get(&instance.image) {
                    None => {
                        let problem = format!("no image has its id {}", instance.image);
                        return Err(wrong((problem, "add the image, or remove it")));
                    }
                    Some(&[h, w]) if [h, w] != [height, width] => {
                        let problem = format!(
                            "its mask is {height}x{width} (height x width), its image {h}x{w}"
                        );
                        return Err(wrong((problem, "bring it to the size of its image")));
                    }
                    Some(_) => {}
                }
            }
            found.entry(instance.image).or_default().push(instance);
        }
        Ok(found)
    }
}
