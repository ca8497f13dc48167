//! A set of exclusive classes through all steps of the method.

use std::path::Path;

use weakseg::pipeline::METHOD;
use weakseg::report::{ImageLabels, Metric, Report, Row, Step, Subset};
use weakseg_data::{Plane, Split, Stack, VOID, read_index_png, write_index_png, write_rgb_png};

use crate::tiny::{StopAfter, config, run_until};

/// The data of [`kit`] in a configuration.
pub const KIT: &str = r#"data={ kind = "voc", root = "kit", classes = ["cat", "dog"] }"#;

/// A development kit of two classes, told apart by the colour of a square of 16 × 16 pixels; four images to train on,
/// two to validate on. The first row of a cat is void.
pub fn kit(folder: &Path) {
    let kit = folder.join("kit");
    for part in ["JPEGImages", "ImageSets/Segmentation", "SegmentationClass"] {
        std::fs::create_dir_all(kit.join(part)).expect("made");
    }
    let (mut labels, mut train) = ("image,cat,dog\n".to_owned(), String::new());
    for index in 0..6 {
        let dog = index % 2;
        let inside =
            |y: usize, x: usize| (8..24).contains(&y) && (4 + index..20 + index).contains(&x);
        let values = (0..3 * 32 * 32).map(|at| {
            let (channel, y, x) = (at / 1024, at / 32 % 32, at % 32);
            match inside(y, x) {
                true if channel == 2 * dog => 250,
                true => 20,
                false => 120 + (at * 7919 % 13) as u8,
            }
        });
        let image = Stack::new(3, 32, 32, values.collect()).expect("3 × 32 × 32");
        let id = format!("2007_{index:06}");
        write_rgb_png(&kit.join(format!("JPEGImages/{id}.png")), &image).expect("written");
        let mask = Plane::from_fn(32, 32, |y, x| match (inside(y, x), dog) {
            (false, _) => 0,
            (true, 0) if y == 8 => VOID,
            (true, dog) => dog as u8 + 1,
        });
        write_index_png(&kit.join(format!("SegmentationClass/{id}.png")), &mask).expect("written");
        labels += &format!("{id},{},{dog}\n", 1 - dog);
        if index < 4 {
            train += &format!("{id}\n");
        }
    }
    for (file, text) in [
        ("image_labels.csv", labels.as_str()),
        ("ImageSets/Segmentation/train.txt", &train),
        (
            "ImageSets/Segmentation/val.txt",
            "2007_000004\n2007_000005\n",
        ),
    ] {
        std::fs::write(kit.join(file), text).expect("written");
    }
}

fn index_map(folder: &Path, id: &str) -> Plane<u8> {
    let path = folder.join(format!("{id}.png"));
    read_index_png(&path, &weakseg_data::Limits::default()).expect("an index map")
}

/// IoU of background, cat and dog over some images; none for a class that is nowhere.
fn ious(predicted: &Path, truth: &Path, ids: &[&str]) -> [Option<f64>; 3] {
    let (mut both, mut either) = ([0u32; 3], [0u32; 3]);
    for id in ids {
        let (predicted, truth) = (index_map(predicted, id), index_map(truth, id));
        let pixels = predicted.as_slice().iter().zip(truth.as_slice());
        for (p, t) in pixels.filter(|(_, t)| **t != VOID) {
            for class in 0..3 {
                let (p, t) = (usize::from(*p) == class, usize::from(*t) == class);
                both[class] += u32::from(p && t);
                either[class] += u32::from(p || t);
            }
        }
    }
    let iou = |class: usize| f64::from(both[class]) / f64::from(either[class]);
    [0, 1, 2].map(|class| (either[class] > 0).then(|| iou(class)))
}

fn close(found: Option<f64>, expected: f64, what: &str) {
    let off = found.map(|found| (found - expected).abs());
    assert!(
        off.is_some_and(|off| off < 1e-12),
        "{what}: {found:?}, not {expected}"
    );
}

