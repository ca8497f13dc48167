//! What to go on with.

use weakseg_data::counted;

use super::document::{Line, Stage, Tuned};
use super::rule::Rule;
use super::settings::{Settings, settings};

/// Gains below it are none: they would not show in three digits.
const LEAST: f64 = 0.0005;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In words.
    pub words: String,
    /// `KEY=VALUE` of what is to be set otherwise.
    pub settings: Vec<String>,
    /// What is to be known of these.
    pub remarks: Vec<String>,
}

/// Recommends, in this order: of the lines with the most masks the one with the greatest gain in mean Dice of all
/// images, if it gains more than Otsu's threshold, which needs no mask; Otsu's threshold, if it gains anything; the
/// run's own settings. A gain counts only if the line also beats empty masks.
///
/// Of several draws the settings are those of the first, for a lab has one.
pub fn verdict(stage: Stage, own: &Rule, lines: &[Line]) -> Verdict {
    let best = best_drawn(lines);
    let otsu = lines
        .iter()
        .find(|line| line.tuned == Tuned::Otsu && is_worth_it(line));
    let free = otsu.map_or(0.0, gain);
    if let Some(line) = best.filter(|line| is_worth_it(line) && gain(line) - free >= LEAST) {
        return bought(stage, own, line, otsu);
    }
    let paid = best.map(|line| format!("; {} gained {:.3}", masks(line), gain(line)));
    match (otsu, best) {
        (Some(otsu), _) => {
            let words = format!(
                "Otsu's threshold, which needs no mask, gained {:.3} in Dice of all images{}{}; {}",
                free,
                doubt(otsu),
                paid.unwrap_or_default(),
                advice(otsu)
            );
            hand_out(stage, own, otsu, words)
        }
        (None, Some(line)) => {
            let why = match gain(line) >= LEAST {
                true => " that empty masks for all images do not have",
                false => "",
            };
            nothing(format!(
                "{} bought nothing{why}: stay with the settings as they are.",
                masks(line)
            ))
        }
        (None, None) => nothing(
            "No masks were drawn, and without any nothing is better than the settings as they are."
                .to_owned(),
        ),
    }
}

/// Of the largest number of masks that was scored, the line that gained most; of equal ones the first, which chooses
/// fewer parts.
fn best_drawn(lines: &[Line]) -> Option<&Line> {
    let drawn = || {
        lines.iter().filter(|line| {
            !line.bound && matches!(line.tuned, Tuned::By(_)) && line.gain.all.is_some()
        })
    };
    let most = drawn().map(|line| line.masks).max()?;
    drawn()
        .filter(|line| line.masks == most)
        .reduce(|best, line| match gain(line) > gain(best) {
            true => line,
            false => best,
        })
}

fn gain(line: &Line) -> f64 {
    line.gain.all.map_or(0.0, |gain| gain.mean)
}

fn is_worth_it(line: &Line) -> bool {
    gain(line) >= LEAST && !line.is_no_better_than_empty()
}

/// `50 masks (25 with a finding; threshold)`.
fn masks(line: &Line) -> String {
    let Line {
        masks, positive, ..
    } = line;
    let words = line.tuned.words();
    let masks = counted(*masks, "mask");
    format!("{masks} ({positive} with a finding; {words})")
}

/// Says so where the range of a gain reaches 0.
fn doubt(line: &Line) -> String {
    match line.gain.all {
        Some(gain) if gain.is_clear() => String::new(),
        Some(gain) => match gain.range {
            Some([low, high]) => format!(", not clearly ({low:.3} to {high:.3})"),
            None => ", not clearly".to_owned(),
        },
        None => String::new(),
    }
}

/// What to do with a line's settings.
fn advice(line: &Line) -> &'static str {
    match line.gain.all.is_some_and(|gain| gain.is_clear()) {
        true => "go on with",
        false => "if anything, go on with",
    }
}

