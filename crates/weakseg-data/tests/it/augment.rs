//! Random changes: alike for image and mask, and a function of their address alone.

use weakseg_data::{Augment, Plane, Stack};

fn picture(height: usize, width: usize) -> Stack<u8> {
    Stack::from_planes(&[0, 1, 2].map(|c| {
        Plane::from_fn(height, width, |y, x| {
            ((y * 31 + x * 17 + y * x + c * 50) % 256) as u8
        })
    }))
    .unwrap()
}

#[test]
fn nothing_happens_by_default() {
    let image = picture(9, 7);
    let (same, mask) = Augment::default()
        .apply(1, 2, 3, &image, Some(&image))
        .unwrap();
    assert_eq!(same, image);
    assert_eq!(mask, Some(image));
}

#[test]
fn moves_of_nothing_are_nothing() {
    let image = picture(8, 8);
    let still = Augment {
        affine: 1.0,
        tone: 1.0,
        ..Augment::default()
    };
    for index in 0..4 {
        let (same, mask) = still.apply(0, 0, index, &image, Some(&image)).unwrap();
        assert_eq!((same, mask), (image.clone(), Some(image.clone())));
    }
}

#[test]
fn image_and_mask_are_mirrored_together_and_exactly() {
    let image = picture(5, 6);
    let mirror = Augment {
        hflip: 1.0,
        ..Augment::default()
    };
    let (flipped, mask) = mirror.apply(0, 0, 0, &image, Some(&image)).unwrap();
    assert_eq!(Some(&flipped), mask.as_ref());
    for c in 0..3 {
        for y in 0..5 {
            for x in 0..6 {
                assert_eq!(flipped.plane(c)[y * 6 + x], image.plane(c)[y * 6 + 5 - x]);
            }
        }
    }
}

#[test]
fn an_outcome_is_a_function_of_its_address() {
    let image = picture(32, 24);
    let strong = Augment::strong();
    let of = |seed, epoch, index| strong.apply(seed, epoch, index, &image, None).unwrap().0;
    assert_eq!(of(1, 2, 3), of(1, 2, 3));
    let kinds: std::collections::BTreeSet<_> =
        (0..20).map(|index| of(1, 2, index).into_vec()).collect();
    assert!(kinds.len() >= 15, "{}", kinds.len());
    assert_ne!(of(1, 0, 7), of(2, 0, 7));
    assert_ne!(of(1, 0, 7), of(1, 1, 7));
}

#[test]
fn masks_gain_no_values_and_stay_under_their_image() {
    // A bright square on black, its mask where it is bright: after any warp they must still coincide.
    let square = |value: u8| {
        Plane::from_fn(64, 48, |y, x| {
            if (20..40).contains(&y) && (10..30).contains(&x) {
                value
            } else {
                0
            }
        })
        .into_stack()
    };
    let moves = Augment {
        hflip: 0.5,
        affine: 1.0,
        shift: 0.1,
        scale: 0.2,
        rotate: 30.0,
        ..Augment::default()
    };
    for index in 0..30 {
        let (image, mask) = moves
            .apply(5, 0, index, &square(200), Some(&square(3)))
            .unwrap();
        let mask = mask.unwrap();
        assert!(mask.as_slice().iter().all(|v| [0, 3].contains(v)));
        let agree = image
            .as_slice()
            .iter()
            .zip(mask.as_slice())
            .filter(|(image, mask)| (**image > 100) == (**mask == 3))
            .count();
        assert!(agree * 1000 >= 64 * 48 * 985, "{agree}");
    }
}

#[test]
fn noise_has_its_variance() {
    let flat = Stack::filled(1, 200, 200, 128_u8);
    let noisy = Augment {
        noise: 1.0,
        noise_variance: [30.0, 30.0],
        ..Augment::default()
    };
    let (image, _) = noisy.apply(0, 0, 0, &flat, None).unwrap();
    let squares: f64 = image
        .as_slice()
        .iter()
        .map(|&v| (f64::from(v) - 128.0).powi(2))
        .sum();
    // Rounding to whole grey values adds 1/12.
    let variance = squares / 40_000.0 - 1.0 / 12.0;
    assert!((variance - 30.0).abs() < 1.0, "{variance}");
}

#[test]
fn settings_out_of_range_and_sizes_that_differ_are_errors() {
    assert!(Augment::strong().check().is_ok() && Augment::xray().check().is_ok());
    let bad = |change: fn(&mut Augment), key: &str| {
        let mut augment = Augment::weak();
        change(&mut augment);
        let message = augment.check().unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    };
    bad(|a| a.hflip = 1.5, "augment.hflip");
    bad(|a| a.scale = 1.0, "augment.scale");
    bad(|a| a.rotate = f64::NAN, "augment.rotate");
    bad(|a| a.blur_sigma = [2.0, 1.0], "augment.blur_sigma");
    let (image, mask) = (picture(4, 4), picture(4, 5));
    assert!(Augment::weak().apply(0, 0, 0, &image, Some(&mask)).is_err());
}