#[test]
fn two_classes_go_through_all_steps() {
    let folder = tempfile::tempdir().expect("a folder");
    kit(folder.path());
    let last = METHOD.last().expect("steps").name;
    let watch = StopAfter::new(0);
    run_until(folder.path(), "run", &config(&[KIT]), last, &watch).expect("a run");
    let run = folder.path().join("run");
    let truth = folder.path().join("kit/SegmentationClass");

    // Masks to learn from hold what the labels name, and nothing else.
    for (index, id) in ["2007_000000", "2007_000001", "2007_000002", "2007_000003"]
        .into_iter()
        .enumerate()
    {
        let class = index as u8 % 2 + 1;
        let mask = index_map(&run.join("06-make-pseudo-labels"), id);
        assert_eq!((mask.height(), mask.width()), (32, 32));
        assert!(
            mask.as_slice().iter().all(|v| [0, class].contains(v)),
            "{id}"
        );
        assert!(mask.as_slice().contains(&class), "{id} shows its class");
    }

    let report = Report::read(&run.join("report.json")).expect("a report");
    let rows = |step: Step, split: Split, labels: ImageLabels| -> Vec<&Row> {
        let rows = report.results().iter();
        rows.filter(|row| (row.step(), row.split(), row.image_labels()) == (step, split, labels))
            .collect()
    };
    let value = |rows: &[&Row], subset: Subset, metric: Metric| {
        let mut rows = rows.iter();
        let row = rows.find(|row| row.subset() == &subset && row.metric() == metric);
        row.map(|row| row.value())
    };
    let class = |name: &str| Subset::class(name).expect("a class");
    let miou = |rows: &[&Row]| value(rows, Subset::All, Metric::Miou);
    use ImageLabels::{None as NoLabels, Predicted, Truth};
    for (step, split, labels, there) in [
        (Step::Classifier, Split::Val, NoLabels, true),
        (Step::Cam, Split::Train, Truth, true),
        (Step::Cam, Split::Val, Truth, true),
        (Step::Cam, Split::Val, Predicted, true),
        (Step::Cam, Split::Train, Predicted, false),
        (Step::Irn, Split::Train, Truth, true),
        (Step::Irn, Split::Val, Predicted, true),
        (Step::Segmentation, Split::Val, NoLabels, true),
        (Step::Segmentation, Split::Val, Truth, false),
        (Step::Segmentation, Split::Train, NoLabels, false),
    ] {
        assert_eq!(
            !rows(step, split, labels).is_empty(),
            there,
            "{step:?} {split:?} {labels:?}"
        );
    }

    // Of a cat 15 rows count, of a dog 16: 240 and 256 pixels, with 768 around each.
    for split in [Split::Train, Split::Val] {
        let of = |step| rows(step, split, NoLabels);
        let empty = of(Step::BaselineEmpty);
        close(miou(&empty), 1536.0 / 2032.0 / 3.0, "empty");
        let full = of(Step::BaselineFull);
        close(miou(&full), 256.0 / 2032.0 / 3.0, "full");
        close(
            value(&full, class("dog"), Metric::Iou),
            256.0 / 2032.0,
            "a dog everywhere",
        );
        close(value(&full, class("cat"), Metric::Iou), 0.0, "no cat");
    }

    // The network's own masks, counted here.
    let segmentation = rows(Step::Segmentation, Split::Val, NoLabels);
    let counted = ious(
        &run.join("09-evaluate"),
        &truth,
        &["2007_000004", "2007_000005"],
    );
    for (name, iou) in ["background", "cat", "dog"].into_iter().zip(counted) {
        close(
            value(&segmentation, class(name), Metric::Iou),
            iou.expect("in the truth"),
            name,
        );
    }
    close(
        miou(&segmentation),
        counted.into_iter().flatten().sum::<f64>() / 3.0,
        "mean",
    );

    let page = std::fs::read_to_string(run.join("report.html")).expect("a page");
    assert!(page.contains("cat") && page.contains("2007_00000"));
}
