//! Results laid over their image, at the image's own size.

use weakseg::report::colour;
use weakseg_data::{LabelSpace, Mask, Plane, Stack};

/// Three channels of a grey or colour image: grey three times.
pub fn rgb(image: &Stack<u8>) -> Stack<u8> {
    if image.channels() == 3 {
        return image.clone();
    }
    let grey = image.plane(0);
    Stack::new(3, image.height(), image.width(), grey.repeat(3)).expect("three planes of one size")
}

/// The regions of a mask, tinted in the colour of their class and outlined.
pub fn mask(image: &Stack<u8>, mask: &Mask, space: LabelSpace, classes: usize) -> Stack<u8> {
    let mut picture = rgb(image);
    for class in 0..classes {
        let region = mask.of_class(space, class);
        for y in 0..region.height() {
            for x in 0..region.width() {
                if region.get(y, x) == 1 {
                    let share = if on_border(&region, y, x) { 1.0 } else { 0.38 };
                    mix(
                        &mut picture,
                        y * region.width() + x,
                        colour::class(class),
                        share,
                    );
                }
            }
        }
    }
    picture
}

/// A map of 0..=1 as heat: the hotter, the less of the image shows through.
pub fn heat(image: &Stack<u8>, map: &Plane<f32>) -> Stack<u8> {
    let mut picture = rgb(image);
    for (at, &value) in map.as_slice().iter().enumerate() {
        mix(
            &mut picture,
            at,
            colour::heat(value),
            0.25 + 0.5 * value.clamp(0.0, 1.0),
        );
    }
    picture
}

fn on_border(region: &Plane<u8>, y: usize, x: usize) -> bool {
    let inside =
        |y: usize, x: usize| y < region.height() && x < region.width() && region.get(y, x) == 1;
    // A wrapped `y - 1` lies outside as any other.
    !(inside(y.wrapping_sub(1), x)
        && inside(y + 1, x)
        && inside(y, x.wrapping_sub(1))
        && inside(y, x + 1))
}

fn mix(picture: &mut Stack<u8>, at: usize, colour: [u8; 3], share: f32) {
    for (channel, value) in colour.into_iter().enumerate() {
        let pixel = &mut picture.plane_mut(channel)[at];
        *pixel = (f32::from(*pixel) * (1.0 - share) + f32::from(value) * share).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_outlined_and_tinted_and_the_rest_left_alone() {
        let image = Stack::filled(1, 5, 5, 100u8);
        let square = Plane::from_fn(5, 5, |y, x| {
            u8::from((1..4).contains(&y) && (1..4).contains(&x))
        });
        let picture = mask(
            &image,
            &Mask {
                planes: square.into_stack(),
            },
            LabelSpace::Findings,
            1,
        );
        let pixel = |at: usize| [0, 1, 2].map(|c| picture.plane(c)[at]);
        assert_eq!(pixel(0), [100; 3]);
        assert_eq!(pixel(6), colour::class(0));
        assert!(pixel(12) != [100; 3] && pixel(12) != colour::class(0));
    }

    #[test]
    fn heat_hides_more_of_the_image_where_it_is_hotter() {
        let image = Stack::filled(3, 1, 2, 255u8);
        let map = Plane::new(1, 2, vec![0.0, 1.0]).expect("two values");
        let picture = heat(&image, &map);
        assert_ne!(picture.plane(0)[0], picture.plane(0)[1]);
        assert_eq!((picture.channels(), picture.width()), (3, 2));
    }
}
