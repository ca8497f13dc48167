//! Cases to splits: by patient, with the labels spread as evenly as whole patients allow, from a seed.

use std::collections::BTreeMap;

use crate::chance::{Purpose, shuffle, stream};
use crate::{DataError, Split};

/// What a case brings to the choice of its split.
pub(crate) struct Candidate<'a> {
    /// Cases of one group stay together.
    pub(crate) group: &'a str,
    /// Its labels.
    pub(crate) labels: &'a [bool],
    /// Whether its group must be held out from training.
    pub(crate) held_out: bool,
}

/// Refuses shares that leave nothing to validate with, or nothing to train on.
pub(crate) fn check_shares(val_fraction: f64, test_fraction: f64) -> Result<(), DataError> {
    let wrong = |key, found: f64, expected: &str| {
        Err(DataError::Config {
            key,
            found: found.to_string(),
            expected: expected.into(),
        })
    };
    if !(val_fraction > 0.0 && val_fraction < 1.0) {
        return wrong("val_fraction", val_fraction, "a share above 0 and below 1");
    }
    if !(test_fraction >= 0.0 && val_fraction + test_fraction < 1.0) {
        let expected = "a share of at least 0 that leaves some for training beside `val_fraction`";
        return wrong("test_fraction", test_fraction, expected);
    }
    Ok(())
}

/// The split of every candidate, in order.
///
/// Groups (patients) are taken from large to small, chance deciding among equals, and each goes where it brings the
/// number of positives of each class and of cases without any class nearest to the split's share: the split with the
/// least sum over these strata of (count - share)^2 / total. Groups held out go to [`Split::Val`] first. No split with
/// a share stays empty while another can spare a group.
pub(crate) fn by_group(
    candidates: &[Candidate<'_>],
    val_fraction: f64,
    test_fraction: f64,
    seed: u64,
) -> Vec<Split> {
    let shares = [
        1.0 - val_fraction - test_fraction,
        val_fraction,
        test_fraction,
    ];
    deal(candidates, seed, |totals| {
        shares
            .iter()
            .map(|share| totals.iter().map(|total| share * total).collect())
            .collect()
    })
}

/// Cases of one class that a split is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) positive: usize,
    pub(crate) negative: usize,
}

