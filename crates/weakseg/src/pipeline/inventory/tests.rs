use super::*;
use weakseg_data::{Case, Classes, LabelSpace, View};

struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: u64) {}
    fn at(&self, _: u64, _: &str) {}
    fn end(&self) {}
    fn note(&self, _: &str) {}
}

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
    Inventory::take(
        cases,
        None,
        Path::new(""),
        before,
        &Silent,
        &Stop::default(),
    )
    .expect("taken")
}

#[test]
fn an_image_is_known_by_what_it_holds_and_read_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids = [("a", true, Split::Train), ("b", false, Split::Val)];
    let cases = cases(folder.path(), &ids);
    let write = |id: &str, text: &str| {
        std::fs::write(folder.path().join(format!("{id}.png")), text).expect("written")
    };
    write("a", "one");
    write("b", "two");
    let first = take(&cases, None);
    assert_eq!(first.shared_by_splits(), None);
    // Written anew with the same bytes: other times, the same set.
    write("a", "one");
    let again = take(&cases, Some(&first));
    assert!(again.other_images(&first).is_empty());
    // What is known is believed.
    let mut wrong = again.clone();
    wrong.images.get_mut("a").expect("there").sha256 = "of something else".to_owned();
    assert_eq!(
        take(&cases, Some(&wrong)).other_images(&again),
        ["another image of `a`"]
    );
    write("b", "one");
    let now = take(&cases, Some(&again));
    assert_eq!(now.other_images(&first), ["another image of `b`"]);
    let warning = now.shared_by_splits().expect("the same bytes");
    assert!(warning.contains("`a` (train) and `b` (val)"), "{warning}");
}

#[test]
fn labels_and_splits_are_told_with_what_they_were() {
    let folder = tempfile::tempdir().expect("a folder");
    for id in ["a", "b", "c"] {
        std::fs::write(folder.path().join(format!("{id}.png")), id).expect("written");
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
