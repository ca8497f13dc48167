//! Resizing as PyTorch, Pillow and OpenCV do it; numbers by `tests/oracle/resize.py`.

use serde::Deserialize;
use weakseg_data::resize::{Filter, resize_f32, resize_nearest, resize_u8};
use weakseg_data::{Plane, Stack};

#[derive(Deserialize)]
struct Oracle {
    image_height: usize,
    image_width: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    height: usize,
    width: usize,
    torch_bilinear: Vec<f32>,
    pillow_bilinear: Vec<u8>,
    pillow_bicubic: Vec<u8>,
    pillow_nearest: Vec<u8>,
    opencv_area: Option<Vec<u8>>,
}

fn oracle() -> (Stack<u8>, Vec<Case>) {
    let oracle: Oracle = serde_json::from_str(include_str!("../oracle/resize.json")).unwrap();
    let width = oracle.image_width;
    let image = Plane::from_fn(oracle.image_height, width, |y, x| {
        let at = y * width + x;
        ((at * at * 7 + at * 31) % 256) as u8
    });
    (image.into_stack(), oracle.cases)
}

/// Greatest difference in grey values.
fn difference(got: &Stack<u8>, expected: &[u8]) -> u8 {
    assert_eq!(got.as_slice().len(), expected.len());
    let pairs = got.as_slice().iter().zip(expected);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn maps_agree_with_pytorch() {
    let (image, cases) = oracle();
    let maps = image.map(|&value| f32::from(value) / 16.0 - 4.0);
    for case in cases {
        let got = resize_f32(&maps, case.height, case.width);
        for (a, b) in got.as_slice().iter().zip(&case.torch_bilinear) {
            // Values reach 12; PyTorch sums the four products in another order.
            assert!(
                (a - b).abs() <= 2e-6,
                "{}x{}: {a} {b}",
                case.height,
                case.width
            );
        }
    }
}

#[test]
fn images_agree_with_pillow_and_opencv() {
    let (image, cases) = oracle();
    for case in cases {
        let (height, width) = (case.height, case.width);
        let resized = |filter| resize_u8(&image, height, width, filter);
        // Pillow weighs in fixed point, so a value next to one half may round the other way.
        assert!(
            difference(&resized(Filter::Bilinear), &case.pillow_bilinear) <= 1,
            "{height}x{width}"
        );
        assert!(
            difference(&resized(Filter::Bicubic), &case.pillow_bicubic) <= 1,
            "{height}x{width}"
        );
        assert_eq!(resized(Filter::Nearest).as_slice(), case.pillow_nearest);
        let nearest = resize_nearest(&image.to_plane(0), height, width);
        assert_eq!(nearest.as_slice(), case.pillow_nearest);
        if let Some(area) = &case.opencv_area {
            assert!(
                difference(&resized(Filter::Area), area) <= 1,
                "{height}x{width}"
            );
        }
    }
}

#[test]
fn channels_are_resized_each_for_itself() {
    let (image, _) = oracle();
    let (plane, inverse) = (image.to_plane(0), image.to_plane(0).map(|&v| 255 - v));
    let both = Stack::from_planes(&[plane.clone(), inverse.clone()]).unwrap();
    for filter in [
        Filter::Area,
        Filter::Bilinear,
        Filter::Bicubic,
        Filter::Nearest,
    ] {
        let got = resize_u8(&both, 7, 20, filter);
        assert_eq!(
            got.plane(0),
            resize_u8(&plane.clone().into_stack(), 7, 20, filter).as_slice()
        );
        assert_eq!(
            got.plane(1),
            resize_u8(&inverse.clone().into_stack(), 7, 20, filter).as_slice()
        );
    }
}