/// As [`by_group`], for one class and with numbers of cases instead of shares. They are met exactly where each group is
/// one case, else as nearly as whole groups allow.
pub(crate) fn by_counts(
    candidates: &[Candidate<'_>],
    val: Held,
    test: Held,
    seed: u64,
) -> Vec<Split> {
    deal(candidates, seed, |totals| {
        let held = [val, test].map(|held| vec![held.negative as f64, held.positive as f64]);
        let [val, test] = held;
        let rest = totals.iter().zip(val.iter().zip(&test));
        let train = rest.map(|(total, (a, b))| total - a - b).collect();
        vec![train, val, test]
    })
}

/// Deals groups out to splits; `targets` gives the cases wanted of each stratum in each split, from the totals.
fn deal(
    candidates: &[Candidate<'_>],
    seed: u64,
    targets: impl FnOnce(&[f64]) -> Vec<Vec<f64>>,
) -> Vec<Split> {
    let classes = candidates.first().map_or(0, |first| first.labels.len());
    // Strata: cases without any class, positives of each class. The number of all cases is none: while groups of one
    // kind are dealt it would pull them to the split that still lacks the other kind.
    let strata = |candidate: &Candidate<'_>| {
        let mut counts = vec![0.0; classes + 1];
        counts[0] = f64::from(u8::from(!candidate.labels.contains(&true)));
        for (count, &label) in counts[1..].iter_mut().zip(candidate.labels) {
            *count = f64::from(u8::from(label));
        }
        counts
    };
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    let mut totals = vec![0.0; classes + 1];
    for (index, candidate) in candidates.iter().enumerate() {
        let counts = strata(candidate);
        let group = groups.entry(candidate.group).or_insert_with(|| Group {
            members: Vec::new(),
            counts: vec![0.0; classes + 1],
            held_out: false,
        });
        group.members.push(index);
        group.held_out |= candidate.held_out;
        for ((sum, total), count) in group.counts.iter_mut().zip(&mut totals).zip(counts) {
            *sum += count;
            *total += count;
        }
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    shuffle(&mut stream(Purpose::Split, seed, 0, 0), &mut groups);
    groups.sort_by_key(|group| (!group.held_out, std::cmp::Reverse(group.members.len())));

    let mut deal = Deal {
        targets: targets(&totals),
        totals,
        filled: vec![vec![0.0; classes + 1]; Split::ALL.len()],
    };
    let mut homes: Vec<usize> = Vec::with_capacity(groups.len());
    for group in &groups {
        let home = if group.held_out { 1 } else { deal.best(group) };
        deal.put(group, home, 1.0);
        homes.push(home);
    }
    deal.fill_empty(&groups, &mut homes);
    let mut splits = vec![Split::Train; candidates.len()];
    for (group, &home) in groups.iter().zip(&homes) {
        for &member in &group.members {
            splits[member] = Split::ALL[home];
        }
    }
    splits
}

struct Group {
    members: Vec<usize>,
    /// Cases in each stratum.
    counts: Vec<f64>,
    held_out: bool,
}

/// How far the splits are filled.
struct Deal {
    /// Cases wanted of each stratum in each split.
    targets: Vec<Vec<f64>>,
    totals: Vec<f64>,
    /// Cases of each split in each stratum.
    filled: Vec<Vec<f64>>,
}

impl Deal {
    fn put(&mut self, group: &Group, split: usize, sign: f64) {
        for (have, count) in self.filled[split].iter_mut().zip(&group.counts) {
            *have += sign * count;
        }
    }

    /// How much further from its share a split would be with (`sign` 1) or without (-1) a group.
    fn cost(&self, group: &Group, split: usize, sign: f64) -> f64 {
        let parts = self.filled[split]
            .iter()
            .zip(&group.counts)
            .zip(&self.totals)
            .zip(&self.targets[split]);
        parts
            .filter(|((_, total), _)| **total > 0.0)
            .map(|(((have, count), total), target)| {
                let off = have - target;
                ((off + sign * count).powi(2) - off.powi(2)) / total
            })
            .sum()
    }

    fn wanted(&self) -> Vec<usize> {
        let wants = |split: &usize| self.targets[*split].iter().any(|&target| target > 0.0);
        (0..self.targets.len()).filter(wants).collect()
    }

    fn best(&self, group: &Group) -> usize {
        let costs = self
            .wanted()
            .into_iter()
            .map(|split| (split, self.cost(group, split, 1.0)));
        costs
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(split, _)| split)
    }

    /// Gives each split that is wanted and empty the group that is missed least where it is, if any can be spared: in
    /// a set of few groups every share of a stratum may be below one half.
    fn fill_empty(&mut self, groups: &[Group], homes: &mut [usize]) {
        for split in self.wanted() {
            if homes.contains(&split) {
                continue;
            }
            let spare = |home: usize| homes.iter().filter(|&&other| other == home).count() > 1;
            let moves = (0..groups.len()).filter(|&at| !groups[at].held_out && spare(homes[at]));
            let cost = |at: usize| {
                self.cost(&groups[at], homes[at], -1.0) + self.cost(&groups[at], split, 1.0)
            };
            let Some(at) = moves.min_by(|&a, &b| cost(a).total_cmp(&cost(b))) else {
                continue;
            };
            self.put(&groups[at], homes[at], -1.0);
            self.put(&groups[at], split, 1.0);
            homes[at] = split;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 patients of 1 to 3 images, a third of them positive, some with boxes.
    fn set() -> Vec<(String, Vec<bool>, bool)> {
        let mut set = Vec::new();
        for patient in 0..200 {
            for image in 0..=patient % 3 {
                let positive = patient % 3 == 0 || (patient == 1 && image == 0);
                set.push((format!("p{patient}"), vec![positive], patient % 50 == 0));
            }
        }
        set
    }

    fn split(set: &[(String, Vec<bool>, bool)], seed: u64) -> Vec<Split> {
        let candidates: Vec<Candidate<'_>> = set
            .iter()
            .map(|(group, labels, held_out)| Candidate {
                group,
                labels,
                held_out: *held_out,
            })
            .collect();
        by_group(&candidates, 0.2, 0.1, seed)
    }

    /// The paper's division of SIIM-ACR, §4.1: 2379 and 8296 to train on, 145 and 541 in each half of what is held out;
    /// every seventh patient has several images.
    #[test]
    fn the_papers_counts_are_met_and_no_patient_crosses() {
        let positives = 2379 + 2 * 145;
        let cases = positives + 8296 + 2 * 541;
        let patient = |case: usize| match case % 7 {
            0..=2 => format!("p{}", case / 7),
            _ => format!("alone{case}"),
        };
        let patients: Vec<String> = (0..cases).map(patient).collect();
        let labels: Vec<[bool; 1]> = (0..cases)
            .map(|case| [case * 5 % cases < positives])
            .collect();
        let candidates: Vec<Candidate<'_>> = patients
            .iter()
            .zip(&labels)
            .map(|(group, labels)| Candidate {
                group,
                labels,
                held_out: false,
            })
            .collect();
        let held = || Held {
            positive: 145,
            negative: 541,
        };
        for seed in 0..3 {
            let splits = by_counts(&candidates, held(), held(), seed);
            let count = |split: Split, positive: bool| {
                let pairs = splits.iter().zip(&labels);
                pairs
                    .filter(|(at, [label])| **at == split && *label == positive)
                    .count()
            };
            let counts = Split::ALL.map(|split| [count(split, true), count(split, false)]);
            assert_eq!(counts, [[2379, 8296], [145, 541], [145, 541]], "{seed}");
            let mut homes: BTreeMap<&str, Split> = BTreeMap::new();
            for (patient, &split) in patients.iter().zip(&splits) {
                assert_eq!(*homes.entry(patient).or_insert(split), split, "{patient}");
            }
        }
    }

    #[test]
    fn no_patient_crosses_and_shares_hold_per_label() {
        let set = set();
        let splits = split(&set, 7);
        let mut of: BTreeMap<&str, Split> = BTreeMap::new();
        for ((patient, _, held_out), &split) in set.iter().zip(&splits) {
            assert_eq!(*of.entry(patient).or_insert(split), split, "{patient}");
            assert!(!held_out || split == Split::Val);
        }
        for positive in [true, false] {
            let of_label = || {
                set.iter()
                    .zip(&splits)
                    .filter(move |((_, labels, _), _)| labels[0] == positive)
            };
            let total = of_label().count() as f64;
            for (wanted, share) in Split::ALL.into_iter().zip([0.7, 0.2, 0.1]) {
                let got = of_label().filter(|&(_, &split)| split == wanted).count() as f64;
                assert!(
                    (got - share * total).abs() <= 3.0,
                    "{wanted} {positive}: {got} of {total}"
                );
            }
        }
    }

    #[test]
    fn counts_are_met_where_groups_are_single_cases() {
        let ids: Vec<String> = (0..300).map(|at| format!("i{at}")).collect();
        let candidates: Vec<Candidate<'_>> = ids
            .iter()
            .enumerate()
            .map(|(at, id)| Candidate {
                group: id,
                labels: if at % 4 == 0 { &[true] } else { &[false] },
                held_out: false,
            })
            .collect();
        let held = |positive, negative| Held { positive, negative };
        let splits = by_counts(&candidates, held(14, 54), held(7, 0), 3);
        let count = |wanted: Split, positive: bool| {
            let pairs = candidates.iter().zip(&splits);
            pairs
                .filter(|(case, split)| **split == wanted && case.labels[0] == positive)
                .count()
        };
        assert_eq!(
            (count(Split::Val, true), count(Split::Val, false)),
            (14, 54)
        );
        assert_eq!(
            (count(Split::Test, true), count(Split::Test, false)),
            (7, 0)
        );
        assert_eq!(
            (count(Split::Train, true), count(Split::Train, false)),
            (54, 171)
        );
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let set = set();
        assert_eq!(split(&set, 1), split(&set, 1));
        assert_ne!(split(&set, 1), split(&set, 2));
    }

    #[test]
    fn the_order_of_rows_changes_nothing() {
        // Labels of patients are distinct enough that a reordering would show.
        let set = set();
        let mut reversed = set.clone();
        reversed.reverse();
        let mut splits = split(&reversed, 3);
        splits.reverse();
        assert_eq!(splits, split(&set, 3));
    }

    #[test]
    fn few_groups_leave_no_split_empty() {
        for count in 3..12 {
            let set: Vec<_> = (0..count)
                .map(|index| {
                    (
                        format!("p{index}"),
                        vec![index % 4 == 0, index % 3 == 0],
                        false,
                    )
                })
                .collect();
            let splits = split(&set, 0);
            assert!(
                Split::ALL.iter().all(|split| splits.contains(split)),
                "{count}: {splits:?}"
            );
        }
        let one = [("p".to_owned(), vec![true], false)];
        assert_eq!(split(&one, 0), [Split::Train]);
        assert!(split(&[], 0).is_empty());
    }
}
