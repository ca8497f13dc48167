//! Where the displacement field leads to.

use rayon::prelude::*;
use weakseg_data::{Plane, Stack};

use super::{InstanceError, check_field};

/// The cell `[row, column]` at which each cell's way along the displacement field ends, H × W.
///
/// `field` is 2 × H × W, displacements down and to the right in cells. The way begins at the cell itself; each of at
/// most `steps` steps (IRNet: 300) adds the displacement at the place reached, bilinear between cells, and stays on the
/// grid. The end is rounded to the nearest cell (reference §5.6, 1).
///
/// Departs from IRNet in effort alone: because a way that a step does not move at all will never move again, it ends
/// there. Places are kept in f64, so that "not at all" means the displacement is lost beside the place.
///
/// # Errors
/// [`InstanceError::Planes`] and [`InstanceError::Value`]: the field has not two planes of finite numbers.
pub fn centroids(field: &Stack<f32>, steps: usize) -> Result<Plane<[usize; 2]>, InstanceError> {
    check_field(field)?;
    let (height, width) = (field.height(), field.width());
    let ends = (0..height * width)
        .into_par_iter()
        .map(|cell| {
            let from = [cell / width, cell % width].map(|at| at as f64);
            follow(field, from, steps).map(|at| at.round() as usize)
        })
        .collect();
    Ok(Plane::new(height, width, ends).expect("one end a cell"))
}

fn follow(field: &Stack<f32>, from: [f64; 2], steps: usize) -> [f64; 2] {
    let last = [field.height() - 1, field.width() - 1].map(|at| at as f64);
    let mut at = from;
    for _ in 0..steps {
        let by = displacement(field, at);
        let next = [0, 1].map(|axis| (at[axis] + by[axis]).clamp(0.0, last[axis]));
        if next == at {
            break;
        }
        at = next;
    }
    at
}

/// The displacement at a place on the grid, bilinear between its four cells.
fn displacement(field: &Stack<f32>, [y, x]: [f64; 2]) -> [f64; 2] {
    let (top, left) = (y.floor() as usize, x.floor() as usize);
    let bottom = (top + 1).min(field.height() - 1);
    let right = (left + 1).min(field.width() - 1);
    let (down, across) = (y - top as f64, x - left as f64);
    [0, 1].map(|axis| {
        let plane = field.plane(axis);
        let value = |y: usize, x: usize| f64::from(plane[y * field.width() + x]);
        let between = |y: usize| value(y, left) * (1.0 - across) + value(y, right) * across;
        between(top) * (1.0 - down) + between(bottom) * down
    })
}

#[cfg(test)]
mod tests {
    use super::super::InstanceError;
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// A field whose displacements `value` gives for `(y, x)`.
    fn field(height: usize, width: usize, value: impl Fn(f32, f32) -> [f32; 2]) -> Stack<f32> {
        let planes = [0, 1]
            .map(|axis| Plane::from_fn(height, width, |y, x| value(y as f32, x as f32)[axis]));
        Stack::from_planes(&planes).unwrap()
    }

    #[test]
    fn a_field_that_points_inward_has_one_centre() {
        for pull in [1.0, 0.5, 0.1] {
            let inward = field(9, 14, |y, x| [pull * (3.0 - y), pull * (8.0 - x)]);
            let ends = centroids(&inward, 300).unwrap();
            assert!(ends.as_slice().iter().all(|&end| end == [3, 8]), "{pull}");
        }
    }

    #[test]
    fn without_steps_or_displacements_everything_stays() {
        let still = Stack::filled(2, 4, 5, 0.0);
        let moving = Stack::filled(2, 4, 5, 1.5);
        for ends in [centroids(&still, 300), centroids(&moving, 0)] {
            assert_eq!(ends.unwrap(), Plane::from_fn(4, 5, |y, x| [y, x]));
        }
    }

    #[test]
    fn nobody_leaves_the_grid() {
        for value in [f32::MAX, -f32::MAX, 1e30, -3.0] {
            let ends = centroids(&Stack::filled(2, 3, 4, value), 300).unwrap();
            let corner = if value > 0.0 { [2, 3] } else { [0, 0] };
            assert!(ends.as_slice().iter().all(|&end| end == corner));
        }
        assert!(
            centroids(&Stack::filled(2, 0, 4, 0.0), 3)
                .unwrap()
                .is_empty()
        );
    }

    /// The published form takes all its steps.
    #[test]
    fn ending_early_changes_nothing() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        for _ in 0..20 {
            let (height, width) = (random.random_range(1..9), random.random_range(1..9));
            let values = (0..2 * height * width)
                .map(|_| random.random_range(-2.0f32..2.0))
                .collect();
            let field = Stack::new(2, height, width, values).unwrap();
            let ends = centroids(&field, 120).unwrap();
            for y in 0..height {
                for x in 0..width {
                    let mut at = [y as f64, x as f64];
                    for _ in 0..120 {
                        at = follow(&field, at, 1);
                    }
                    assert_eq!(ends.get(y, x), at.map(|a| a.round() as usize));
                }
            }
        }
    }

    #[test]
    fn wrong_fields_are_named() {
        let three = centroids(&Stack::filled(3, 2, 2, 0.0), 3).unwrap_err();
        assert_eq!(three, InstanceError::Planes { found: 3 });
        let mut field = Stack::filled(2, 2, 3, 0.0);
        field.plane_mut(1)[4] = f32::NAN;
        let text = centroids(&field, 3).unwrap_err().to_string();
        assert!(
            text.contains("displacements: NaN at row 1, column 1"),
            "{text}"
        );
    }
}
