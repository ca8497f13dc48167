//! What to go on with.

use super::document::{Line, Stage, Tuned};
use super::rule::Rule;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In words.
    pub words: String,
    /// `KEY=VALUE` of what is to be set otherwise.
    pub settings: Vec<String>,
}

/// Of the lines with most masks, that which gained most on the mean of all images; its settings are those of its first draw, for
/// a lab has one.
pub fn verdict(stage: Stage, own: &Rule, lines: &[Line]) -> Verdict {
    let drawn = || {
        lines
            .iter()
            .filter(|line| !line.bound && matches!(line.tuned, Tuned::By(_)))
    };
    let gain = |line: &Line| line.gain.all.map_or(0.0, |gain| gain.mean);
    let most = drawn().map(|line| line.masks).max();
    let mut best: Option<&Line> = None;
    for line in drawn().filter(|line| Some(line.masks) == most) {
        // Of equal ones the first, which chooses fewer parts.
        if best.is_none_or(|other| gain(line) > gain(other)) {
            best = Some(line);
        }
    }
    let Some((line, rule)) = best.and_then(|line| Some((line, line.rules.first()?))) else {
        return Verdict {
            words: "No masks were drawn, so nothing was tuned.".to_owned(),
            settings: Vec::new(),
        };
    };
    let (masks, words) = (line.masks, line.tuned.words());
    let nothing = |why: &str| Verdict {
        words: format!("{masks} masks bought nothing{why}: stay with the settings as they are."),
        settings: Vec::new(),
    };
    if gain(line) <= 0.0 {
        return nothing("");
    }
    if line.is_no_better_than_empty() {
        return nothing(" that empty masks for all images do not have");
    }
    let settings = settings(stage, own, rule);
    let draws = match line.rules.len() {
        1 => String::new(),
        draws => format!(" on the mean of {draws} draws"),
    };
    let then = match (settings.is_empty(), line.rules.len()) {
        (true, _) => "the first draw stays with the settings as they are",
        (false, 1) => "go on with",
        (false, _) => "go on with the first draw's",
    };
    Verdict {
        words: format!(
            "{masks} masks ({words}) bought {:.3} in Dice of all images{draws}; {then}",
            gain(line)
        ),
        settings,
    }
}

/// The keys in which a rule differs from the run's own.
fn settings(stage: Stage, own: &Rule, rule: &Rule) -> Vec<String> {
    let section = match stage {
        Stage::Cam => "cams",
        Stage::Segmentation => "segmenter",
    };
    let mut settings = Vec::new();
    if rule.threshold != own.threshold {
        settings.push(format!("{section}.threshold={}", rule.threshold));
    }
    if rule.gate != own.gate {
        settings.push(format!("{section}.gate={}", rule.gate));
    }
    if let Some(triplet) = rule.triplet.filter(|_| rule.triplet != own.triplet) {
        settings.push(format!("{section}.triplet.top={}", triplet.top));
        settings.push(format!("{section}.triplet.min_area={}", triplet.min_area));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::super::document::{Dice, Spread};
    use super::super::search::Freedom;
    use super::*;
    use crate::cam::Threshold;
    use crate::config::Triplet;

    const OWN: Rule = Rule {
        threshold: Threshold::Fixed(0.5),
        gate: 0.0,
        triplet: None,
    };

    fn line(masks: usize, freedom: Freedom, gain: f64, rules: &[Rule]) -> Line {
        let of = |value| Dice {
            all: Spread::of(vec![value]),
            pos: None,
            neg: None,
        };
        Line {
            masks,
            tuned: Tuned::By(freedom),
            bound: false,
            dice: of(0.5),
            gain: of(gain),
            beyond_empty: Spread::of(vec![0.1]),
            rules: rules.to_vec(),
        }
    }

    #[test]
    fn the_most_masks_decide_and_then_the_gain() {
        let other = Rule {
            threshold: Threshold::Fixed(0.3),
            gate: 0.6,
            triplet: Some(Triplet {
                top: 0.8,
                min_area: 0.005,
            }),
        };
        let mut bound = line(90, Freedom::Triplet, 0.9, &[OWN]);
        bound.bound = true;
        let lines = [
            line(10, Freedom::Threshold, 0.8, &[OWN]),
            line(50, Freedom::Threshold, 0.1, &[OWN]),
            line(50, Freedom::Triplet, 0.2, &[other, OWN]),
            bound,
        ];
        let found = verdict(Stage::Segmentation, &OWN, &lines);
        assert_eq!(
            found.words,
            "50 masks (threshold, gate, triplet) bought 0.200 in Dice of all images on the mean of 2 draws; go on with the first draw's"
        );
        assert_eq!(
            found.settings,
            [
                "segmenter.threshold=0.3",
                "segmenter.gate=0.6",
                "segmenter.triplet.top=0.8",
                "segmenter.triplet.min_area=0.005"
            ]
        );
        assert!(verdict(Stage::Cam, &OWN, &lines).settings[0].starts_with("cams."));
    }

    #[test]
    fn nothing_bought_is_said() {
        let lines = [line(5, Freedom::Threshold, 0.0, &[OWN])];
        let found = verdict(Stage::Cam, &OWN, &lines);
        assert!(found.words.starts_with("5 masks bought nothing") && found.settings.is_empty());
        let lines = [line(5, Freedom::Threshold, 0.1, &[OWN])];
        let found = verdict(Stage::Cam, &OWN, &lines);
        assert!(found.words.ends_with("stays with the settings as they are"));
        assert!(
            verdict(Stage::Cam, &OWN, &[])
                .words
                .contains("No masks were drawn")
        );
        // A rule that empties every mask gains beside false alarms, and says nothing of where.
        let mut line = line(5, Freedom::Gate, 0.3, &[OWN]);
        line.beyond_empty = Spread::of(vec![0.0]);
        let found = verdict(Stage::Cam, &OWN, &[line]);
        assert!(
            found
                .words
                .contains("that empty masks for all images do not have")
        );
        assert!(found.settings.is_empty());
    }
}
