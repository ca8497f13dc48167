//! Outlines of a mask.

use weakseg_data::Plane;
use weakseg_data::components::{self, Connectivity};

/// A closed outline: its corners `[x, y]` clockwise, x to the right and y down, on the corners of pixels (the pixel of
/// row r and column c is the square from (c, r) to (c + 1, r + 1)). The last is joined to the first.
pub type Polygon = Vec<[usize; 2]>;

/// The polygons that together cover exactly the pixels of a mask that are not 0.
///
/// Each 4-connected part is a polygon without tolerance, which may touch itself at corners. A part with holes is cut
/// along rows into parts without: COCO's polygons know no holes, and whoever fills one by its outline alone fills the
/// holes too.
///
/// Departs from IRNet's code, which traces contours halfway between pixel centres: because these give back other
/// pixels, and holes filled.
pub fn polygons(mask: &Plane<u8>) -> Vec<Polygon> {
    let mut found = Vec::new();
    // Parts still to outline, with the row and column of their first pixel.
    let mut open = vec![([0, 0], mask.clone())];
    while let Some(([top, left], part)) = open.pop() {
        let (labels, pieces) = components::label(&part, Connectivity::Four);
        for piece in pieces {
            let [first, start, last, end] = piece.bounds;
            let own = Plane::from_fn(last - first, end - start, |y, x| {
                u8::from(labels.get(first + y, start + x) == piece.label)
            });
            let corner = [top + first, left + start];
            let mut outlines = outlines(&own);
            let mut cuts: Vec<usize> = outlines[1..].iter().map(upper).collect();
            if cuts.is_empty() {
                let outline = outlines.swap_remove(0).into_iter();
                found.push(
                    outline
                        .map(|[x, y]| [x + corner[1], y + corner[0]])
                        .collect(),
                );
                continue;
            }
            // At the middle hole's upper end, so that each side keeps half of the holes; that one opens to the cut.
            cuts.sort_unstable();
            let cut = cuts[cuts.len() / 2];
            let rows = |from: usize, to: usize| {
                Plane::from_fn(to - from, own.width(), |y, x| own.get(from + y, x))
            };
            open.push(([corner[0] + cut, corner[1]], rows(cut, own.height())));
            open.push((corner, rows(0, cut)));
        }
    }
    found
}

/// The mask that [`polygons`] gave these of: the pixels of an image of `[height, width]` with an odd number of upright
/// sides to their left. `None` if a corner lies outside of the image, or a side is neither level nor upright.
pub fn fill(polygons: &[Polygon], [height, width]: [usize; 2]) -> Option<Plane<u8>> {
    // 1 right of an odd number of sides that begin at a column; the last column is the image's right border.
    let mut sides = Plane::filled(height, width + 1, 0_u8);
    for polygon in polygons {
        let next = polygon.iter().cycle().skip(1);
        for (&[x, y], &[to, down]) in polygon.iter().zip(next) {
            if x > width || y > height || (x != to && y != down) {
                return None;
            }
            if x == to {
                for row in y.min(down)..y.max(down).min(height) {
                    sides.set(row, x, 1 - sides.get(row, x));
                }
            }
        }
    }
    let mut filled = Plane::filled(height, width, 0);
    for y in 0..height {
        let mut inside = 0;
        for x in 0..width {
            inside ^= sides.get(y, x);
            filled.set(y, x, inside);
        }
    }
    Some(filled)
}

/// The first row of an outline.
fn upper(outline: &Polygon) -> usize {
    outline.iter().map(|corner| corner[1]).min().unwrap_or(0)
}

