//! Scores of instances that anybody found: two files of COCO's JSON.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use weakseg::instance::{Instance, Region};
use weakseg::metrics::{Bootstrap, InstanceScores, TrueInstance};
use weakseg::report::{ImageLabels, InstanceFigures};
use weakseg::scoring::precision_of;
use weakseg_data::coco::{CocoCategory, CocoFile, CocoHead, CocoImage, CocoInstance};
use weakseg_data::{Limits, Split};

/// Least intersection over union of an instance with the object it finds.
const IOU: f64 = 0.5;

/// Figures of instances, and what could not be compared.
pub struct Scores {
    /// The figures, as those of a held-out split without image-level labels.
    pub figures: InstanceFigures,
    /// Names of images with known objects that the predictions do not speak of.
    pub missing: Vec<String>,
    /// Number of images of the predictions that the truth does not speak of.
    pub extra: usize,
}

/// Scores the instances of one file by those of another.
///
/// Images and categories of a document are told by their names, as their numbers are each document's own; those of a
/// list of results by their numbers, as it has nothing else. An image that a document lists without an instance is one
/// where nothing was found; a list of results has nothing found in every image that it does not mention.
///
/// # Errors
/// With the path, when a file cannot be read, the two have no image in common, or an instance has no score, a category
/// that the truth has not, or another size than its image.
pub fn score_instances(pred: &Path, truth: &Path, bootstrap: &Bootstrap) -> Result<Scores> {
    let limits = Limits::default();
    let known = CocoFile::read(truth, &limits)?;
    let Some(head) = &known.head else {
        bail!(
            "{}: a list of results; expected a document of true instances with `images` and `categories`",
            truth.display()
        );
    };
    let found = CocoFile::read(pred, &limits)?;
    let numbers = Numbers::of(head, found.head.as_ref(), pred)?;
    let classes = classes_of(head);
    let names: Vec<String> = head.categories.iter().map(|c| c.name.clone()).collect();
    let mut scores = InstanceScores::new(names.len(), IOU)?;
    let mut missing = Vec::new();
    for image in &head.images {
        let Some(number) = numbers.image(image) else {
            missing.push(image.name().to_owned());
            continue;
        };
        let objects = true_instances(image, of_image(&known, image.id), &classes, &limits)
            .with_context(|| truth.display().to_string())?;
        let instances = instances(image, of_image(&found, number), &numbers, &limits)
            .with_context(|| pred.display().to_string())?;
        scores
            .add(&instances, &objects)
            .with_context(|| format!("{}: image `{}`", pred.display(), image.name()))?;
    }
    if scores.images() == 0 {
        bail!(
            "{}: no image of {} is in it (for example `{}`); name images as their truth",
            pred.display(),
            truth.display(),
            missing.first().map_or("", String::as_str)
        );
    }
    let (split, labels) = (Split::Test, ImageLabels::None);
    let Some(result) = precision_of(split, labels, &names, &scores, bootstrap) else {
        bail!(
            "{}: no object in any of its images; there is nothing to score by",
            truth.display()
        );
    };
    Ok(Scores {
        figures: InstanceFigures {
            iou: IOU,
            results: vec![result],
        },
        missing,
        extra: numbers.extra(&found, head),
    })
}

/// The instances of an image, by its number in the file.
fn of_image(file: &CocoFile, number: u64) -> &[CocoInstance] {
    file.instances.get(&number).map_or(&[], Vec::as_slice)
}

/// The classes of a document by the numbers of its categories.
fn classes_of(head: &CocoHead) -> HashMap<u64, usize> {
    let categories = head.categories.iter().enumerate();
    categories.map(|(class, c)| (c.id, class)).collect()
}

/// What the numbers of the predictions mean.
struct Numbers<'a> {
    /// Numbers of images by name; `None` if they are those of the truth.
    images: Option<HashMap<&'a str, u64>>,
    /// Classes by the numbers of categories.
    classes: HashMap<u64, usize>,
}

impl<'a> Numbers<'a> {
    fn of(truth: &CocoHead, pred: Option<&'a CocoHead>, path: &Path) -> Result<Self> {
        let Some(pred) = pred else {
            return Ok(Self {
                images: None,
                classes: classes_of(truth),
            });
        };
        let known = truth.categories.iter().enumerate();
        let known: HashMap<&str, usize> =
            known.map(|(class, c)| (c.name.as_str(), class)).collect();
        let class_of = |category: &CocoCategory| match known.get(category.name.as_str()) {
            Some(&class) => Ok((category.id, class)),
            None => bail!(
                "{}: the category `{}` is not in the truth; remove it and its annotations, or correct its name",
                path.display(),
                category.name
            ),
        };
        Ok(Self {
            images: Some(pred.images.iter().map(|i| (i.name(), i.id)).collect()),
            classes: pred
                .categories
                .iter()
                .map(class_of)
                .collect::<Result<_>>()?,
        })
    }

