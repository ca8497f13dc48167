//! Random changes: alike for image and mask, and a function of their address alone.

use serde_json::{Value, json};
use weakseg_data::augment::{Elastic, Operation, OpticalDistortion, RandomCrop};
use weakseg_data::{Augment, AugmentStep, Plane, Scope, Stack};

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
    let strong = Augment::scope(Scope::Strong);
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

/// Always, and nothing else.
fn only(operation: Operation) -> Augment {
    Augment {
        steps: vec![AugmentStep::of(1.0, operation)],
        ..Augment::default()
    }
}

#[test]
fn distortions_of_nothing_are_nothing() {
    let image = picture(20, 30);
    let still = [
        Operation::Elastic(Elastic {
            alpha: 0.0,
            affine: 0.0,
            ..Elastic::default()
        }),
        Operation::OpticalDistortion(OpticalDistortion { distort: 0.0 }),
        Operation::RandomCrop(RandomCrop { scale: [1.0, 1.0] }),
    ];
    for operation in still {
        let (same, mask) = only(operation)
            .apply(0, 0, 0, &image, Some(&image))
            .unwrap();
        assert_eq!((same, mask), (image.clone(), Some(image.clone())));
    }
}

#[test]
fn masks_stay_under_their_image_whatever_bends_it() {
    let disc = |value: u8| {
        Plane::from_fn(96, 96, |y, x| {
            let (dy, dx) = (y as f64 - 40.0, x as f64 - 50.0);
            if dy * dy + dx * dx < 900.0 { value } else { 0 }
        })
        .into_stack()
    };
    let bends = [
        Operation::Elastic(Elastic {
            alpha: 60.0,
            side: 0.0,
            ..Elastic::default()
        }),
        Operation::OpticalDistortion(OpticalDistortion::default()),
        Operation::RandomCrop(RandomCrop::default()),
    ];
    for operation in bends {
        let bend = only(operation);
        for index in 0..10 {
            let (image, mask) = bend.apply(3, 0, index, &disc(200), Some(&disc(2))).unwrap();
            let mask = mask.unwrap();
            assert!(mask.as_slice().iter().all(|v| [0, 2, 255].contains(v)));
            let pairs = image.as_slice().iter().zip(mask.as_slice());
            let agree = pairs
                // Padding is the mean grey in the image and void in the mask.
                .filter(|(image, mask)| match **mask {
                    255 => **image == 115,
                    mask => (**image > 100) == (mask == 2),
                })
                .count();
            assert!(agree * 1000 >= 96 * 96 * 985, "{agree}");
        }
    }
}

