//! Boundaries cut down to their ridges.

use weakseg_data::Plane;

/// Keeps the ridges of a boundary map: the cells at least as high as both horizontal neighbours, or at least as high as
/// both vertical ones (non-maximum suppression, as Canny 1986, §VII, along the two axes). All others become 0. A
/// boundary of the very same height all along its course stays as wide as it is.
///
/// Departs from IRNet, which walks along its boundary map as it is: because on the grid of a small image the learned
/// boundaries are several cells wide, a good part of a small object, and no score reaches a cell of a boundary.
pub fn thin(edge: &Plane<f32>) -> Plane<f32> {
    let (height, width) = (edge.height(), edge.width());
    let values = edge.as_slice();
    let at = |y: usize, x: usize| values[y * width + x];
    let ridges = (0..height * width)
        .map(|cell| {
            let (y, x) = (cell / width, cell % width);
            let own = at(y, x);
            let across = (x == 0 || own >= at(y, x - 1)) && (x + 1 == width || own >= at(y, x + 1));
            let along = (y == 0 || own >= at(y - 1, x)) && (y + 1 == height || own >= at(y + 1, x));
            if across || along { own } else { 0.0 }
        })
        .collect();
    Plane::new(height, width, ridges).expect("one value a cell")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_boundary_keeps_its_ridge() {
        // A vertical boundary whose profile rises and falls.
        let row = [0.0, 0.3, 0.9, 0.4, 0.1];
        let flat = Plane::new(3, 5, row.repeat(3)).unwrap();
        // Along it all cells are equal, so that only the profile could tell, and every cell is kept …
        assert_eq!(thin(&flat), flat);
        // … but a boundary whose height varies along its course is cut to the ridge where it is not the highest.
        let slope: Vec<f32> = [1.0, 0.9, 0.8]
            .iter()
            .flat_map(|f| row.map(|v| v * f))
            .collect();
        let thinned = thin(&Plane::new(3, 5, slope).unwrap());
        assert_eq!(thinned.as_slice()[5..10], [0.0, 0.0, 0.9 * 0.9, 0.0, 0.0]);
    }

    #[test]
    fn one_cell_is_a_ridge() {
        let dot = Plane::new(1, 1, vec![0.4]).unwrap();
        assert_eq!(thin(&dot), dot);
    }
}
