//! Cells whose ways end at one place.

use weakseg_data::components::{self, Connectivity};
use weakseg_data::{Plane, Stack};

use super::InstanceError;
use super::centroid::centroids;

/// Which cells belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clusters {
    /// Number of clusters.
    pub count: usize,
    /// Each cell's cluster, from 1 to [`Clusters::count`], or 0 for none, H × W.
    pub of: Plane<u32>,
}

/// Clusters of the cells of a displacement field (2 × H × W, in cells).
///
/// Where displacements are shorter than `weak` cells (IRNet: 2.5) lie centres: each 4-connected region of such cells is
/// one. The cells whose ways end in it ([`centroids`], at most `steps` steps) are its cluster; centres where no way
/// ends have none. Clusters are numbered in the order in which rows meet their centres (reference §5.6, 2).
///
/// Departs from IRNet's code, where all cells whose ways end outside every centre are one more cluster: because they
/// have no centre in common, and that cluster was found as an object, the background as a rule.
///
/// # Errors
/// Those of [`centroids`]; [`InstanceError::Option`] if `weak` is not above 0.
pub fn clusters(field: &Stack<f32>, steps: usize, weak: f32) -> Result<Clusters, InstanceError> {
    if !(weak.is_finite() && weak > 0.0) {
        return Err(InstanceError::Option {
            name: "the weakest displacement",
            value: weak,
            expected: "a number above 0",
        });
    }
    let ends = centroids(field, steps)?;
    let (height, width) = (field.height(), field.width());
    let still = field
        .plane(0)
        .iter()
        .zip(field.plane(1))
        .map(|(dy, dx)| u8::from(dy.hypot(*dx) < weak))
        .collect();
    let still = Plane::new(height, width, still).expect("one value a cell");
    let (centres, regions) = components::label(&still, Connectivity::Four);
    let mut used = vec![false; regions.len() + 1];
    let met = ends.map(|&[y, x]| centres.get(y, x));
    for &centre in met.as_slice() {
        used[centre as usize] = centre > 0;
    }
    let mut count = 0;
    let numbers: Vec<u32> = used
        .iter()
        .map(|&used| {
            count += u32::from(used);
            if used { count } else { 0 }
        })
        .collect();
    Ok(Clusters {
        count: count as usize,
        of: met.map(|&centre| numbers[centre as usize]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Each of two halves points to its own middle; between them runs a column that points out at the top.
    fn two() -> Stack<f32> {
        let planes = [0, 1].map(|axis| {
            Plane::from_fn(12, 25, |y, x| {
                let middle = match x {
                    0..12 => [6.0, 5.0],
                    12 => return [-9.0, 0.0][axis],
                    _ => [6.0, 19.0],
                };
                middle[axis] - [y, x][axis] as f32
            })
        });
        Stack::from_planes(&planes).unwrap()
    }

    #[test]
    fn two_blobs_are_two_clusters_and_the_rest_is_none() {
        let found = clusters(&two(), 300, 2.5).unwrap();
        assert_eq!(found.count, 2);
        let expected = Plane::from_fn(12, 25, |_, x| match x {
            0..12 => 1,
            12 => 0,
            _ => 2,
        });
        assert_eq!(found.of, expected);
    }

    #[test]
    fn diagonal_centres_are_two() {
        // Still at (0, 0) and (1, 1), which touch at a corner.
        let mut field = Stack::filled(2, 2, 2, 5.0);
        for axis in 0..2 {
            field.plane_mut(axis)[0] = 0.0;
            field.plane_mut(axis)[3] = 0.0;
        }
        let found = clusters(&field, 300, 2.5).unwrap();
        assert_eq!(
            (found.count, found.of.get(0, 0), found.of.get(1, 1)),
            (2, 1, 2)
        );
    }

    #[test]
    fn no_centre_is_no_cluster() {
        let found = clusters(&Stack::filled(2, 4, 4, 9.0), 300, 2.5).unwrap();
        assert_eq!((found.count, found.of), (0, Plane::filled(4, 4, 0)));
        let none = clusters(&Stack::filled(2, 0, 0, 9.0), 300, 2.5).unwrap();
        assert_eq!(none.count, 0);
    }

    #[test]
    fn every_number_is_in_use() {
        let mut random = ChaCha8Rng::seed_from_u64(8);
        for _ in 0..50 {
            let (height, width) = (random.random_range(1..12), random.random_range(1..12));
            let values = (0..2 * height * width)
                .map(|_| random.random_range(-4.0f32..4.0))
                .collect();
            let field = Stack::new(2, height, width, values).unwrap();
            let found = clusters(&field, 300, 2.5).unwrap();
            let mut seen = vec![false; found.count + 1];
            found
                .of
                .as_slice()
                .iter()
                .for_each(|&c| seen[c as usize] = true);
            assert!(seen[1..].iter().all(|&s| s));
        }
    }

    #[test]
    fn a_threshold_that_is_none_is_refused() {
        for weak in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let text = clusters(&two(), 300, weak).unwrap_err().to_string();
            assert!(text.contains("expected a number above 0"), "{text}");
        }
    }
}
