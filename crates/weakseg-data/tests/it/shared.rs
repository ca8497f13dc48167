//! Real sets, which are not part of this repository.

use std::collections::BTreeMap;
use std::path::PathBuf;

use weakseg_data::{DataConfig, Split, TableConfig, VocConfig};

fn shared(name: &str) -> PathBuf {
    let root = std::env::var_os("WEAKSEG_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    root.join("data").join(name)
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-data --test it -- --ignored"]
fn voc_subset() {
    let base = shared("voc12");
    let config = DataConfig::Voc(VocConfig::default());
    let cases = config.open_cases(&base).unwrap();
    assert_eq!(cases.classes.len(), 20);
    assert_eq!(Split::ALL.map(|split| cases.count(split)), [311, 158, 0]);
    let truth = config.open_truth(&base, &cases).unwrap();
    assert!(truth.has_masks(Split::Train) && truth.has_masks(Split::Val));
    let report = config.verify(&base);
    println!("{report}");
    assert!(report.passes(false), "{report}");
    assert_eq!((report.cases, report.masks), (469, 469));
}

#[test]
#[ignore = "needs ../shared; run: cargo test -p weakseg-data --test it -- --ignored"]
fn nih_pneumonia() {
    let base = shared("nih_pneumonia");
    let config = DataConfig::Table(TableConfig {
        boxed_patients_held_out: true,
        ..TableConfig::default()
    });
    let cases = config.open_cases(&base).unwrap();
    assert_eq!(cases.cases.len(), 789);
    let positives: usize = Split::ALL
        .map(|split| cases.positives(split, 0))
        .iter()
        .sum();
    assert_eq!((positives, 789 - positives), (383, 406));
    let mut homes = BTreeMap::new();
    for case in &cases.cases {
        let home = homes
            .entry(case.patient.as_deref().unwrap())
            .or_insert(case.split);
        assert_eq!(*home, case.split, "{}", case.id);
    }
    let truth = config.open_truth(&base, &cases).unwrap();
    let boxed: Vec<_> = cases
        .cases
        .iter()
        .filter(|case| !truth.boxes(&case.id).is_empty())
        .collect();
    assert!(boxed.iter().all(|case| case.split == Split::Val));
    for split in Split::ALL {
        println!(
            "{split}: {} cases, {} positive",
            cases.count(split),
            cases.positives(split, 0)
        );
    }
    let report = config.verify(&base);
    println!("{report}\n{} boxed cases", boxed.len());
    assert!(report.passes(false), "{report}");
    assert_eq!(boxed.len(), 28);
}
