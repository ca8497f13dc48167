//! Which cases are shown, and their rows of pictures: image, maps, prediction, truth.

use weakseg_data::{Plane, Stack};

use super::colour;
use super::error::ReportError;
use super::figures::Picture;

/// At most so many rows of pictures stand in a report; the first ones are kept.
pub const MAX_ROWS: usize = 24;

/// Why a case is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Among the highest IoU of the cases with a finding.
    Best,
    /// In the middle.
    Median,
    /// Among the lowest.
    Worst,
    /// A healthy case in which something was found.
    FalsePositive,
    /// A healthy case left empty.
    TrueNegative,
    /// Fewer than three cases could be ranked, or the case has no truth.
    Example,
}

impl Role {
    /// The name on the page.
    pub fn title(self) -> &'static str {
        match self {
            Role::Best => "best",
            Role::Median => "median",
            Role::Worst => "worst",
            Role::FalsePositive => "false alarm on a healthy case",
            Role::TrueNegative => "healthy, left empty",
            Role::Example => "example",
        }
    }

    /// Whether something was found where nothing is.
    pub fn is_alarm(self) -> bool {
        self == Role::FalsePositive
    }
}

/// What choosing needs to know of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CaseScore {
    /// IoU of prediction and truth, in 0..=1; none without a truth.
    pub iou: Option<f64>,
    /// Whether the truth shows a finding.
    pub positive: bool,
    /// Pixels predicted.
    pub predicted: u64,
}

/// The cases to show, by index into `scores`, `rows` at most and no case twice: as many of the best as of the median,
/// of the worst, and of the false alarms with the largest area.
///
/// The choice depends on the scores and their order alone.
pub fn choose(scores: &[CaseScore], rows: usize) -> Vec<(usize, Role)> {
    let those = |are: fn(&CaseScore) -> bool| -> Vec<usize> {
        (0..scores.len()).filter(|&i| are(&scores[i])).collect()
    };
    let mut scored = those(|case| case.positive && case.iou.is_some());
    let iou = |i: usize| scores[i].iou.unwrap_or_default();
    scored.sort_by(|&a, &b| iou(b).total_cmp(&iou(a)));
    let mut alarms = those(|case| !case.positive && case.predicted > 0);
    alarms.sort_by_key(|&i| std::cmp::Reverse(scores[i].predicted));
    let mut quiet = those(|case| !case.positive && case.predicted == 0);
    quiet.truncate(usize::from(alarms.is_empty()));
    let each = rows.div_ceil(4);
    alarms.truncate(each);
    let of_three = each.min(scored.len() / 3);
    let middle = (scored.len() - of_three) / 2;
    let mut median = scored[middle..][..of_three].to_vec();
    median.rotate_left(of_three / 2); // the one in the middle first
    let worst: Vec<usize> = scored.iter().rev().take(of_three).copied().collect();
    let examples = match scored.len() {
        0..3 => [
            &scored[..],
            &those(|case| case.positive && case.iou.is_none()),
        ]
        .concat(),
        _ => Vec::new(),
    };
    let lists = [
        (Role::Best, &scored[..of_three]),
        (Role::Median, &median[..]),
        (Role::Worst, &worst[..]),
        (Role::FalsePositive, &alarms[..]),
        (Role::TrueNegative, &quiet[..]),
        (Role::Example, &examples[..]),
    ];
    // In turn, so that few rows show something of each.
    let in_turn = (0..rows).flat_map(|rank| {
        let of_rank = lists
            .iter()
            .map(move |(role, list)| (list.get(rank), *role));
        of_rank.filter_map(|(case, role)| Some((*case?, role)))
    });
    let mut chosen: Vec<(usize, Role)> = in_turn.take(rows).collect();
    chosen.sort_by_key(|&(_, role)| role);
    chosen
}

/// What a case's row is drawn from; maps and masks may have any size, each covers the whole image.
#[derive(Debug, Clone, Copy)]
pub struct CasePictures<'a> {
    /// The image, 1 or 3 channels.
    pub image: &'a Stack<u8>,
    /// The CAM of 0..=1, the greatest over the classes where there are several.
    pub cam: Option<&'a Plane<f32>>,
    /// The map after IRNet's random walk, of 0..=1.
    pub irn: Option<&'a Plane<f32>>,
    /// The segmentation network's mask: class numbers, or one plane of 0/1 per finding.
    pub prediction: Option<&'a Stack<u8>>,
    /// The true mask in the same form.
    pub truth: Option<&'a Stack<u8>>,
    /// How many findings or classes masks tell apart; the truth of a single one has a colour of its own.
    pub classes: usize,
}

/// One picture of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    /// The caption.
    pub caption: String,
    /// The picture as a `data:` address, `None` where the step made none.
    pub uri: Option<String>,
}

/// One case's row of pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GalleryRow {
    /// The case's id; escaped on the page.
    pub id: String,
    /// Why it is shown.
    pub role: Role,
    /// What to say of it, such as `IoU 0.71`.
    pub note: String,
    /// The pictures, in the order of the steps.
    pub panels: Vec<Panel>,
}

