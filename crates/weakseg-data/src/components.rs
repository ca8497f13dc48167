//! Connected regions of a mask: labelled by union-find in one pass, measured, and the small ones removed.

use crate::Plane;

/// Which neighbours of a pixel belong to its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connectivity {
    /// Left, right, above, below.
    Four,
    /// The diagonal ones too.
    Eight,
}

/// One connected region.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// Its number in the label plane, from 1, in the order in which rows meet it.
    pub label: u32,
    /// Number of pixels.
    pub area: usize,
    /// First row and column, and one past the last ones: `[top, left, bottom, right]`.
    pub bounds: [usize; 4],
    /// Mean row and column of its pixels.
    pub centroid: [f64; 2],
}

/// Labels the connected regions of non-zero pixels: 0 = none, else [`Component::label`]; and measures them.
#[must_use]
pub fn label(mask: &Plane<u8>, connectivity: Connectivity) -> (Plane<u32>, Vec<Component>) {
    let (height, width) = (mask.height(), mask.width());
    let mut parents: Vec<u32> = vec![0];
    let mut labels = Plane::filled(height, width, 0_u32);
    for y in 0..height {
        for x in 0..width {
            if mask.get(y, x) == 0 {
                continue;
            }
            // Those of the four neighbours already visited that belong to the region.
            let mut own = 0;
            let mut meet = |neighbour: u32| {
                if neighbour != 0 {
                    own = if own == 0 {
                        neighbour
                    } else {
                        unite(&mut parents, own, neighbour)
                    };
                }
            };
            if x > 0 {
                meet(labels.get(y, x - 1));
            }
            if y > 0 {
                meet(labels.get(y - 1, x));
                if connectivity == Connectivity::Eight {
                    if x > 0 {
                        meet(labels.get(y - 1, x - 1));
                    }
                    if x + 1 < width {
                        meet(labels.get(y - 1, x + 1));
                    }
                }
            }
            if own == 0 {
                own = parents.len() as u32;
                parents.push(own);
            }
            labels.set(y, x, own);
        }
    }
    number(labels, &mut parents)
}

/// Provisional labels to consecutive ones in reading order, with measures.
fn number(mut labels: Plane<u32>, parents: &mut [u32]) -> (Plane<u32>, Vec<Component>) {
    let width = labels.width();
    let mut numbers = vec![0_u32; parents.len()];
    let mut components: Vec<Component> = Vec::new();
    for (at, value) in labels.as_mut_slice().iter_mut().enumerate() {
        if *value == 0 {
            continue;
        }
        let (y, x) = (at / width, at % width);
        let root = find(parents, *value) as usize;
        if numbers[root] == 0 {
            numbers[root] = components.len() as u32 + 1;
            components.push(Component {
                label: numbers[root],
                area: 0,
                bounds: [y, x, y + 1, x + 1],
                centroid: [0.0, 0.0],
            });
        }
        *value = numbers[root];
        let component = &mut components[*value as usize - 1];
        component.area += 1;
        let [top, left, bottom, right] = component.bounds;
        component.bounds = [top.min(y), left.min(x), bottom.max(y + 1), right.max(x + 1)];
        component.centroid[0] += y as f64;
        component.centroid[1] += x as f64;
    }
    for component in &mut components {
        component.centroid = component.centroid.map(|sum| sum / component.area as f64);
    }
    (labels, components)
}

fn find(parents: &mut [u32], label: u32) -> u32 {
    let mut at = label;
    while parents[at as usize] != at {
        // Path halving.
        parents[at as usize] = parents[parents[at as usize] as usize];
        at = parents[at as usize];
    }
    at
}

fn unite(parents: &mut [u32], a: u32, b: u32) -> u32 {
    let (a, b) = (find(parents, a), find(parents, b));
    let (low, high) = (a.min(b), a.max(b));
    parents[high as usize] = low;
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Plane<u8> {
        Plane::from_fn(rows.len(), rows[0].len(), |y, x| {
            u8::from(rows[y].as_bytes()[x] == b'#')
        })
    }

    #[test]
    fn diagonals_join_under_eight_only() {
        let mask = mask(&["##..#", "..#..", ".#.##"]);
        let (_, four) = label(&mask, Connectivity::Four);
        assert_eq!(
            four.iter().map(|c| c.area).collect::<Vec<_>>(),
            [2, 1, 1, 1, 2]
        );
        let (labels, eight) = label(&mask, Connectivity::Eight);
        assert_eq!(eight.len(), 2, "{labels:?}");
        assert_eq!((eight[0].area, eight[1].area), (6, 1));
        assert_eq!(eight[0].bounds, [0, 0, 3, 5]);
    }

    #[test]
    fn arms_that_meet_late_are_one_region() {
        let comb = mask(&["#.#.#.", "#.#.#.", "#####.", "......", "..##.."]);
        let (labels, found) = label(&comb, Connectivity::Four);
        assert_eq!(found.len(), 2);
        assert_eq!(labels.get(0, 4), 1);
        assert_eq!(found[1].area, 2);
        assert_eq!(found[1].centroid, [4.0, 2.5]);
    }

    #[test]
    fn nothing_and_everything() {
        let (_, none) = label(&Plane::filled(3, 3, 0), Connectivity::Four);
        assert!(none.is_empty());
        let (_, all) = label(&Plane::filled(3, 4, 255), Connectivity::Four);
        assert_eq!(
            (all.len(), all[0].area, all[0].centroid),
            (1, 12, [1.0, 1.5])
        );
        let (_, empty) = label(&Plane::filled(0, 0, 0), Connectivity::Eight);
        assert!(empty.is_empty());
    }
}