    /// The number that the predictions give an image of the truth; none if they do not speak of it.
    fn image(&self, image: &CocoImage) -> Option<u64> {
        match &self.images {
            None => Some(image.id),
            Some(images) => images.get(image.name()).copied(),
        }
    }

    /// How many images of the predictions the truth does not speak of.
    fn extra(&self, found: &CocoFile, truth: &CocoHead) -> usize {
        let known: HashSet<u64> = truth.images.iter().filter_map(|i| self.image(i)).collect();
        match &self.images {
            Some(images) => images.len() - known.len(),
            None => found
                .instances
                .keys()
                .filter(|id| !known.contains(id))
                .count(),
        }
    }
}

fn true_instances(
    image: &CocoImage,
    objects: &[CocoInstance],
    classes: &HashMap<u64, usize>,
    limits: &Limits,
) -> Result<Vec<TrueInstance>> {
    let factors = [image.height, image.width, objects.len()];
    let bytes = factors
        .map(|n| n as u64)
        .into_iter()
        .fold(1, u64::saturating_mul);
    ensure!(
        bytes <= limits.max_bytes,
        "the masks of the {} objects of image `{}` take {bytes} bytes, the limit is {}; cut the image into parts",
        objects.len(),
        image.name(),
        limits.max_bytes
    );
    let with_class = |object: &CocoInstance| TrueInstance {
        // Its category was checked when the file was read.
        class: classes[&object.category],
        mask: object.mask(),
    };
    Ok(objects.iter().map(with_class).collect())
}

fn instances(
    image: &CocoImage,
    found: &[CocoInstance],
    numbers: &Numbers<'_>,
    limits: &Limits,
) -> Result<Vec<Instance>> {
    // Each is kept as the box around its pixels.
    let mut bytes = 0;
    let instance = |one: &CocoInstance| {
        let name = image.name();
        let Some(&class) = numbers.classes.get(&one.category) else {
            bail!(
                "an instance of image `{name}` has the category {}, which the truth has not",
                one.category
            );
        };
        let Some(score) = one.score else {
            bail!(
                "an instance of image `{name}` has no score; give each one, they rank the instances"
            );
        };
        let [height, width] = one.size();
        ensure!(
            [height, width] == [image.height, image.width],
            "an instance of image `{name}` is {height}x{width} (height x width), the image is {}x{}; bring it to that size",
            image.height,
            image.width
        );
        let region = Region::of(&one.mask()).context("a mask with a pixel is a region")?;
        bytes += region.mask().len() as u64;
        ensure!(
            bytes <= limits.max_bytes,
            "the masks of the {} instances of image `{name}` take more than {} bytes, which is the limit; leave those of \
             low scores out",
            found.len(),
            limits.max_bytes
        );
        Ok(Instance {
            class,
            score,
            region,
        })
    };
    found.iter().map(instance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_take_the_boxes_around_them_and_no_more_than_is_allowed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("found.json");
        // The first column of an image of 4 x 5, and twice all of it.
        let results = ["0, 4, 16", "0, 20", "0, 20"].map(|counts| {
            format!(
                "{{\"image_id\": 1, \"category_id\": 7, \"score\": 1, \
                 \"segmentation\": {{\"size\": [4, 5], \"counts\": [{counts}]}}}}"
            )
        });
        std::fs::write(&path, format!("[{}]", results.join(","))).expect("written");
        let file = CocoFile::read(&path, &Limits::default()).expect("results");
        let image = CocoImage {
            id: 1,
            file_name: "a.png".to_owned(),
            height: 4,
            width: 5,
        };
        let numbers = Numbers {
            images: None,
            classes: HashMap::from([(7, 0)]),
        };
        let of = |max_bytes| {
            let limits = Limits {
                max_bytes,
                ..Limits::default()
            };
            instances(&image, of_image(&file, 1), &numbers, &limits)
        };
        assert_eq!(of(44).expect("4 + 20 + 20 bytes").len(), 3);
        let text = of(43).expect_err("one more").to_string();
        assert!(
            text.contains("the 3 instances of image `a` take more than 43 bytes"),
            "{text}"
        );
    }
}