impl GalleryRow {
    /// Draws a row: image | CAM | IRNet | segmentation (with the truth's outline where there is a
    /// single finding) | truth.
    ///
    /// # Errors
    /// When the image has neither 1 nor 3 channels or a map has no pixels.
    pub fn draw(
        id: impl Into<String>,
        role: Role,
        note: impl Into<String>,
        case: &CasePictures<'_>,
    ) -> Result<Self, ReportError> {
        let image = Picture::of(case.image)?;
        let heat = |map: Option<&Plane<f32>>| map.map(|map| image.with_heat(map)).transpose();
        let single = case.classes == 1;
        let truth_colour = |class: usize| {
            if single {
                colour::truth()
            } else {
                colour::class(class)
            }
        };
        let prediction = case.prediction.map(|mask| {
            let drawn = image.with_mask(mask, &colour::class);
            match case.truth.filter(|_| single) {
                Some(truth) => drawn.with_outline(truth, &truth_colour),
                None => drawn,
            }
        });
        let truth = case.truth.map(|mask| image.with_mask(mask, &truth_colour));
        let pictures = [
            ("Image", Some(image.clone())),
            ("CAM", heat(case.cam)?),
            ("IRNet", heat(case.irn)?),
            ("Segmentation", prediction),
            ("Truth", truth),
        ];
        let panel = |(caption, picture): (&str, Option<Picture>)| {
            let uri = picture.map(|p| p.to_data_uri()).transpose()?;
            Ok(Panel {
                caption: caption.to_owned(),
                uri,
            })
        };
        let panels = pictures
            .into_iter()
            .map(panel)
            .collect::<Result<_, ReportError>>()?;
        Ok(GalleryRow {
            id: id.into(),
            role,
            note: note.into(),
            panels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(iou: f64, positive: bool, predicted: u64) -> CaseScore {
        CaseScore {
            iou: Some(iou),
            positive,
            predicted,
        }
    }

    #[test]
    fn best_median_worst_and_the_largest_false_alarms() {
        let mut scores: Vec<CaseScore> = (0..9)
            .map(|i| score(f64::from(i) / 10.0, true, 5))
            .collect();
        scores.extend([
            score(1.0, false, 0),
            score(0.0, false, 7),
            score(0.0, false, 90),
        ]);
        assert_eq!(
            choose(&scores, 4),
            [
                (8, Role::Best),
                (4, Role::Median),
                (0, Role::Worst),
                (11, Role::FalsePositive)
            ]
        );
        let two = choose(&scores, 8);
        let mut indices: Vec<usize> = two.iter().map(|c| c.0).collect();
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), two.len(), "no case twice: {two:?}");
        let places: Vec<usize> = choose(&scores, 5).iter().map(|c| c.0).collect();
        assert_eq!(places, [8, 7, 4, 0, 11], "one of each before a second");
        assert_eq!(choose(&scores, 1), [(8, Role::Best)]);
        assert_eq!(choose(&scores, 0), []);
    }

    #[test]
    fn a_case_without_truth_is_no_failure() {
        let unknown = CaseScore {
            iou: None,
            ..score(0.0, true, 9)
        };
        let of = |scores: &[CaseScore]| choose(scores, 8);
        assert_eq!(of(&[unknown]), [(0, Role::Example)]);
        let three = [
            unknown,
            score(0.1, true, 1),
            score(0.2, true, 1),
            score(0.3, true, 1),
        ];
        let expected = [(3, Role::Best), (2, Role::Median), (1, Role::Worst)];
        assert_eq!(of(&three), expected);
    }

    #[test]
    fn few_cases_are_examples() {
        assert_eq!(choose(&[], 12), []);
        assert_eq!(choose(&[score(0.4, true, 1)], 12), [(0, Role::Example)]);
        assert_eq!(
            choose(&[score(1.0, false, 0)], 12),
            [(0, Role::TrueNegative)]
        );
    }

    #[test]
    fn fifty_thousand_cases_give_a_handful() {
        let scores: Vec<CaseScore> = (0..50_000_u32)
            .map(|i| score(f64::from(i % 977) / 977.0, i % 3 != 0, u64::from(i)))
            .collect();
        assert_eq!(choose(&scores, 12).len(), 12);
    }

    #[test]
    fn a_row_has_five_panels_and_says_what_is_missing() {
        let image = Stack::filled(1, 64, 64, 90_u8);
        let map = Plane::filled(16, 16, 0.5_f32);
        let (irn, prediction, truth) = (None, None, None);
        let case = CasePictures {
            image: &image,
            cam: Some(&map),
            irn,
            prediction,
            truth,
            classes: 1,
        };
        let row = GalleryRow::draw("a", Role::Example, "", &case).expect("a row");
        let given: Vec<bool> = row.panels.iter().map(|p| p.uri.is_some()).collect();
        assert_eq!(given, [true, true, false, false, false]);
    }

    /// Of several classes a mask that shows the first alone is drawn as the key says.
    #[test]
    fn the_first_of_several_classes_has_its_own_colour() {
        let image = Stack::filled(1, 8, 8, 90_u8);
        let mask = Stack::filled(1, 8, 8, 1_u8);
        let drawn = |classes: usize| {
            let case = CasePictures {
                image: &image,
                cam: None,
                irn: None,
                prediction: Some(&mask),
                truth: Some(&mask),
                classes,
            };
            let row = GalleryRow::draw("a", Role::Example, "", &case).expect("a row");
            let [.., prediction, truth] = &row.panels[..] else {
                panic!("five panels");
            };
            prediction.uri == truth.uri
        };
        assert!(drawn(20), "one class, one colour");
        assert!(!drawn(1), "prediction and truth are told apart");
    }
}