fn bought(stage: Stage, own: &Rule, line: &Line, otsu: Option<&Line>) -> Verdict {
    let draws = match line.draws.len() {
        1 => String::new(),
        draws => format!(" on the mean of {draws} draws"),
    };
    let free = otsu.map_or(String::new(), |otsu| {
        let gain = gain(otsu);
        format!("; Otsu's threshold, which needs no mask, gained {gain:.3}")
    });
    let said = format!(
        "{} bought {:.3} in Dice of all images{draws}{}{free}",
        masks(line),
        gain(line),
        doubt(line)
    );
    let Some(first) = line.draws.first() else {
        return nothing(said);
    };
    let gained = first.gain.all.unwrap_or(0.0);
    // A mean of many draws says nothing for one that went wrong.
    if gained <= 0.0 || first.beyond_empty.is_none_or(|beyond| beyond <= 0.0) {
        return nothing(format!(
            "{said}; but the rule of the first draw gained {gained:.3}{}: stay with the settings as they are.",
            match gained > 0.0 {
                true => ", nothing that empty masks do not have",
                false => "",
            }
        ));
    }
    let then = match line.draws.len() {
        1 => format!("; {}", advice(line)),
        _ => format!(
            "; {} the first draw's, which gained {gained:.3}",
            advice(line)
        ),
    };
    hand_out(stage, own, line, said + &then)
}

/// With the settings of a line's first draw.
fn hand_out(stage: Stage, own: &Rule, line: &Line, words: String) -> Verdict {
    let rule = line.draws.first().and_then(|draw| draw.rule);
    let Settings { set, remarks } = settings(stage, own, &rule.unwrap_or(*own));
    Verdict {
        words,
        settings: set,
        remarks,
    }
}

