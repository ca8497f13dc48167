//! What `weakseg predict` prints of an image.

use serde::Serialize;
use weakseg::predict::Prediction;
use weakseg::report::colour;
use weakseg_data::Classes;

/// What is printed of an image.
#[derive(Serialize)]
pub struct Item<'a> {
    // Paths as text: a name that is none is shown as well as can be.
    pub image: String,
    pub id: String,
    pub masks: Vec<String>,
    pub overlay: Option<String>,
    pub seg: Option<String>,
    pub sc: Option<String>,
    pub npy: Option<String>,
    pub classes: Vec<Share<'a>>,
    /// Why a format that was asked for is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(Serialize)]
pub struct Share<'a> {
    pub class: &'a str,
    /// Of the image's pixels.
    pub share: f64,
    /// Of the image as a whole, where the model has a classifier.
    pub probability: Option<f32>,
}

/// How much of an image each class takes.
pub fn shares<'a>(classes: &'a Classes, prediction: &Prediction) -> Vec<Share<'a>> {
    let Classes { names, space } = classes;
    let share = |(class, name): (usize, &'a String)| {
        let region = prediction.mask.of_class(*space, class);
        let pixels = region.as_slice().iter().filter(|&&value| value == 1);
        Share {
            class: name,
            share: pixels.count() as f64 / region.len() as f64,
            probability: prediction.probabilities.as_ref().map(|p| p[class]),
        }
    };
    names.iter().enumerate().map(share).collect()
}

/// The classes that are found in an image, each with its colour.
pub fn found_in_colours(classes: &[Share<'_>]) -> String {
    let found = classes
        .iter()
        .enumerate()
        .filter(|(_, class)| class.share > 0.0);
    let found = found.map(|(number, Share { class, .. })| {
        format!(
            "{} {}",
            class.replace(char::is_control, " "),
            colour::css(colour::class(number))
        )
    });
    found.collect::<Vec<_>>().join(", ")
}
