//! Rows of a set with boxes.

use std::path::Path;

use weakseg::pipeline::steps::ClassMaps;
use weakseg::report::{ImageLabels, Metric, Row, Step};
use weakseg_data::{Plane, write_gray_png};

use crate::tiny::{StopAfter, config, run_until};

/// A table of eight images to train on and four to validate on, half of them with a spot; the box of each spot is the
/// whole image, so that wherever a map has its maximum, it hits.
fn boxed(folder: &Path) {
    let set = folder.join("boxed");
    std::fs::create_dir_all(set.join("images")).expect("made");
    let mut labels = "image,split,spot\n".to_owned();
    let mut boxes = "image,label,x,y,width,height\n".to_owned();
    for index in 0..12 {
        let (split, spot) = (if index < 8 { "train" } else { "val" }, index % 2);
        let image = Plane::from_fn(40, 48, |y, x| {
            let inside = (10..20).contains(&y) && (index..index + 12).contains(&x);
            if inside && spot == 1 {
                220
            } else {
                90 + ((y * 7 + x * 3 + index) % 5) as u8
            }
        });
        write_gray_png(&set.join(format!("images/c{index}.png")), &image).expect("written");
        labels += &format!("c{index}.png,{split},{spot}\n");
        if spot == 1 {
            boxes += &format!("c{index}.png,spot,0,0,48,40\n");
        }
    }
    std::fs::write(set.join("labels.csv"), labels).expect("written");
    std::fs::write(set.join("boxes.csv"), boxes).expect("written");
}

/// Step, image labels and hit rate of the rows on the validation split.
fn hit_rates(folder: &Path, out: &str, gate: f64) -> Vec<(Step, ImageLabels, f64)> {
    let gates = [
        format!("segmenter.gate={gate}"),
        format!("cams.gate={gate}"),
    ];
    let sets = [
        r#"data={ kind = "table", root = "boxed" }"#,
        &gates[0],
        &gates[1],
    ];
    let watch = StopAfter::new(0);
    run_until(folder, out, &config(&sets), "evaluate", &watch).expect("a run");
    let mut found = Vec::new();
    for step in ["03-eval-cams", "09-evaluate"] {
        let text = std::fs::read(folder.join(out).join(step).join("rows.json")).expect("rows");
        let rows: Vec<Row> = serde_json::from_slice(&text).expect("rows");
        let rows = rows.iter().filter(|row| {
            row.metric() == Metric::HitRate && row.split() == weakseg_data::Split::Val
        });
        found.extend(rows.map(|row| (row.step(), row.image_labels(), row.value())));
    }
    found.retain(|(step, ..)| [Step::Cam, Step::Segmentation].contains(step));
    found
}

/// What an image-level classifier stops is a miss of the segmentation network, as of the maps before it.
#[test]
fn box_rows_are_of_what_the_image_labels_let_through() {
    let folder = tempfile::tempdir().expect("a folder");
    boxed(folder.path());
    use ImageLabels::{None as NoLabels, Predicted, Truth};
    assert_eq!(
        hit_rates(folder.path(), "open", 0.0),
        [
            (Step::Cam, Truth, 1.0),
            (Step::Cam, Predicted, 1.0),
            (Step::Segmentation, NoLabels, 1.0)
        ]
    );
    assert_eq!(
        hit_rates(folder.path(), "closed", 0.999_999),
        [
            (Step::Cam, Truth, 1.0),
            (Step::Cam, Predicted, 0.0),
            (Step::Segmentation, Predicted, 0.0)
        ]
    );
    // Maps are kept of images with boxes, at their own size, of the classes that are let through.
    for (out, classes) in [("open", 1), ("closed", 0)] {
        let folder = folder.path().join(out).join("09-evaluate/maps");
        assert_eq!(std::fs::read_dir(&folder).expect("maps").count(), 2);
        let maps = ClassMaps::read(&folder, "c9").expect("maps");
        assert_eq!((maps.keys.len(), maps.maps.channels()), (classes, classes));
        assert_eq!(maps.size, [40, 48]);
    }
}
