//! Pairs of nearby pixels, and whether they share a class (reference §4.2, §4.3).

use rayon::prelude::*;
use weakseg_data::Stack;
use weakseg_data::resize::resize_nearest;
use weakseg_kernels::{PairLabels, PathIndex};

/// Pair labels of a batch of label maps: 0 background, any class index above, 255 unsure (each a stack of one plane,
/// H × W), brought to the `height` × `width` grid of the network's edge map by nearest neighbours.
///
/// Any number of classes: the reference's `< 21` is not here.
///
/// # Panics
/// If a stack has no plane.
pub fn pair_labels(
    labels: &[Stack<u8>],
    height: usize,
    width: usize,
    paths: &PathIndex,
) -> PairLabels {
    let small: Vec<_> = labels
        .par_iter()
        .map(|label| resize_nearest(&label.to_plane(0), height, width))
        .collect();
    let cells: Vec<u8> = (small.iter())
        .flat_map(|label| label.as_slice().iter().copied())
        .collect();
    PairLabels::new(&cells, [labels.len(), height, width], paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weakseg_kernels::PairKind;

    fn labels(rows: [[u8; 4]; 4]) -> Stack<u8> {
        Stack::new(1, 4, 4, rows.concat()).unwrap()
    }

    /// Radius 2: sources are rows 0..3, columns 1..3; the pair to the right of each source by hand.
    #[test]
    fn four_by_four_fixture() {
        let paths = PathIndex::new(2);
        let of = labels([
            [0, 0, 0, 0],
            [0, 0, 30, 30],
            [255, 30, 30, 7],
            [0, 0, 30, 7],
        ]);
        let pairs = pair_labels(&[of], 4, 4, &paths);
        let right = paths
            .directions()
            .iter()
            .position(|d| *d == [0, 1])
            .unwrap();
        let below_left = paths
            .directions()
            .iter()
            .position(|d| *d == [1, -1])
            .unwrap();
        let kinds = pairs.kinds();
        let at = |kind: PairKind, direction: usize| {
            let kinds = &kinds[direction * 6..][..6];
            let is_kind = kinds.iter().map(|k| u8::from(*k == kind));
            is_kind.collect::<Vec<_>>()
        };
        let (b, f, n) = (
            PairKind::Background,
            PairKind::Foreground,
            PairKind::Negative,
        );
        // sources: (0,1) (0,2) (1,1) (1,2) (2,1) (2,2), labels 0 0 0 30 30 30; right of them 0 0 30 30 30 7
        assert_eq!(at(b, right), [1, 1, 0, 0, 0, 0]);
        assert_eq!(at(f, right), [0, 0, 0, 1, 1, 0]);
        assert_eq!(at(n, right), [0, 0, 1, 0, 0, 1]);
        // below to the left: 0 0 255 30 0 0
        assert_eq!(at(b, below_left), [1, 1, 0, 0, 0, 0]);
        assert_eq!(at(f, below_left), [0, 0, 0, 1, 0, 0]);
        assert_eq!(at(n, below_left), [0, 0, 0, 0, 1, 1]);
        let count = |kind| kinds.iter().filter(|k| **k == kind).count() as u64;
        assert_eq!(pairs.counts(), [count(b), count(f), count(n)]);
    }

    #[test]
    fn unsure_pixels_teach_nothing() {
        let pairs = pair_labels(&[labels([[255; 4]; 4])], 4, 4, &PathIndex::new(2));
        assert_eq!(pairs.counts(), [0; 3]);
        assert_eq!(pairs.kinds(), [PairKind::Unsure; 24]);
    }

    #[test]
    fn labels_are_brought_to_the_edge_maps_grid() {
        let fine =
            Stack::new(1, 16, 16, (0..256).map(|i| u8::from(i % 16 >= 8)).collect()).unwrap();
        let coarse = labels([[0, 0, 1, 1]; 4]);
        let paths = PathIndex::new(2);
        let of = |l: Stack<u8>| pair_labels(&[l], 4, 4, &paths);
        assert_eq!(of(fine).counts(), of(coarse).counts());
    }
}
