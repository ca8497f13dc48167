//! What the classifier has to do better than: an answer that is the same for every image.

use weakseg_data::{Case, Split};

use super::image_loss::image_loss;
use super::train_classifier::Visits;
use crate::loss::ImageLoss;
use crate::metrics::classify::auroc_of_chance;
use crate::pipeline::{Bench, StepError};
use crate::train::{Chance, MetricLog, Standstill, drawn};

/// Most often it is the head, which starts from noise, whose ReLUs a step too long has left without a gradient.
const ADVICE: &str = "Maps of such a network mean nothing. What may help, with --from train-classifier: a lower rate of the head \
                      (classifier.training.head_lr_factor, or groups), classifier.dropblock.probability=0, \
                      classifier.head=\"linear\"";

/// What such an answer reaches in an epoch that learned from the cases `drawn`, places in `cases`, and by chance in
/// validation.
pub(super) fn chance(loss: &ImageLoss, cases: &[Case], drawn: &[usize]) -> Option<Chance> {
    let of_epoch = labelled(drawn.iter().map(|&place| &cases[place]));
    let shares = of_epoch.iter().map(|&n| n as f64 / drawn.len() as f64);
    let loss = loss.of_best_constant(&shares.collect::<Vec<_>>())?;
    let val = || cases.iter().filter(|case| case.split == Split::Val);
    let images = val().count();
    // The mean over the findings spreads less than the one with the fewest images of a kind.
    let bounds = labelled(val()).into_iter();
    let auroc = bounds
        .filter_map(|n| auroc_of_chance(n, images - n))
        .reduce(f64::max);
    Some(Chance {
        loss,
        auroc,
        advice: ADVICE,
    })
}

/// How many of some cases have each label.
fn labelled<'a>(cases: impl Iterator<Item = &'a Case>) -> Vec<usize> {
    let mut counts = Vec::new();
    for case in cases {
        counts.resize(case.labels.len(), 0);
        for (count, &label) in counts.iter_mut().zip(&case.labels) {
            *count += usize::from(label);
        }
    }
    counts
}

/// What is to be told of a trained classifier that has learned nothing; none of any other.
pub(super) fn standstill(bench: &Bench<'_>) -> Result<Option<String>, StepError> {
    const STEP: &str = "train-classifier";
    let config = bench.config.classifier;
    let log = MetricLog::read(&bench.run.folder(STEP).join(MetricLog::FILE))?;
    let visits = Visits::new(bench)?;
    let loss = image_loss(config, bench.cases)?;
    let chance = |epoch: usize| {
        let order = visits.order(epoch - 1);
        let drawn = drawn(&order, config.training.batch);
        chance(&loss, &bench.cases.cases, drawn)
    };
    let found = Standstill::in_the_end(&log, &config.training, chance);
    Ok(found.map(|standstill| format!("{STEP}: {standstill}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::ClassifierLoss;
    use weakseg_data::View;

    fn case(labels: [bool; 2], split: Split) -> Case {
        Case {
            id: "a".into(),
            patient: None,
            image: "a.png".into(),
            labels: labels.to_vec(),
            split,
            view: View::default(),
        }
    }

    #[test]
    fn chance_goes_by_the_labels_that_were_drawn() {
        let mut cases = vec![
            case([true, false], Split::Train),
            case([false, false], Split::Train),
            case([true, true], Split::Train),
        ];
        // In validation 13 of 40 have the first label, 1 the second.
        cases.extend((0..40).map(|i| case([i < 13, i == 0], Split::Val)));
        let loss = |kind| ImageLoss {
            kind,
            pos_weight: None,
        };
        let of = |kind, drawn: &[usize]| chance(&loss(kind), &cases, drawn);
        // A balanced sampler draws a case twice: shares of 1/2 and 1/4.
        let half_and_quarter = [0, 1, 1, 2];
        let bce = of(ClassifierLoss::Bce, &half_and_quarter).expect("a mark");
        let expected = std::f64::consts::LN_2 + 0.562_335;
        assert!((bce.loss - expected).abs() < 1e-5, "{bce:?}");
        let mean = of(ClassifierLoss::SoftMargin, &half_and_quarter).expect("a mark");
        assert!((mean.loss - expected / 2.0).abs() < 1e-5, "{mean:?}");
        assert_eq!(
            of(ClassifierLoss::IntegralAttention, &half_and_quarter),
            None
        );
        // One of 40: 1/2 + 2 sqrt(41 / (12 · 39)).
        let bound = bce.auroc.expect("both kinds");
        assert!((bound - 1.091_97).abs() < 1e-5, "{bound}");
        // No constant is wrong where all labels are the same.
        let same = of(ClassifierLoss::Bce, &[2, 2]).expect("a mark");
        assert_eq!(same.loss, 0.0);
        let no_val = chance(&loss(ClassifierLoss::Bce), &cases[..3], &[0, 1]).expect("a mark");
        assert_eq!(no_val.auroc, None);
    }
}
