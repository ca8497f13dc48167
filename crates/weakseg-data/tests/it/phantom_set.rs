//! Phantoms as the data of a run.

use weakseg_data::{DataConfig, PhantomSetConfig, Split};

#[test]
fn a_set_is_made_once_divided_and_faultless() {
    let folder = tempfile::tempdir().unwrap();
    let config = DataConfig::Phantom(PhantomSetConfig {
        count: 20,
        size: 64,
        val_fraction: 0.3,
        ..PhantomSetConfig::default()
    });
    let cases = config.open_cases(folder.path()).unwrap();
    assert_eq!(cases.classes.names, ["pneumothorax"]);
    assert_eq!(
        (cases.count(Split::Train), cases.count(Split::Val)),
        (14, 6)
    );
    assert_eq!(
        (
            cases.positives(Split::Train, 0),
            cases.positives(Split::Val, 0)
        ),
        (7, 3)
    );
    let made = std::fs::metadata(&cases.cases[0].image)
        .unwrap()
        .modified()
        .unwrap();
    let truth = config.open_truth(folder.path(), &cases).unwrap();
    for case in &cases.cases {
        let mask = truth.mask(&case.id).unwrap().unwrap();
        assert_eq!(mask.present(cases.classes.space, 1), case.labels);
    }
    assert_eq!(config.open_cases(folder.path()).unwrap(), cases);
    let again = std::fs::metadata(&cases.cases[0].image)
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(made, again);
    let report = config.verify(folder.path());
    assert!(report.passes(true), "{report}");
}
