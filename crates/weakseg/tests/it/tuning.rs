//! A run with every rule that there is, tuned.

use burn::tensor::Device;
use weakseg::cam::Threshold;
use weakseg::pipeline::steps::ClassMaps;
use weakseg::pipeline::{RunError, StepError};
use weakseg::progress::{Progress, Silent, Stop};
use weakseg::report::{ImageLabels, Metric, Report, Step, Subset};
use weakseg::tuning::document::Tuned;
use weakseg::tuning::{FILE, Job, Plan, Stage, TuneError, Tuning, tune};
use weakseg_data::Split;

use crate::tiny::{StopAfter, config, run_until};

/// The run's own scores, by other code: Otsu's maps in `eval-cams`, and masks with a gate, a triplet rule and small
/// regions removed in `evaluate`.
#[test]
fn the_runs_own_rule_scores_what_the_run_has_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let watch = StopAfter::new(0);
    let config = config(&[
        "cams.threshold=otsu",
        // Hardly trained, the classifier says about 0.5 and the network of every pixel too.
        "cams.gate=0.05",
        "segmenter.gate=0.05",
        "segmenter.threshold=0.47",
        "segmenter.triplet={ top = 0.5, min_area = 0.1 }",
        "segmenter.min_area=0.01",
        "data.test_fraction=0.25",
    ]);
    run_until(folder.path(), "run", &config, "report", &watch).expect("a run");
    let run = folder.path().join("run");
    let (never, soon) = (Stop::default(), StopSoon::default());
    let job = |progress, stop| Job {
        config: &config,
        base: folder.path(),
        run: &run,
        plan: Plan {
            masks: vec![0, 2],
            draws: 3,
            seed: 1,
        },
        device: Device::flex(),
        device_name: "cpu",
        progress,
        stop,
    };
    let tuning = tune(&job(&Silent, &never)).expect("tuned");
    let report = Report::read(&run.join("report.json")).expect("a report");
    assert_eq!(tuning.stages.len(), 2);
    for tuned in &tuning.stages {
        let step = match tuned.stage {
            Stage::Cam => Step::Cam,
            Stage::Segmentation => Step::Segmentation,
        };
        assert_eq!(tuned.scored_on.split, Split::Test);
        let mut lines = tuned.lines.iter();
        let own = lines.find(|line| line.tuned == Tuned::Nothing);
        let own = own.expect("0 masks were asked for").dice;
        for (subset, spread) in [
            (Subset::All, own.all),
            (Subset::Pos, own.pos),
            (Subset::Neg, own.neg),
        ] {
            let row = report.results().iter().find(|row| {
                row.step() == step
                    && row.split() == Split::Test
                    && row.image_labels() == ImageLabels::Predicted
                    && *row.subset() == subset
                    && row.metric() == Metric::Dice
            });
            assert_eq!(row.is_some(), spread.is_some(), "{step:?} {subset:?}");
            if let (Some(row), Some(spread)) = (row, spread) {
                let (found, expected) = (spread.mean, row.value());
                assert!(
                    (found - expected).abs() < 1e-12,
                    "{step:?} {subset:?}: {found} {expected}"
                );
            }
        }
    }
    assert_eq!(tuning.stages[0].own.threshold, Threshold::OTSU);

    let file = run.join(FILE);
    tuning.write(&file).expect("written");
    assert_eq!(Tuning::read(&file).expect("read"), tuning);

    let error = tune(&job(&soon, &soon.0)).expect_err("asked to");
    assert!(matches!(error, TuneError::Stopped { .. }), "{error}");

    // A file that is not what make-cams wrote is named.
    let folder_of_maps = run.join("02-make-cams");
    let id = config.data.open_cases(folder.path()).expect("the set");
    let id = &id.of(Split::Val).next().expect("held out").id;
    let maps = ClassMaps::read(&folder_of_maps, id).expect("maps");
    let damaged = ClassMaps {
        probabilities: Vec::new(),
        ..maps.clone()
    };
    damaged.write(&folder_of_maps, id).expect("written");
    let error = tune(&job(&Silent, &never))
        .expect_err("damaged")
        .to_string();
    let words = "0 probabilities for 1 findings; make the maps again";
    assert!(error.contains(words) && error.contains(id), "{error}");
    maps.write(&folder_of_maps, id).expect("written");

    // A set that is no longer the run's is not scored as if it were.
    let mut other = config.clone();
    if let weakseg_data::DataConfig::Phantom(set) = &mut other.data {
        set.val_fraction = 0.4;
    }
    let other = Job {
        config: &other,
        ..job(&Silent, &never)
    };
    let error = tune(&other).expect_err("another set");
    let TuneError::Run(StepError::Run(error)) = error else {
        panic!("{error}");
    };
    let RunError::OtherData { changed, .. } = &error else {
        panic!("{error}");
    };
    assert!(changed[0].starts_with("split of `"), "{error}");
}

/// Asks to stop at the first reading.
#[derive(Default)]
struct StopSoon(Stop);

impl Progress for StopSoon {
    fn begin(&self, _: &str, _: u64) {}

    fn at(&self, _: u64, _: &str) {
        self.0.ask();
    }

    fn end(&self) {}

    fn note(&self, _: &str) {}
}