/// Reference §7, and of the paper its list of operations; what neither states is ours.
#[test]
fn scopes_hold_what_the_reference_and_the_paper_list() {
    let step = |p: f64, one_of: Value| json!({ "p": p, "one_of": one_of });
    let flip = step(0.5, json!([{ "kind": "horizontal-flip" }]));
    let brightness = json!({ "kind": "brightness-contrast", "brightness": 0.2, "contrast": 0.2 });
    let gamma = json!({ "kind": "gamma", "gamma": [0.8, 1.2] });
    let strong = [
        flip.clone(),
        step(
            0.4,
            json!([{ "kind": "shift-scale-rotate", "shift": 0.0, "scale": 0.2, "rotate": 30.0 }]),
        ),
        // Ours: `side`, VOC's longer one.
        step(
            0.5,
            json!([{ "kind": "elastic", "alpha": 1.0, "sigma": 50.0, "affine": 50.0, "side": 500.0 }]),
        ),
        step(
            0.5,
            json!([{ "kind": "gauss-noise", "variance": [10.0, 50.0] }]),
        ),
        step(
            0.5,
            json!([
                { "kind": "clahe", "clip": [1.0, 2.0], "tiles": 8 },
                { "kind": "sharpen", "alpha": [0.2, 0.5], "lightness": [0.5, 1.0] },
                brightness,
                gamma,
                { "kind": "median-blur", "size": [3, 7] },
            ]),
        ),
        step(
            0.5,
            json!([
                { "kind": "rgb-shift", "red": 20.0, "green": 20.0, "blue": 20.0 },
                { "kind": "hue-saturation-value", "hue": 20.0, "saturation": 30.0, "value": 20.0 },
            ]),
        ),
    ];
    let pneumothorax = [
        flip.clone(),
        step(0.3, json!([brightness, gamma])),
        // Ours: `side`, that of the set's images.
        step(
            0.3,
            json!([
                { "kind": "elastic", "alpha": 120.0, "sigma": 6.0, "affine": 3.6, "side": 1024.0 },
                { "kind": "optical-distortion", "distort": 2.0 },
            ]),
        ),
    ];
    // Ours: chances, and ranges of all but the two changes of tone.
    let paper = [
        flip.clone(),
        step(
            0.5,
            json!([{ "kind": "shift-scale-rotate", "shift": 0.05, "scale": 0.15, "rotate": 10.0 }]),
        ),
        step(0.5, json!([brightness, gamma])),
        step(
            0.2,
            json!([{ "kind": "gaussian-blur", "sigma": [0.3, 1.2] }]),
        ),
    ];
    // §1.6: the long side to 320..640, which is 0.625 to 1.25 of 512; §4.5: 0.5 to 1.5.
    let crop = |scale: [f64; 2]| {
        let crop = json!([{ "kind": "random-crop", "scale": scale }]);
        vec![flip.clone(), step(1.0, crop)]
    };
    for (scope, expected) in [
        (Scope::None, Vec::new()),
        (Scope::Weak, vec![flip.clone()]),
        (Scope::HorizontalFlip, vec![flip.clone()]),
        (Scope::Strong, strong.to_vec()),
        (Scope::Pneumothorax, pneumothorax.to_vec()),
        (Scope::PaperXray, paper.to_vec()),
        (Scope::IrnCam, crop([320.0 / 512.0, 640.0 / 512.0])),
        (Scope::Irn, crop([0.5, 1.5])),
    ] {
        let steps = serde_json::to_value(scope.steps()).unwrap();
        assert_eq!(steps, Value::Array(expected), "{scope}");
    }
}

#[test]
fn every_scope_works_on_every_image_and_gives_the_same_on_any_number_of_threads() {
    use rayon::prelude::*;
    let images = [
        picture(40, 24),
        picture(1, 1),
        picture(3, 50),
        picture(33, 33),
    ];
    for scope in Scope::ALL {
        let augment = Augment::scope(scope);
        augment.check().unwrap();
        for channels in [1, 3] {
            let batch = |threads: usize| -> Vec<_> {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| {
                    let all = (0..24_usize).into_par_iter().map(|index| {
                        let image = &images[index % images.len()];
                        let planes: Vec<Plane<u8>> =
                            (0..channels).map(|c| image.to_plane(c)).collect();
                        let image = Stack::from_planes(&planes).unwrap();
                        augment
                            .apply(7, 1, index as u64, &image, Some(&image))
                            .unwrap()
                    });
                    all.collect()
                })
            };
            let one = batch(1);
            assert_eq!(one, batch(8), "{scope}");
            for (index, (image, mask)) in one.iter().enumerate() {
                let (height, width) = (images[index % 4].height(), images[index % 4].width());
                assert_eq!((image.height(), image.width()), (height, width));
                assert_eq!(mask.as_ref().map(Stack::channels), Some(channels));
            }
        }
    }
}

#[test]
fn a_scope_is_spelled_out_to_the_same() {
    let image = picture(16, 16);
    for scope in Scope::ALL {
        let named = Augment::scope(scope);
        let spelled = named.clone().spelled_out();
        assert_eq!((spelled.scope, &spelled.steps), (None, &scope.steps()));
        let text = toml::to_string(&spelled).unwrap();
        let read: Augment = toml::from_str(&text).unwrap();
        for index in 0..5 {
            let of = |augment: &Augment| augment.apply(1, 0, index, &image, None).unwrap();
            assert_eq!(of(&named), of(&read));
        }
    }
}

