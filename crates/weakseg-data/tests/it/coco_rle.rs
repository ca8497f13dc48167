//! Run lengths as pycocotools writes them; texts by `tests/oracle/coco_rle.py`.

use serde::Deserialize;
use weakseg_data::Plane;
use weakseg_data::rle::coco;

#[derive(Deserialize)]
struct Oracle {
    rules: Vec<Ruled>,
    boxes: Vec<Boxed>,
}

#[derive(Deserialize)]
struct Ruled {
    size: [usize; 2],
    rule: [usize; 4],
    text: String,
    area: usize,
}

#[derive(Deserialize)]
struct Boxed {
    size: [usize; 2],
    rectangles: Vec<[usize; 4]>,
    text: String,
    area: usize,
}

fn check(mask: &Plane<u8>, text: &str, area: usize) {
    assert_eq!(coco::encode(mask), text);
    let inside: u64 = coco::counts(mask).iter().skip(1).step_by(2).sum();
    assert_eq!(inside, area as u64);
    let read = coco::decode(text, mask.height(), mask.width()).unwrap();
    assert_eq!(&read, mask);
}

#[test]
fn texts_are_those_of_pycocotools() {
    let oracle: Oracle = serde_json::from_str(include_str!("../oracle/coco_rle.json")).unwrap();
    for Ruled {
        size: [height, width],
        rule: [a, b, m, t],
        text,
        area,
    } in &oracle.rules
    {
        let inside = |y, x| u8::from((y * a + x * b + y * x) % m < *t);
        check(&Plane::from_fn(*height, *width, inside), text, *area);
    }
    for case in &oracle.boxes {
        let mut mask = Plane::filled(case.size[0], case.size[1], 0);
        for &[top, left, bottom, right] in &case.rectangles {
            for y in top..bottom {
                for x in left..right {
                    mask.set(y, x, 1);
                }
            }
        }
        check(&mask, &case.text, case.area);
    }
    assert!(oracle.rules.len() > 5 && oracle.boxes.len() > 3);
}

#[test]
fn any_mask_comes_back() {
    // A linear congruence: masks without a pattern that run lengths could lean on.
    let mut state = 1u64;
    for size in 1..40 {
        let (height, width) = (size, 41 - size);
        let mask = Plane::from_fn(height, width, |_, _| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            u8::from((state >> 33) % 40 < size as u64)
        });
        let text = coco::encode(&mask);
        assert_eq!(coco::decode(&text, height, width).unwrap(), mask);
        assert_eq!(coco::counts(&mask).iter().sum::<u64>(), mask.len() as u64);
    }
}
