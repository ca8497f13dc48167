//! Scores of instances that anybody found: two files of COCO's JSON.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use weakseg::instance::{Instance, Region};
use weakseg::metrics::{Bootstrap, InstanceScores, TrueInstance};
use weakseg::pipeline::precision_of;
use weakseg::report::{ImageLabels, InstanceFigures};
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
/// Images and categories of a document are told by their names, as their numbers are each document's own; those of a list
/// of results by their numbers, as it has nothing else. An image that a document lists without an instance is one where
/// nothing was found; a list of results has nothing found in every image that it does not mention.
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
    let names: Vec<String> = head.categories.iter().map(|c| c.name.clone()).collect();
    let mut scores = InstanceScores::new(names.len(), IOU)?;
    let mut missing = Vec::new();
    for image in &head.images {
        let Some(number) = numbers.image(image) else {
            missing.push(image.name().to_owned());
            continue;
        };
        let of = |file: &'_ CocoFile, id| file.instances.get(id).cloned().unwrap_or_default();
        let objects = true_instances(image, &of(&known, &image.id), head, &limits)
            .with_context(|| truth.display().to_string())?;
        let instances = instances(image, &of(&found, &number), &numbers)
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

/// What the numbers of the predictions mean.
struct Numbers<'a> {
    /// Numbers of images by name; `None` if they are those of the truth.
    images: Option<HashMap<&'a str, u64>>,
    /// Classes by the numbers of categories.
    classes: BTreeMap<u64, usize>,
}

impl<'a> Numbers<'a> {
    fn of(truth: &CocoHead, pred: Option<&'a CocoHead>, path: &Path) -> Result<Self> {
        let Some(pred) = pred else {
            let categories = truth.categories.iter().enumerate();
            return Ok(Self {
                images: None,
                classes: categories.map(|(class, c)| (c.id, class)).collect(),
            });
        };
        let class_of = |category: &CocoCategory| {
            let same = |known: &CocoCategory| known.name == category.name;
            match truth.categories.iter().position(same) {
                Some(class) => Ok((category.id, class)),
                None => bail!(
                    "{}: the category `{}` is not in the truth; remove it and its annotations, or correct its name",
                    path.display(),
                    category.name
                ),
            }
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
        let known: Vec<u64> = truth.images.iter().filter_map(|i| self.image(i)).collect();
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
    head: &CocoHead,
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
    let of_class = |object: &CocoInstance| {
        let mut categories = head.categories.iter();
        let class = categories.position(|category| category.id == object.category);
        TrueInstance {
            class: class.expect("categories were checked when the file was read"),
            mask: object.mask(),
        }
    };
    Ok(objects.iter().map(of_class).collect())
}

fn instances(
    image: &CocoImage,
    found: &[CocoInstance],
    numbers: &Numbers<'_>,
) -> Result<Vec<Instance>> {
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
        Ok(Instance {
            class,
            score,
            region: Region::of(&one.mask()).context("a mask with a pixel is a region")?,
        })
    };
    found.iter().map(instance).collect()
}
