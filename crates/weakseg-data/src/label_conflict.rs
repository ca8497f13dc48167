//! What a mask says against its case's labels.

use crate::fault::some_of;
use crate::{Case, Classes, LabelSpace, Mask, VOID};

/// Classes that a mask shows and the labels deny, or the other way round, in words; nothing if they agree. A class that
/// is void anywhere is not said to be absent, but where classes are exclusive and a mask has background and white
/// alone: white is void there, and was most likely meant to be the class.
#[must_use]
pub fn label_conflict(case: &Case, classes: &Classes, mask: &Mask) -> Option<String> {
    let present = mask.present(classes.space, classes.len());
    if classes.space == LabelSpace::Exclusive && case.is_positive() {
        let values = mask.planes.plane(0);
        let [black, white] = [0, VOID].map(|value| values.contains(&value));
        if black && white && values.iter().all(|&value| value == 0 || value == VOID) {
            let names = classes.names.iter().zip(&case.labels);
            let named: Vec<String> = names
                .filter(|(_, there)| **there)
                .map(|(name, _)| name.clone())
                .collect();
            return Some(format!(
                "its labels name {}, its mask holds 0 and 255 alone, and 255 is void, not a class: masks hold class numbers from 1",
                some_of(&named)
            ));
        }
    }
    let mut shown = Vec::new();
    let mut denied = Vec::new();
    for (class, name) in classes.names.iter().enumerate() {
        let unknown = || {
            let region = mask.of_class(classes.space, class);
            region.as_slice().contains(&VOID)
        };
        match (case.labels[class], present[class]) {
            (false, true) => shown.push(name.clone()),
            (true, false) if !unknown() => denied.push(name.clone()),
            _ => {}
        }
    }
    let shown = (!shown.is_empty())
        .then(|| format!("its mask shows {}, its labels do not", some_of(&shown)));
    let denied = (!denied.is_empty())
        .then(|| format!("its labels name {}, its mask shows none", some_of(&denied)));
    let parts: Vec<String> = shown.into_iter().chain(denied).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Split, Stack, View};

    #[test]
    fn white_masks_of_exclusive_classes_are_told() {
        let classes = Classes {
            names: vec!["cat".to_owned(), "dog".to_owned()],
            space: LabelSpace::Exclusive,
        };
        let of = |labels: [bool; 2], values: [u8; 4]| {
            let case = Case {
                id: "a".into(),
                patient: None,
                image: "a.png".into(),
                labels: labels.to_vec(),
                split: Split::Val,
                view: View::default(),
            };
            let planes = Stack::new(1, 2, 2, values.to_vec()).expect("four pixels");
            label_conflict(&case, &classes, &Mask { planes })
        };
        let white = of([false, true], [0, 255, 255, 0]).expect("a conflict");
        assert!(
            white.contains("`dog`") && white.contains("0 and 255 alone"),
            "{white}"
        );
        // A border around an object, nothing that counts, and a healthy image.
        assert_eq!(of([false, true], [0, 255, 2, 0]), None);
        assert_eq!(of([false, true], [255; 4]), None);
        assert_eq!(of([false, false], [0, 255, 255, 0]), None);
    }
}