#[test]
fn settings_are_read_as_they_are_written() {
    let read = |text: &str| toml::from_str::<Augment>(text).map_err(|e| e.to_string());
    let old = read("hflip = 0.5\naffine = 0.3\nshift = 0.05\nscale = 0.1\nrotate = 8.0").unwrap();
    assert_eq!((old.hflip, old.rotate), (0.5, 8.0));
    assert_eq!(
        read("scope = \"pneumothorax\"").unwrap(),
        Augment::scope(Scope::Pneumothorax)
    );
    assert_eq!(
        read("scope = \"horizontal_flip\"").unwrap(),
        Augment::scope(Scope::HorizontalFlip)
    );
    let own = read(
        "steps = [{ p = 0.5, one_of = [{ kind = \"clahe\", clip = [1.0, 3.0] }, { kind = \"gamma\" }] }]",
    );
    assert_eq!(own.unwrap().list()[0].one_of.len(), 2);
    let wrong =
        read("steps = [{ p = 0.5, one_of = [{ kind = \"clahe\", clap = 1.0 }] }]").unwrap_err();
    assert!(wrong.contains("clap") && wrong.contains("clip"), "{wrong}");
    let unknown = read("scope = \"heavy\"").unwrap_err();
    assert!(unknown.contains("pneumothorax"), "{unknown}");
}

#[test]
fn settings_out_of_range_and_sizes_that_differ_are_errors() {
    let bad = |change: fn(&mut Augment), key: &str| {
        let mut augment = Augment::default();
        change(&mut augment);
        let message = augment.check().unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    };
    bad(|a| a.hflip = 1.5, "augment.hflip");
    bad(|a| a.scale = 1.0, "augment.scale");
    bad(|a| a.rotate = f64::NAN, "augment.rotate");
    bad(|a| a.blur_sigma = [2.0, 1.0], "augment.blur_sigma");
    bad(
        |a| (a.scope, a.hflip) = (Some(Scope::Weak), 0.5),
        "scope = \"weak\" and keys",
    );
    bad(
        |a| {
            a.steps = vec![AugmentStep {
                p: 0.5,
                one_of: Vec::new(),
            }]
        },
        "one_of",
    );
    let elastic = only(Operation::Elastic(Elastic {
        sigma: 0.0,
        ..Elastic::default()
    }));
    let message = elastic.check().unwrap_err().to_string();
    assert!(
        message.starts_with("augment.steps[0].one_of[0].sigma is 0"),
        "{message}"
    );
    let (image, mask) = (picture(4, 4), picture(4, 5));
    assert!(
        Augment::scope(Scope::Weak)
            .apply(0, 0, 0, &image, Some(&mask))
            .is_err()
    );
}

#[test]
fn errors_of_steps_name_keys_that_stand_in_the_file() {
    for (operation, key, value) in [
        ("gaussian-blur", "sigma", "[2.0, 1.0]"),
        ("gauss-noise", "variance", "[-1.0, 1.0]"),
        ("shift-scale-rotate", "rotate", "200.0"),
        ("brightness-contrast", "contrast", "1.5"),
        ("gamma", "gamma", "[0.0, 1.0]"),
        ("hue-saturation-value", "hue", "181.0"),
        ("median-blur", "size", "[3, 4]"),
    ] {
        let text = format!(
            "steps = [{{ p = 1.0, one_of = [{{ kind = \"horizontal-flip\" }}] }}, \
             {{ p = 1.0, one_of = [{{ kind = \"clahe\" }}, {{ kind = \"{operation}\", {key} = {value} }}] }}]"
        );
        let augment: Augment = toml::from_str(&text).unwrap();
        let message = augment.check().unwrap_err().to_string();
        let expected = format!("augment.steps[1].one_of[1].{key} is ");
        assert!(message.starts_with(&expected), "{message}");
    }
    let chance: Augment = toml::from_str("steps = [{ p = 2.0, one_of = [] }]").unwrap();
    let message = chance.check().unwrap_err().to_string();
    assert!(message.starts_with("augment.steps[0].p is 2"), "{message}");
    let keys = Augment {
        noise_variance: [3.0, 1.0],
        ..Augment::default()
    };
    let message = keys.check().unwrap_err().to_string();
    assert!(
        message.starts_with("augment.noise_variance is [3, 1]"),
        "{message}"
    );
}
