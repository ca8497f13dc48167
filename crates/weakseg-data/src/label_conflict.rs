//! What a mask says against its case's labels.

use crate::fault::some_of;
use crate::{Case, Classes, Mask, VOID};

/// Classes that a mask shows and the labels deny, or the other way round, in words; nothing if they agree. A class that is void
/// anywhere is not said to be absent.
#[must_use]
pub fn label_conflict(case: &Case, classes: &Classes, mask: &Mask) -> Option<String> {
    let present = mask.present(classes.space, classes.len());
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
