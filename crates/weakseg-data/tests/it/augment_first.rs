//! Changes at the image's own size, with figures worked out by hand.

use weakseg_data::augment::{GaussNoise, HorizontalFlip, Operation};
use weakseg_data::{Augment, AugmentStep, Plane, Scope, Stack};

fn always(operation: Operation) -> Augment {
    Augment {
        steps: vec![AugmentStep::of(1.0, operation)],
        ..Augment::default()
    }
}

#[test]
fn image_and_mask_are_changed_and_then_brought_to_the_size() {
    // Blocks of two by two have the means 25, 45, 105 and 125.
    let image = Plane::from_fn(4, 4, |y, x| (40 * y + 10 * x) as u8).into_stack();
    let mask = Stack::new(1, 2, 2, vec![1, 2, 3, 255]).unwrap();
    let flip = always(Operation::HorizontalFlip(HorizontalFlip::default()));
    let (image, mask) = flip
        .apply_then_resize(0, 0, 0, &image, Some(&mask), 2)
        .unwrap();
    assert_eq!(image.as_slice(), [45, 25, 125, 105]);
    assert_eq!(mask.unwrap().as_slice(), [2, 1, 255, 3]);
}

#[test]
fn an_image_of_the_size_already_is_changed_as_ever() {
    let image = Plane::from_fn(32, 32, |y, x| ((y * 7 + x * 13 + y * x) % 256) as u8).into_stack();
    let mask = image.map(|value| value % 3);
    for scope in Scope::ALL {
        let augment = Augment::scope(scope);
        for index in 0..5 {
            let now = augment.apply(1, 2, index, &image, Some(&mask)).unwrap();
            let first = augment.apply_then_resize(1, 2, index, &image, Some(&mask), 32);
            assert_eq!(first.unwrap(), now, "{scope}");
        }
    }
}

#[test]
fn noise_of_the_own_size_is_averaged() {
    let image = Stack::filled(1, 64, 64, 128_u8);
    let noise = always(Operation::GaussNoise(GaussNoise {
        variance: [100.0, 100.0],
    }));
    let variance = |image: Stack<u8>| {
        let squares = image
            .as_slice()
            .iter()
            .map(|&v| (f64::from(v) - 128.0).powi(2));
        squares.sum::<f64>() / image.as_slice().len() as f64
    };
    let (first, _) = noise.apply_then_resize(0, 0, 0, &image, None, 32).unwrap();
    let small = Stack::filled(1, 32, 32, 128_u8);
    let (now, _) = noise.apply(0, 0, 0, &small, None).unwrap();
    // The mean of four has a quarter of the variance; of 1024 pixels it is known to within 4 %.
    let (first, now) = (variance(first), variance(now));
    assert!((20.0..30.0).contains(&first), "{first}");
    assert!((80.0..120.0).contains(&now), "{now}");
}

#[test]
fn what_has_no_pixels_is_refused() {
    let none = Stack::filled(1, 0, 4, 0_u8);
    let some = Stack::filled(1, 4, 4, 0_u8);
    let augment = Augment::default();
    assert!(augment.apply_then_resize(0, 0, 0, &none, None, 2).is_err());
    let error = augment.apply_then_resize(0, 0, 0, &some, Some(&none), 2);
    assert!(error.unwrap_err().to_string().contains("mask to augment"));
}