/// Directions clockwise: right, down, left, up, as steps of x and y.
const WAYS: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/// Every outline of a 4-connected mask, the outer one first, then those of its holes (anticlockwise).
///
/// One goes along the sides of pixels with the inside to the right. Where two pixels meet at a corner alone, one turns
/// right: the corner does not join them.
fn outlines(mask: &Plane<u8>) -> Vec<Polygon> {
    let inside = |x: isize, y: isize| {
        let within =
            (0..mask.width() as isize).contains(&x) && (0..mask.height() as isize).contains(&y);
        within && mask.get(y as usize, x as usize) != 0
    };
    // Upper sides of pixels that were walked along; every outline has one.
    let mut walked = Plane::filled(mask.height(), mask.width(), false);
    let mut found = Vec::new();
    for y in 0..mask.height() {
        for x in 0..mask.width() {
            let (sx, sy) = (x as isize, y as isize);
            if !inside(sx, sy) || inside(sx, sy - 1) || walked.get(y, x) {
                continue;
            }
            let mut outline = vec![[x, y]];
            let (mut at, mut way) = ([sx, sy], 0);
            loop {
                if way == 0 {
                    walked.set(at[1] as usize, at[0] as usize, true);
                }
                at = [at[0] + WAYS[way][0], at[1] + WAYS[way][1]];
                // The pixels ahead to the left and to the right, from the corner reached.
                let [left, right] = match way {
                    0 => [[0, -1], [0, 0]],
                    1 => [[0, 0], [-1, 0]],
                    2 => [[-1, 0], [-1, -1]],
                    _ => [[-1, -1], [0, -1]],
                }
                .map(|[dx, dy]: [isize; 2]| inside(at[0] + dx, at[1] + dy));
                let turn = match (left, right) {
                    (_, false) => 1,
                    (false, true) => 0,
                    (true, true) => 3,
                };
                way = (way + turn) % 4;
                if at == [sx, sy] && way == 0 {
                    break;
                }
                if turn != 0 {
                    outline.push(at.map(|a| a as usize));
                }
            }
            found.push(outline);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn mask(rows: &[&str]) -> Plane<u8> {
        Plane::from_fn(rows.len(), rows[0].len(), |y, x| {
            u8::from(rows[y].as_bytes()[x] == b'#')
        })
    }

    /// How often each pixel's centre lies in a polygon: left of it, up-going and down-going sides are counted.
    fn filled(polygons: &[Polygon], height: usize, width: usize) -> Plane<u8> {
        Plane::from_fn(height, width, |y, x| {
            let inside = |polygon: &Polygon| {
                let next = polygon.iter().cycle().skip(1);
                let sides = polygon.iter().zip(next).filter(|(a, b)| {
                    a[0] == b[0] && a[0] <= x && (a[1].min(b[1])..a[1].max(b[1])).contains(&y)
                });
                sides.count() % 2 == 1
            };
            polygons.iter().filter(|p| inside(p)).count() as u8
        })
    }

    #[test]
    fn a_rectangle_has_four_corners() {
        let found = polygons(&mask(&["....", ".##.", ".##.", ".##."]));
        assert_eq!(found, [vec![[1, 1], [3, 1], [3, 4], [1, 4]]]);
    }

    #[test]
    fn pixels_that_meet_at_a_corner_are_two_polygons() {
        let found = polygons(&mask(&["#.", ".#"]));
        let squares = [
            vec![[0, 0], [1, 0], [1, 1], [0, 1]],
            vec![[1, 1], [2, 1], [2, 2], [1, 2]],
        ];
        assert_eq!(found, squares);
    }

    #[test]
    fn a_hole_is_cut_open() {
        let ring = mask(&["###", "#.#", "###"]);
        let found = polygons(&ring);
        assert_eq!(found.len(), 2);
        assert_eq!(filled(&found, 3, 3), ring);
    }

    #[test]
    fn nothing_has_no_outline() {
        for (height, width) in [(0, 0), (3, 3)] {
            assert!(polygons(&Plane::filled(height, width, 0)).is_empty());
        }
    }

    #[test]
    fn only_outlines_along_pixels_are_filled() {
        let square = vec![[0, 0], [2, 0], [2, 2], [0, 2]];
        assert_eq!(
            fill(std::slice::from_ref(&square), [2, 2]),
            Some(Plane::filled(2, 2, 1))
        );
        assert_eq!(
            fill(std::slice::from_ref(&square), [2, 1]),
            None,
            "too wide"
        );
        assert_eq!(fill(&[square], [1, 2]), None, "too high");
        assert_eq!(fill(&[vec![[0, 0], [2, 1], [0, 1]]], [2, 2]), None, "askew");
        assert_eq!(fill(&[], [2, 2]), Some(Plane::filled(2, 2, 0)));
    }

    /// By the rule that a pixel is inside where a ray from its centre crosses an odd number of sides.
    #[test]
    fn polygons_cover_the_mask_once_and_nothing_else() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for round in 0..300 {
            let (height, width) = (random.random_range(1..14), random.random_range(1..14));
            let density = [0.3, 0.6, 0.85][round % 3];
            let values = (0..height * width)
                .map(|_| u8::from(random.random_bool(density)))
                .collect();
            let mask = Plane::new(height, width, values).unwrap();
            let found = polygons(&mask);
            assert_eq!(filled(&found, height, width), mask, "{found:?}");
            assert_eq!(fill(&found, [height, width]), Some(mask), "{found:?}");
            assert!(
                found
                    .iter()
                    .all(|p| p.len() >= 4 && p.len().is_multiple_of(2))
            );
        }
    }
}
