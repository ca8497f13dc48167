//! [`Layer`]: what is laid over an image, as the page gets it.

use serde::Serialize;
use weakseg::pipeline::steps::Heat;
use weakseg::report::colour::{self, Rgb};
use weakseg::report::figures::base64;
use weakseg_data::{Classes, DataError, LabelSpace, Mask, Plane, Stack, encode_png};

/// Maps or masks of one case, each covering the whole image whatever its own size.
#[derive(Debug, Serialize)]
pub(crate) struct Layer {
    /// For programs: `cam`, `walked`, `pseudo-label`, `prediction`, `truth`, `scores`.
    name: &'static str,
    /// For people.
    title: &'static str,
    kind: Kind,
    /// Colour of each class, `#rrggbb`; of a mask. Where there is a single class the layers differ in colour, else the
    /// classes.
    colours: Vec<String>,
    planes: Vec<ClassPlane>,
}

/// What the values of a plane mean.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// 0 to 255 for 0 to 1.
    Heat,
    /// Of one class: 0 not there, 1 there, 255 void. Of no class: 0 background, `k + 1` class `k`, 255 void.
    Mask,
}

#[derive(Debug, Serialize)]
struct ClassPlane {
    class: Option<usize>,
    /// 8 bits, grey, in base 64.
    png: String,
}

impl Layer {
    /// That there is none of this case.
    pub(crate) fn none(name: &'static str, title: &'static str) -> Self {
        Self {
            name,
            title,
            kind: Kind::Heat,
            colours: Vec::new(),
            planes: Vec::new(),
        }
    }

    /// Class maps.
    pub(crate) fn heat(
        name: &'static str,
        title: &'static str,
        heat: &Heat,
    ) -> Result<Self, DataError> {
        let planes = heat.classes.iter().enumerate();
        let planes = planes.map(|(place, &class)| plane(Some(class), share(&heat.maps, place)));
        Ok(Self {
            name,
            title,
            kind: Kind::Heat,
            colours: Vec::new(),
            planes: planes.collect::<Result<_, _>>()?,
        })
    }

    /// Probabilities of a segmentation network: of every class, background left out.
    pub(crate) fn scores(classes: &Classes, scores: &Stack<f32>) -> Result<Self, DataError> {
        let background = scores.channels() - classes.len();
        let planes =
            (0..classes.len()).map(|class| plane(Some(class), share(scores, background + class)));
        Ok(Self {
            name: "scores",
            title: "probability",
            kind: Kind::Heat,
            colours: Vec::new(),
            planes: planes.collect::<Result<_, _>>()?,
        })
    }

    /// A mask; `single` is its colour where there is one class alone.
    pub(crate) fn mask(
        name: &'static str,
        title: &'static str,
        classes: &Classes,
        mask: &Mask,
        single: Rgb,
    ) -> Result<Self, DataError> {
        let class = |place: usize| match classes.space {
            LabelSpace::Findings => Some(place),
            LabelSpace::Exclusive => None,
        };
        let planes = (0..mask.planes.channels())
            .map(|place| plane(class(place), mask.planes.to_plane(place)));
        let colour = |class: usize| match classes.len() {
            1 => colour::css(single),
            _ => colour::css(colour::class(class)),
        };
        Ok(Self {
            name,
            title,
            kind: Kind::Mask,
            colours: (0..classes.len()).map(colour).collect(),
            planes: planes.collect::<Result<_, _>>()?,
        })
    }
}

/// Colour of what a segmentation network learnt from, beside [`colour::truth`] and that of its first class.
pub(crate) fn pseudo_label_colour() -> Rgb {
    colour::oklch(0.7, 0.17, 320.0)
}

/// A picture in base 64.
pub(crate) fn picture(pixels: &Stack<u8>) -> Result<String, DataError> {
    Ok(base64(&encode_png(pixels)?))
}

fn plane(class: Option<usize>, values: Plane<u8>) -> Result<ClassPlane, DataError> {
    Ok(ClassPlane {
        class,
        png: picture(&values.into_stack())?,
    })
}

/// Values of 0..=1 in 255 steps.
fn share(maps: &Stack<f32>, place: usize) -> Plane<u8> {
    maps.to_plane(place)
        .map(|&value| (255.0 * value).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_rounded_to_255_steps_and_no_number_is_none() {
        let maps = Stack::new(1, 1, 5, vec![0.0, 0.002, 0.5, 1.0, f32::NAN]).expect("a map");
        assert_eq!(share(&maps, 0).as_slice(), [0, 1, 128, 255, 0]);
    }

    #[test]
    fn layers_differ_in_colour_where_there_is_one_class() {
        let layer = |names: &[&str], space, planes: Stack<u8>| {
            let classes = Classes {
                names: names.iter().map(|&name| name.to_owned()).collect(),
                space,
            };
            let mask = Mask { planes };
            Layer::mask("truth", "truth", &classes, &mask, colour::truth()).expect("a layer")
        };
        let one = layer(&["a"], LabelSpace::Findings, Stack::filled(1, 2, 2, 1));
        assert_eq!(one.colours, [colour::css(colour::truth())]);
        assert_eq!(one.planes[0].class, Some(0));
        let two = layer(
            &["a", "b"],
            LabelSpace::Exclusive,
            Stack::filled(1, 2, 2, 2),
        );
        assert_eq!(two.colours, [0, 1].map(|k| colour::css(colour::class(k))));
        assert_eq!(two.planes[0].class, None);
    }
}
