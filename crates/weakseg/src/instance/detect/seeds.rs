//! What competes for the pixels of an image.

use super::Evidence;
use crate::instance::cluster::Clusters;

/// Most pairs of a class and a cluster that compete with each other (all of an image's for exclusive classes, those of
/// one finding for findings): as many as there can be instances of IRNet's smallest area, 1 % of the image.
///
/// Those that have the most to walk with are kept: a walk moves what is there and adds nothing to it.
pub const MOST: usize = 100;

/// A class and a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed {
    /// Of the class in the evidence.
    pub(super) place: usize,
    pub(super) cluster: u32,
}

/// Those classes of a group and clusters that have something in common, at most `most` of them, and how many more there
/// are: a map of zeros stays one, however far it walks.
///
/// The order is that of classes and clusters. Of equal ones the first are kept.
pub(super) fn seeds(
    evidence: &Evidence<'_>,
    clusters: &Clusters,
    group: &[usize],
    most: usize,
) -> (Vec<Seed>, usize) {
    let mut seeds: Vec<(Seed, f64)> = Vec::new();
    for &place in group {
        // What of the class's map walks from each cluster.
        let mut mass = vec![0f64; clusters.count + 1];
        let map = evidence.maps.plane(place).iter();
        let cells = map.zip(evidence.edges.as_slice());
        let mut there = vec![false; clusters.count + 1];
        for ((&value, &edge), &cluster) in cells.zip(clusters.of.as_slice()) {
            there[cluster as usize] |= value > 0.0;
            mass[cluster as usize] += f64::from(value.max(0.0)) * f64::from(1.0 - edge);
        }
        let clusters = (1..=clusters.count as u32).filter(|&c| there[c as usize]);
        seeds.extend(clusters.map(|cluster| (Seed { place, cluster }, mass[cluster as usize])));
    }
    let left_out = seeds.len().saturating_sub(most);
    if left_out > 0 {
        seeds.sort_by(|a, b| b.1.total_cmp(&a.1));
        seeds.truncate(most);
        seeds.sort_by_key(|(seed, _)| (seed.place, seed.cluster));
    }
    (seeds.into_iter().map(|(seed, _)| seed).collect(), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weakseg_data::{Plane, Stack};

    #[test]
    fn those_with_the_most_to_walk_with_are_kept_in_order() {
        // Four clusters of one cell each and a cell of none; two classes.
        let clusters = Clusters {
            count: 4,
            of: Plane::new(1, 5, vec![1, 2, 3, 4, 0]).unwrap(),
        };
        let maps = Stack::new(
            2,
            1,
            5,
            vec![0.5, 0.0, 0.75, 0.25, 9.0, 1.0, 0.5, -3.0, 1.0, 9.0],
        );
        let evidence = Evidence {
            keys: &[3, 7],
            maps: &maps.unwrap(),
            // The last cluster lies on a boundary for nine tenths.
            edges: &Plane::new(1, 5, vec![0.0, 0.0, 0.0, 0.9, 0.0]).unwrap(),
            field: &Stack::filled(2, 1, 5, 0.0),
        };
        let of = |group: &[usize], most| {
            let (seeds, left_out) = seeds(&evidence, &clusters, group, most);
            let pairs: Vec<_> = seeds.iter().map(|s| (s.place, s.cluster)).collect();
            (pairs, left_out)
        };
        let all = vec![(0, 1), (0, 3), (0, 4), (1, 1), (1, 2), (1, 4)];
        assert_eq!(of(&[0, 1], 100), (all.clone(), 0));
        assert_eq!(of(&[0, 1], 6), (all, 0));
        assert_eq!(of(&[0, 1], 2), (vec![(0, 3), (1, 1)], 4));
        assert_eq!(
            of(&[0, 1], 3),
            (vec![(0, 1), (0, 3), (1, 1)], 3),
            "of equal ones the first"
        );
        assert_eq!(of(&[1], 1), (vec![(1, 1)], 2));
        assert_eq!(of(&[], 1), (vec![], 0));
    }
}
