use super::*;
use crate::progress::Silent;
use weakseg_data::{Case, Classes, LabelSpace, Plane, write_gray_png};

fn cases(folder: &Path, ids: &[(&str, bool, Split)]) -> Cases {
    let case = |&(id, label, split): &(&str, bool, Split)| Case {
        id: id.to_owned(),
        patient: None,
        image: folder.join(format!("{id}.png")),
        labels: vec![label],
        split,
        view: View::default(),
    };
    Cases {
        classes: Classes {
            names: vec!["mass".to_owned()],
            space: LabelSpace::Findings,
        },
        cases: ids.iter().map(case).collect(),
        left_out: Vec::new(),
        warnings: Vec::new(),
    }
}

fn take(cases: &Cases, before: Option<&Inventory>) -> Inventory {
    let (base, stop) = (Path::new(""), Stop::default());
    let images = Images::look_at(cases, View::default(), before, &Silent, &stop).expect("read");
    Inventory::take(cases, images, None, base, before, &Silent, &stop).expect("taken")
}

/// An image of one pixel.
fn image(folder: &Path, id: &str, value: u8) {
    let plane = Plane::filled(1, 1, value);
    write_gray_png(&folder.join(format!("{id}.png")), &plane).expect("written");
}

#[test]
fn an_image_is_known_by_what_it_holds_and_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids = [("a", true, Split::Train), ("b", false, Split::Val)];
    let cases = cases(folder.path(), &ids);
    let write = |id: &str, value: u8| image(folder.path(), id, value);
    write("a", 1);
    write("b", 2);
    let first = take(&cases, None);
    assert_eq!(first.shared_by_splits(), None);
    // Written anew with the same bytes: other times, the same set.
    write("a", 1);
    let again = take(&cases, Some(&first));
    assert!(again.other_images(&first).is_empty());
    // What is known is believed.
    let mut wrong = again.clone();
    wrong.images.get_mut("a").expect("there").sha256 = "of something else".to_owned();
    assert_eq!(
        take(&cases, Some(&wrong)).other_images(&again),
        ["another image of `a`"]
    );
    write("b", 1);
    let now = take(&cases, Some(&again));
    assert_eq!(now.other_images(&first), ["another image of `b`"]);
    let warning = now.shared_by_splits().expect("the same bytes");
    assert!(warning.contains("`a` (train) and `b` (val)"), "{warning}");
}

#[test]
fn labels_and_splits_are_told_with_what_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    for id in ["a", "b", "c"] {
        image(folder.path(), id, id.as_bytes()[0]);
    }
    let of = |ids: &[(&str, bool, Split)]| take(&cases(folder.path(), ids), None);
    let before = of(&[("a", true, Split::Train), ("b", true, Split::Train)]);
    assert!(before.other_labels(&before).is_empty());
    let now = of(&[("a", false, Split::Val), ("c", true, Split::Train)]);
    let expected = [
        "labels of `a`: 1 before, 0 now",
        "split of `a`: train before, val now",
        "gone: the cases `b`",
        "new: the cases `c`",
    ];
    assert_eq!(now.other_labels(&before), expected);
    assert_ne!(now.digest, before.digest);
}

#[test]
fn an_image_is_decoded_once_and_one_that_cannot_be_read_whenever_it_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids = [("a", true, Split::Train), ("b", false, Split::Val)];
    let cases = cases(folder.path(), &ids);
    image(folder.path(), "a", 1);
    std::fs::write(folder.path().join("b.png"), "no image").expect("written");
    let first = take(&cases, None);
    let why = "neither PNG, JPEG nor DICOM by its first bytes; convert the image to PNG";
    let unreadable = BTreeMap::from([("b".to_owned(), why.to_owned())]);
    assert_eq!(first.unreadable, unreadable);
    assert!(first.images.keys().eq(["a"]));
    assert_eq!(take(&cases, Some(&first)), first);

    // One that broke since, though nothing else is known of it than that it could be read.
    let path = folder.path().join("a.png");
    let whole = std::fs::read(&path).expect("an image");
    std::fs::write(&path, "no image").expect("written");
    let now = take(&cases, Some(&first));
    assert!(now.unreadable.keys().eq(["a", "b"]));
    assert_eq!(now.other_images(&first), ["another image of `a`"]);
    assert!(now.other_images(&now).is_empty());

    // What has the digest of an image that could be read is believed to be one, in the view that it was read in alone.
    let mut believed = first.clone();
    let digest = crate::digest::digest(b"no image");
    believed.images.get_mut("a").expect("there").sha256 = digest;
    assert!(take(&cases, Some(&believed)).unreadable.keys().eq(["b"]));
    believed.view = None;
    assert!(
        take(&cases, Some(&believed))
            .unreadable
            .keys()
            .eq(["a", "b"])
    );

    for path in [path, folder.path().join("b.png")] {
        std::fs::write(path, &whole).expect("put back");
    }
    let now = take(&cases, Some(&first));
    assert!(now.unreadable.is_empty() && now.images.len() == 2);
}