fn nothing(words: String) -> Verdict {
    Verdict {
        words,
        settings: Vec::new(),
        remarks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::{Dice, Draw, Spread};
    use super::super::scores::Scores;
    use super::super::search::Freedom;
    use super::*;
    use crate::cam::Threshold;

    const OWN: Rule = Rule {
        threshold: Threshold::Fixed(0.5),
        gate: 0.0,
        triplet: None,
    };

    fn spread(values: &[f64]) -> Option<Spread> {
        Spread::of(values.to_vec())
    }

    /// Of draws that gained so much and chose 0.3, 0.1 better than empty masks.
    fn line(masks: usize, tuned: Tuned, gains: &[f64]) -> Line {
        let of = |all| Dice {
            all,
            pos: None,
            neg: None,
        };
        let draw = |&gain: &f64| Draw {
            rule: Some(Rule {
                threshold: match tuned {
                    Tuned::Otsu => Threshold::OTSU,
                    _ => Threshold::Fixed(0.3),
                },
                ..OWN
            }),
            scored: 9,
            dice: Scores::default(),
            gain: Scores {
                all: Some(gain),
                ..Scores::default()
            },
            beyond_empty: Some(0.1),
        };
        Line {
            masks,
            positive: masks / 2,
            tuned,
            bound: false,
            dice: of(spread(&[0.5])),
            gain: of(spread(gains)),
            beyond_empty: spread(&[0.1]),
            draws: gains.iter().map(draw).collect(),
        }
    }

    fn by(masks: usize, freedom: Freedom, gains: &[f64]) -> Line {
        line(masks, Tuned::By(freedom), gains)
    }

    fn of(lines: &[Line]) -> Verdict {
        verdict(Stage::Cam, &OWN, lines)
    }

    #[test]
    fn the_most_masks_decide_and_then_the_gain() {
        let mut bound = by(90, Freedom::Triplet, &[0.9]);
        bound.bound = true;
        let mut unscored = by(70, Freedom::Triplet, &[0.9]);
        unscored.gain.all = None;
        let lines = [
            by(10, Freedom::Threshold, &[0.8, 0.8]),
            by(50, Freedom::Threshold, &[0.1, 0.1]),
            by(50, Freedom::Gate, &[0.1, 0.3]),
            by(50, Freedom::Triplet, &[0.2, 0.2]),
            unscored,
            bound,
        ];
        let found = verdict(Stage::Segmentation, &OWN, &lines);
        assert_eq!(
            found.words,
            "50 masks (25 with a finding; threshold, gate) bought 0.200 in Dice of all images on the mean of 2 draws; \
             go on with the first draw's, which gained 0.100"
        );
        assert_eq!(found.settings, ["segmenter.threshold=0.3"]);
        assert!(found.remarks[0].contains("--from evaluate"));
    }

    #[test]
    fn what_may_be_chance_is_said() {
        let found = of(&[by(4, Freedom::Threshold, &[0.3, -0.1])]);
        // 2.5 and 97.5 % between the two.
        assert!(
            found.words.contains("bought 0.100 in Dice of all images on the mean of 2 draws, not clearly (-0.090 to 0.290); if anything, go on"),
            "{}",
            found.words
        );
        assert_eq!(found.settings, ["cams.threshold=0.3"]);
        // A single draw without a range.
        let found = of(&[by(4, Freedom::Threshold, &[0.3])]);
        assert!(
            found
                .words
                .contains("images, not clearly; if anything, go on with")
        );
    }

    #[test]
    fn settings_that_gained_nothing_themselves_are_not_handed_out() {
        let found = of(&[by(4, Freedom::Threshold, &[-0.1, 0.3])]);
        assert!(
            found.words.ends_with(
                "but the rule of the first draw gained -0.100: stay with the settings as they are."
            ),
            "{}",
            found.words
        );
        assert!(found.settings.is_empty() && found.remarks.is_empty());
        let mut line = by(4, Freedom::Threshold, &[0.2, 0.3]);
        line.draws[0].beyond_empty = Some(0.0);
        let found = of(&[line]);
        assert!(found.words.contains("gained 0.200, nothing that empty"));
        assert!(found.settings.is_empty());
    }

    #[test]
    fn what_needs_no_mask_wins_where_masks_buy_no_more() {
        let otsu = |gain: f64| {
            let mut line = line(0, Tuned::Otsu, &[gain]);
            line.gain.all = spread(&[gain, gain]);
            line
        };
        let drawn = |gain: f64| by(10, Freedom::Threshold, &[gain, gain]);
        for lines in [
            vec![otsu(0.2), drawn(0.1)],
            vec![otsu(0.2), drawn(0.2004)],
            vec![otsu(0.2)],
        ] {
            let found = of(&lines);
            assert!(
                found.words.starts_with(
                    "Otsu's threshold, which needs no mask, gained 0.200 in Dice of all images"
                ),
                "{}",
                found.words
            );
            let paid = "; 10 masks (5 with a finding; threshold) gained 0.";
            assert_eq!(found.words.contains(paid), lines.len() == 2);
            assert_eq!(found.settings, ["cams.threshold=otsu"]);
            assert_eq!(found.remarks.len(), 1);
        }
        let found = of(&[otsu(0.2), drawn(0.3)]);
        assert!(
            found
                .words
                .contains("; Otsu's threshold, which needs no mask, gained 0.200; go on with"),
            "{}",
            found.words
        );
        assert_eq!(found.settings, ["cams.threshold=0.3"]);
        // An Otsu that is worth nothing is not spoken of.
        let found = of(&[otsu(-0.2), drawn(0.3)]);
        assert!(!found.words.contains("Otsu"));
    }

    #[test]
    fn nothing_bought_is_said() {
        for gain in [0.0, 0.0004, -0.2] {
            let found = of(&[by(5, Freedom::Threshold, &[gain])]);
            assert_eq!(
                found.words,
                "5 masks (2 with a finding; threshold) bought nothing: stay with the settings as they are."
            );
            assert!(found.settings.is_empty());
        }
        assert!(of(&[]).words.contains("No masks were drawn"));
        // A rule that empties every mask gains beside false alarms, and says nothing of where.
        let mut line = by(5, Freedom::Gate, &[0.3]);
        line.beyond_empty = spread(&[0.0]);
        let found = of(&[line]);
        assert!(
            found
                .words
                .contains("that empty masks for all images do not have")
        );
        assert!(found.settings.is_empty());
    }
}
