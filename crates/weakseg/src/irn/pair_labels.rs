//! Pairs of nearby pixels, and whether they share a class (reference §4.2, §4.3).

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use weakseg_data::resize::resize_nearest;
use weakseg_data::{Stack, VOID};
use weakseg_kernels::PathIndex;

/// Which of a batch's pairs teach what: three masks of 0 and 1, `[B, D, S]` for D directions from S source pixels each.
/// A pair with an unsure pixel is in none of them.
#[derive(Debug, Clone)]
pub struct PairLabels {
    /// Both background.
    pub background: Tensor<3>,
    /// Both of one class that is not the background.
    pub foreground: Tensor<3>,
    /// Of two classes.
    pub negative: Tensor<3>,
    /// Number of pairs in each, in this order.
    pub counts: [u64; 3],
}

/// Pair labels of a batch of label maps: 0 background, any class index above, 255 unsure (each a stack of one plane,
/// H × W), brought to the `height` × `width` grid of the network's edge map by nearest neighbours.
///
/// Directions D and sources S are those of `paths`, in its order. Any number of classes: the reference's `< 21` is not
/// here.
///
/// # Panics
/// If a stack has no plane.
pub fn pair_labels(
    labels: &[Stack<u8>],
    height: usize,
    width: usize,
    paths: &PathIndex,
    device: &Device,
) -> PairLabels {
    let sources = paths.sources(height, width);
    let directions = paths.directions();
    let pixels = sources.pixels();
    let kinds: Vec<Vec<Kind>> = labels
        .par_iter()
        .map(|label| {
            let small = resize_nearest(&label.to_plane(0), height, width);
            let of = |pixel: usize| small.as_slice()[pixel];
            let to = |pixel: usize, direction| pixel.wrapping_add_signed(sources.offset(direction));
            directions
                .iter()
                .flat_map(|&d| pixels.iter().map(move |&p| kind(of(p), of(to(p, d)))))
                .collect()
        })
        .collect();
    let shape = [labels.len(), directions.len(), sources.len()];
    let mask = |wanted: Kind| {
        let values: Vec<f32> = kinds
            .iter()
            .flatten()
            .map(|&k| f32::from(u8::from(k == wanted)))
            .collect();
        let count = kinds.iter().flatten().filter(|&&k| k == wanted).count() as u64;
        (
            Tensor::from_data(TensorData::new(values, shape), device),
            count,
        )
    };
    let (background, b) = mask(Kind::Background);
    let (foreground, f) = mask(Kind::Foreground);
    let (negative, n) = mask(Kind::Negative);
    PairLabels {
        background,
        foreground,
        negative,
        counts: [b, f, n],
    }
}

/// What a pair teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Background,
    Foreground,
    Negative,
    Unsure,
}

fn kind(source: u8, destination: u8) -> Kind {
    match (source, destination) {
        (VOID, _) | (_, VOID) => Kind::Unsure,
        (0, 0) => Kind::Background,
        (a, b) if a == b => Kind::Foreground,
        _ => Kind::Negative,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: [[u8; 4]; 4]) -> Stack<u8> {
        Stack::new(1, 4, 4, rows.concat()).unwrap()
    }

    fn values(t: &Tensor<3>) -> Vec<f32> {
        t.to_data().try_to_vec().unwrap()
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
        let pairs = pair_labels(&[of], 4, 4, &paths, &Device::flex());
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
        let [b, f, n] = [&pairs.background, &pairs.foreground, &pairs.negative].map(values);
        let at = |mask: &[f32], direction: usize| mask[direction * 6..][..6].to_vec();
        // sources: (0,1) (0,2) (1,1) (1,2) (2,1) (2,2), labels 0 0 0 30 30 30; right of them 0 0 30 30 30 7
        assert_eq!(at(&b, right), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(at(&f, right), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(at(&n, right), [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        // below to the left: 0 0 255 30 0 0
        assert_eq!(at(&b, below_left), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(at(&f, below_left), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(at(&n, below_left), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let sums = [b, f, n].map(|m| m.iter().sum::<f32>() as u64);
        assert_eq!(pairs.counts, sums);
    }

    #[test]
    fn unsure_pixels_teach_nothing() {
        let pairs = pair_labels(
            &[labels([[255; 4]; 4])],
            4,
            4,
            &PathIndex::new(2),
            &Device::flex(),
        );
        assert_eq!(pairs.counts, [0; 3]);
        assert_eq!(pairs.background.dims(), [1, 4, 6]);
    }

    #[test]
    fn labels_are_brought_to_the_edge_maps_grid() {
        let fine =
            Stack::new(1, 16, 16, (0..256).map(|i| u8::from(i % 16 >= 8)).collect()).unwrap();
        let coarse = labels([[0, 0, 1, 1]; 4]);
        let paths = PathIndex::new(2);
        let of = |l: Stack<u8>| pair_labels(&[l], 4, 4, &paths, &Device::flex());
        assert_eq!(of(fine).counts, of(coarse).counts);
    }
}
