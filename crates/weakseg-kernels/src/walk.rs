//! The random walk of class maps over IRNet's affinities, as sparse stencil passes (reference §5.2).
//!
//! The published form builds the dense N × N transition matrix and squares it eight times. A pixel has only
//! 2 · D + 1 neighbours (D = 34 at radius 5), so 256 passes over a stencil give the same result with memory linear in
//! the pixels: exact, not approximate.

use rayon::prelude::*;

use crate::instructions::{Instructions, per_instruction_set};
use crate::path::PathIndex;

/// How the maps walk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WalkOptions {
    /// Pixels closer than this are neighbours, in cells; at least 1.
    pub radius: usize,
    /// Exponent on the affinities; above 0.
    pub beta: f32,
    /// Steps.
    pub steps: usize,
}

impl Default for WalkOptions {
    /// Radius 5, beta 10, 256 steps: IRNet's.
    fn default() -> Self {
        Self {
            radius: 5,
            beta: 10.0,
            steps: 256,
        }
    }
}

/// Why maps cannot walk.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WalkError {
    /// An array of another size than stated.
    #[error(
        "{what} has {found} values, expected {expected}; maps [classes, height, width] and edges [height, width] must share one grid"
    )]
    Size {
        /// `maps` or `edges`.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// A map's value that is no number or above 1e30, or an edge outside 0..=1.
    #[error("{what} holds {value} at row {row}, column {column}; expected {expected}")]
    Value {
        /// `maps` or `edges`.
        what: &'static str,
        /// The value.
        value: f32,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// What would be right.
        expected: &'static str,
    },
    /// An option out of range.
    #[error("{name} is {value}; expected {expected}")]
    Option {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// It was asked to stop.
    #[error("the walk was stopped")]
    Stopped,
}

/// Greatest value of a map, either side of 0: the sum over all neighbours of a pixel stays finite.
const GREATEST: f32 = 1e30;

/// Walks `maps` [classes, height, width] over `edges` [height, width]; returns maps of the same shape.
///
/// The affinity of two pixels is (1 − greatest edge on the path between them)^beta, of a pixel with itself 1;
/// affinities are divided by their column sums, so that each new value is a convex average of old ones. What walks is
/// maps · (1 − edges). Every value of `edges` lies in 0..=1. Deterministic, whatever the number of threads.
///
/// # Errors
/// See [`WalkError`].
pub fn random_walk(
    maps: &[f32],
    edges: &[f32],
    classes: usize,
    height: usize,
    width: usize,
    options: &WalkOptions,
) -> Result<Vec<f32>, WalkError> {
    random_walk_until(maps, edges, [classes, height, width], options, || false)
}

/// As [`random_walk`]; `stopped` is asked before each step.
///
/// # Errors
/// [`WalkError::Stopped`] as soon as it says so.
pub fn random_walk_until(
    maps: &[f32],
    edges: &[f32],
    [classes, height, width]: [usize; 3],
    options: &WalkOptions,
    stopped: impl Fn() -> bool,
) -> Result<Vec<f32>, WalkError> {
    check(maps, edges, classes, height, width, options)?;
    if height * width == 0 || classes == 0 {
        return Ok(Vec::new());
    }
    walked(
        Instructions::detect(),
        maps,
        edges,
        [height, width],
        options,
        stopped,
    )
}

/// The same by the loops of one instruction set, of maps that are there and were checked.
pub(crate) fn walked(
    set: Instructions,
    maps: &[f32],
    edges: &[f32],
    [height, width]: [usize; 2],
    options: &WalkOptions,
    stopped: impl Fn() -> bool,
) -> Result<Vec<f32>, WalkError> {
    let stencil = Stencil::new(edges, height, width, options);
    let grid = &stencil.grid;
    let mut now = vec![0f32; maps.len() / edges.len() * grid.plane];
    for (map, padded) in maps.chunks(height * width).zip(now.chunks_mut(grid.plane)) {
        for (at, (map, edge)) in map.iter().zip(edges).enumerate() {
            padded[grid.at(at / width, at % width)] = map * (1.0 - edge);
        }
    }
    let mut next = vec![0f32; now.len()];
    for _ in 0..options.steps {
        if stopped() {
            return Err(WalkError::Stopped);
        }
        stencil.step(set, &now, &mut next);
        std::mem::swap(&mut now, &mut next);
    }
    let rows = now
        .chunks(grid.plane)
        .flat_map(|padded| (0..height).map(move |y| &padded[grid.at(y, 0)..][..width]));
    Ok(rows.flatten().copied().collect())
}

/// Pixels computed side by side, and the unit rows are padded to.
const RUN: usize = 16;

/// A map in a frame of zeros, as wide as a step reaches, and rows of whole runs: no step looks
/// for the border, and no run is cut short.
struct Grid {
    height: usize,
    /// Rows above and below, columns left and right of the frame.
    frame: [usize; 2],
    /// Whole runs that cover a row.
    runs: usize,
    /// Values of a row and of a plane with their frames.
    stride: usize,
    plane: usize,
}

impl Grid {
    fn new(height: usize, width: usize, directions: &[[isize; 2]]) -> Self {
        let reach = |axis: usize| {
            let steps = directions.iter().map(|d| d[axis].unsigned_abs());
            steps.max().unwrap_or(0)
        };
        let frame = [reach(0), reach(1)];
        let runs = width.div_ceil(RUN);
        let stride = runs * RUN + 2 * frame[1];
        Self {
            height,
            frame,
            runs,
            stride,
            plane: stride * (height + 2 * frame[0]),
        }
    }

    /// Index of a pixel.
    fn at(&self, y: usize, x: usize) -> usize {
        (y + self.frame[0]) * self.stride + self.frame[1] + x
    }
}

/// Affinities to the neighbours ahead of each pixel, and its column sum.
struct Stencil {
    grid: Grid,
    /// Difference of the indices of neighbour and pixel, one a direction.
    offsets: Vec<usize>,
    /// One plane a direction; 0 where the pixel or the neighbour lies outside.
    affinities: Vec<Vec<f32>>,
    /// Column sums, 1 outside. In f64, and divided by in f64: their rounding would add up over the steps, always the
    /// same way.
    sums: Vec<f64>,
}

impl Stencil {
    fn new(edges: &[f32], height: usize, width: usize, options: &WalkOptions) -> Self {
        let index = PathIndex::within(options.radius, height, width);
        let grid = Grid::new(height, width, index.directions());
        let affinities: Vec<Vec<f32>> = index
            .directions()
            .par_iter()
            .zip(index.paths())
            .map(|(&[dy, dx], path)| {
                let mut plane = vec![0f32; grid.plane];
                let (first, last) = columns(dx, width);
                for y in 0..height.saturating_sub(dy as usize) {
                    for x in first..last {
                        let worst = path
                            .iter()
                            .map(|&[py, px]| {
                                edges[(y + py as usize) * width + x.wrapping_add_signed(px)]
                            })
                            .fold(0f32, f32::max);
                        // In f64: a relative error of an affinity grows with the number of steps.
                        plane[grid.at(y, x)] = power(1.0 - f64::from(worst), options.beta) as f32;
                    }
                }
                plane
            })
            .collect();
        let stride = grid.stride as isize;
        let directions = index.directions().iter();
        let offsets: Vec<usize> = directions
            .map(|&[dy, dx]| (dy * stride + dx) as usize)
            .collect();
        let mut sums = vec![1f64; grid.plane];
        for (&offset, affinity) in offsets.iter().zip(&affinities) {
            for y in 0..height {
                for at in grid.at(y, 0)..grid.at(y, width) {
                    sums[at] += f64::from(affinity[at]);
                    sums[at] += f64::from(affinity[at.wrapping_sub(offset)]);
                }
            }
        }
        Self {
            grid,
            offsets,
            affinities,
            sums,
        }
    }

    /// One step of every map: to[j] = Σ_i from[i] · A[i, j] / Σ_i A[i, j].
    fn step(&self, set: Instructions, from: &[f32], to: &mut [f32]) {
        let Grid { stride, plane, .. } = self.grid;
        // Rows in blocks: a task must be worth its start.
        let rows = (1024 / stride).clamp(1, self.grid.height);
        to.par_chunks_mut(plane)
            .zip(from.par_chunks(plane))
            .for_each(|(to, from)| {
                let first = self.grid.at(0, 0) - self.grid.frame[1];
                let lines = &mut to[first..][..self.grid.height * stride];
                lines
                    .par_chunks_mut(rows * stride)
                    .enumerate()
                    .for_each(|(block, lines)| {
                        for (place, line) in lines.chunks_mut(stride).enumerate() {
                            let at = self.grid.at(block * rows + place, 0);
                            row(set, self, from, at, line);
                        }
                    });
            });
    }

    /// New values of `N` neighbouring pixels from index `at`, their sums kept in registers.
    #[inline(always)]
    fn run<const N: usize>(&self, from: &[f32], at: usize, out: &mut [f32]) {
        let some = |values: &[f32], at: usize| -> [f32; N] {
            values[at..at + N].try_into().expect("a slice of N values")
        };
        let mut sums = some(from, at);
        for (affinity, &offset) in self.affinities.iter().zip(&self.offsets) {
            let (ahead, behind) = (at.wrapping_add(offset), at.wrapping_sub(offset));
            let (a, f) = (some(affinity, at), some(from, ahead));
            let (b, g) = (some(affinity, behind), some(from, behind));
            for lane in 0..N {
                sums[lane] += a[lane] * f[lane];
                sums[lane] += b[lane] * g[lane];
            }
        }
        for (lane, (out, sum)) in out[..N].iter_mut().zip(&self.sums[at..at + N]).enumerate() {
            *out = (f64::from(sums[lane]) / sum) as f32;
        }
    }
}

per_instruction_set! {
    /// One row of a step: `at` is the index of its first pixel, `line` the row with its frame.
    fn row[](stencil: &Stencil, from: &[f32], at: usize, line: &mut [f32]) {
        let line = &mut line[stencil.grid.frame[1]..][..stencil.grid.runs * RUN];
        let mut x = 0;
        while x < line.len() {
            if line.len() - x >= 4 * RUN {
                stencil.run::<{ 4 * RUN }>(from, at + x, &mut line[x..]);
                x += 4 * RUN;
            } else {
                stencil.run::<RUN>(from, at + x, &mut line[x..]);
                x += RUN;
            }
        }
    }
}

/// base^exponent, by multiplication where the exponent is a small whole number (many times faster).
fn power(base: f64, exponent: f32) -> f64 {
    if exponent.fract() == 0.0 && exponent <= 64.0 {
        base.powi(exponent as i32)
    } else {
        base.powf(f64::from(exponent))
    }
}

/// Columns x for which x + dx lies inside.
fn columns(dx: isize, width: usize) -> (usize, usize) {
    let first = (-dx).max(0) as usize;
    let last = (width as isize - dx.max(0)).max(0) as usize;
    (first.min(last), last)
}

fn check(
    maps: &[f32],
    edges: &[f32],
    classes: usize,
    height: usize,
    width: usize,
    options: &WalkOptions,
) -> Result<(), WalkError> {
    let area = height.saturating_mul(width);
    for (what, expected, found) in [
        ("edges", area, edges.len()),
        ("maps", area.saturating_mul(classes), maps.len()),
    ] {
        if expected != found {
            return Err(WalkError::Size {
                what,
                expected,
                found,
            });
        }
    }
    if options.radius < 1 {
        let value = options.radius.to_string();
        return Err(WalkError::Option {
            name: "radius",
            value,
            expected: "at least 1",
        });
    }
    if !(options.beta.is_finite() && options.beta > 0.0) {
        let value = options.beta.to_string();
        return Err(WalkError::Option {
            name: "beta",
            value,
            expected: "a number above 0",
        });
    }
    let place = |at: usize| (at % area / width, at % width);
    if let Some(at) = edges.iter().position(|e| !(0.0..=1.0).contains(e)) {
        let (row, column) = place(at);
        return Err(WalkError::Value {
            what: "edges",
            value: edges[at],
            row,
            column,
            expected: "0 to 1",
        });
    }
    if let Some(at) = maps
        .iter()
        .position(|map| !(-GREATEST..=GREATEST).contains(map))
    {
        let (row, column) = place(at);
        return Err(WalkError::Value {
            what: "maps",
            value: maps[at],
            row,
            column,
            expected: "a number of -1e30 to 1e30",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published dense form in f64: T = A^β, columns normalised, x · T^steps.
    fn dense(
        map: &[f32],
        edges: &[f32],
        height: usize,
        width: usize,
        options: &WalkOptions,
    ) -> Vec<f64> {
        let area = height * width;
        let mut t = vec![vec![0f64; area]; area];
        for (i, row) in t.iter_mut().enumerate() {
            row[i] = 1.0;
        }
        let index = PathIndex::new(options.radius);
        for (&[dy, dx], path) in index.directions().iter().zip(index.paths()) {
            for y in 0..height {
                for x in 0..width {
                    let (ty, tx) = (y + dy as usize, x as isize + dx);
                    if ty >= height || tx < 0 || tx >= width as isize {
                        continue;
                    }
                    let worst = path
                        .iter()
                        .map(|&[py, px]| {
                            f64::from(edges[(y + py as usize) * width + (x as isize + px) as usize])
                        })
                        .fold(0.0, f64::max);
                    let a = (1.0 - worst).powf(f64::from(options.beta));
                    let (i, j) = (y * width + x, ty * width + tx as usize);
                    (t[i][j], t[j][i]) = (a, a);
                }
            }
        }
        let sums: Vec<f64> = (0..area)
            .map(|j| (0..area).map(|i| t[i][j]).sum())
            .collect();
        let mut now: Vec<f64> = map
            .iter()
            .zip(edges)
            .map(|(m, e)| f64::from(m * (1.0 - e)))
            .collect();
        for _ in 0..options.steps {
            now = (0..area)
                .map(|j| (0..area).map(|i| now[i] * t[i][j]).sum::<f64>() / sums[j])
                .collect();
        }
        now
    }

    /// Values of 0..1 without a pattern.
    fn noise(n: usize, salt: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| ((i ^ salt).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 24) as f32)
            .collect()
    }

    #[test]
    fn equals_the_dense_form() {
        for (height, width, radius) in [
            (9, 12, 5),
            (12, 7, 3),
            (24, 24, 5),
            (1, 11, 4),
            (5, 1, 5),
            (3, 3, 8),
        ] {
            let options = WalkOptions {
                radius,
                beta: 10.0,
                steps: 256,
            };
            let edges: Vec<f32> = noise(height * width, 7).iter().map(|e| e * 0.6).collect();
            let maps = noise(2 * height * width, 3);
            let walked = random_walk(&maps, &edges, 2, height, width, &options).expect("valid");
            for (found, map) in walked
                .chunks(height * width)
                .zip(maps.chunks(height * width))
            {
                for (f, d) in found
                    .iter()
                    .zip(dense(map, &edges, height, width, &options))
                {
                    // f32 against f64: 256 averages of values up to 1 keep their rounding below 1e-5.
                    assert!(
                        (f64::from(*f) - d).abs() < 1e-5,
                        "{height}x{width}: {f} against {d}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_constant_map_without_edges_stays_and_edges_everywhere_give_nothing() {
        let options = WalkOptions::default();
        let walked = random_walk(&[0.7; 300], &[0.0; 300], 1, 15, 20, &options).expect("valid");
        assert!(walked.iter().all(|v| (v - 0.7).abs() < 1e-5));
        let walked = random_walk(&[0.7; 300], &[1.0; 300], 1, 15, 20, &options).expect("valid");
        assert!(walked.iter().all(|v| *v == 0.0));
    }

    /// Every step takes means: what starts alike stays so whatever the edges, and nothing grows beyond where it
    /// started.
    #[test]
    fn walks_take_means() {
        // 64 steps, a few roundings each: they go one way where a pixel's divisor is rounded.
        let rounding = 64.0 * 1e-6;
        for (height, width, radius) in [(9, 12, 5), (1, 11, 4), (23, 6, 2), (3, 3, 8)] {
            let options = WalkOptions {
                radius,
                beta: 3.0,
                steps: 64,
            };
            let area = height * width;
            let walk = |map: &[f32], edges: &[f32]| {
                random_walk(map, edges, 1, height, width, &options).expect("valid")
            };
            for salt in 0..8 {
                let edges: Vec<f32> = noise(area, salt).iter().map(|e| e * 0.9).collect();
                let stencil = Stencil::new(&edges, height, width, &options);
                let mut affinities = stencil.affinities.iter().flatten();
                assert!(affinities.all(|affinity| (0.0..=1.0).contains(affinity)));
                // Divided by what a start is multiplied with.
                let alike: Vec<f32> = edges.iter().map(|edge| 0.7 / (1.0 - edge)).collect();
                assert!(
                    walk(&alike, &edges)
                        .iter()
                        .all(|v| (v - 0.7).abs() < rounding)
                );
                let map = noise(area, salt + 100);
                let start: Vec<f32> = map.iter().zip(&edges).map(|(m, e)| m * (1.0 - e)).collect();
                let least = start.iter().fold(f32::INFINITY, |a, &b| a.min(b));
                let greatest = start.iter().fold(0.0_f32, |a, &b| a.max(b));
                for value in walk(&map, &edges) {
                    assert!(
                        (least - rounding..=greatest + rounding).contains(&value),
                        "{value}"
                    );
                }
            }
        }
    }

    /// Its square leaves no room for itself.
    #[test]
    fn a_radius_beyond_the_map_is_one_that_covers_it() {
        let (seed, edge) = (noise(9, 1), noise(9, 2));
        let walked = |radius| {
            let options = WalkOptions {
                radius,
                ..WalkOptions::default()
            };
            random_walk(&seed, &edge, 1, 3, 3, &options).unwrap()
        };
        assert_eq!(walked(usize::MAX), walked(8));
        assert_ne!(walked(8), walked(2));
    }

    #[test]
    fn one_pixel_keeps_its_seed() {
        let walked =
            random_walk(&[0.5, 0.25], &[0.0], 2, 1, 1, &WalkOptions::default()).expect("valid");
        assert_eq!(walked, [0.5, 0.25]);
    }

    #[test]
    fn the_greatest_values_stay_finite_and_greater_ones_are_refused() {
        let of = |value: f32| {
            let options = WalkOptions::default();
            random_walk(&[value; 400], &[0.0; 400], 1, 20, 20, &options)
        };
        for value in [GREATEST, -GREATEST] {
            let walked = of(value).expect("valid");
            assert!(walked.iter().all(|v| (v / value - 1.0).abs() < 1e-4));
        }
        let text = of(3e38).expect_err("too great").to_string();
        assert!(text.contains("-1e30 to 1e30"), "{text}");
    }

    #[test]
    fn a_stop_is_heard_before_the_next_step() {
        let asked = std::cell::Cell::new(0);
        let stopped = || asked.replace(asked.get() + 1) == 2;
        let options = WalkOptions {
            steps: usize::MAX,
            ..WalkOptions::default()
        };
        let end = random_walk_until(&[0.5], &[0.0], [1, 1, 1], &options, stopped);
        assert_eq!((end, asked.get()), (Err(WalkError::Stopped), 3));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let edges: Vec<f32> = noise(64 * 70, 1);
        let maps = noise(64 * 70, 2);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("a pool");
            pool.install(|| {
                random_walk(
                    &maps,
                    &edges,
                    1,
                    64,
                    70,
                    &WalkOptions {
                        steps: 9,
                        ..WalkOptions::default()
                    },
                )
            })
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn wrong_input_is_named() {
        let options = WalkOptions::default();
        let text = |r: Result<Vec<f32>, WalkError>| r.expect_err("wrong").to_string();
        assert!(
            text(random_walk(&[0.0; 3], &[0.0; 4], 1, 2, 2, &options))
                .contains("maps has 3 values, expected 4")
        );
        assert!(
            text(random_walk(
                &[0.0; 4],
                &[0.0, 0.0, 1.5, 0.0],
                1,
                2,
                2,
                &options
            ))
            .contains("row 1, column 0")
        );
        assert!(
            text(random_walk(
                &[0.0, f32::NAN, 0.0, 0.0],
                &[0.0; 4],
                1,
                2,
                2,
                &options
            ))
            .contains("maps holds NaN")
        );
        let options = WalkOptions {
            radius: 0,
            ..options
        };
        assert!(text(random_walk(&[0.0; 4], &[0.0; 4], 1, 2, 2, &options)).contains("radius is 0"));
    }
}
