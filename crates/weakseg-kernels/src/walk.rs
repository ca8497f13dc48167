//! The random walk of class maps over IRNet's affinities, as sparse stencil passes (reference §5.2).
//!
//! The published form builds the dense N × N transition matrix and squares it eight times. A pixel has only
//! 2 · D + 1 neighbours (D = 34 at radius 5), so 256 passes over a stencil give the same result with memory linear in
//! the pixels: exact, not approximate.

use rayon::prelude::*;

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
    /// A value that is no number, or an edge outside 0..=1.
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
}

/// Walks `maps` [classes, height, width] over `edges` [height, width]; returns maps of the same shape.
///
/// The affinity of two pixels is (1 − greatest edge on the path between them)^beta, of a pixel with itself 1; affinities
/// are divided by their column sums, so that each new value is a convex average of old ones. What walks is
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
    check(maps, edges, classes, height, width, options)?;
    let area = height * width;
    if area == 0 || classes == 0 {
        return Ok(Vec::new());
    }
    let stencil = Stencil::new(edges, height, width, options);
    let mut now: Vec<f32> = maps
        .iter()
        .enumerate()
        .map(|(i, &m)| m * (1.0 - edges[i % area]))
        .collect();
    let mut next = vec![0f32; now.len()];
    for _ in 0..options.steps {
        for (from, to) in now.chunks(area).zip(next.chunks_mut(area)) {
            stencil.step(from, to);
        }
        std::mem::swap(&mut now, &mut next);
    }
    Ok(now)
}

/// Affinities to the neighbours ahead of each pixel, and its column sum.
struct Stencil {
    height: usize,
    width: usize,
    offsets: Vec<(usize, isize)>,
    /// One plane a direction; 0 where the neighbour lies outside.
    affinities: Vec<Vec<f32>>,
    /// Column sums. In f64, and divided by in f64: their rounding would add up over the steps, always the same way.
    sums: Vec<f64>,
}

impl Stencil {
    fn new(edges: &[f32], height: usize, width: usize, options: &WalkOptions) -> Self {
        let index = PathIndex::within(options.radius, height, width);
        let affinities: Vec<Vec<f32>> = index
            .directions()
            .par_iter()
            .zip(index.paths())
            .map(|(&[dy, dx], path)| {
                let mut plane = vec![0f32; height * width];
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
                        plane[y * width + x] =
                            (1.0 - f64::from(worst)).powf(f64::from(options.beta)) as f32;
                    }
                }
                plane
            })
            .collect();
        let offsets: Vec<(usize, isize)> = index
            .directions()
            .iter()
            .map(|&[dy, dx]| (dy as usize, dx))
            .collect();
        let mut sums = vec![1f64; height * width];
        for (&(dy, dx), affinity) in offsets.iter().zip(&affinities) {
            let (first, last) = columns(dx, width);
            for y in 0..height.saturating_sub(dy) {
                for x in first..last {
                    let a = f64::from(affinity[y * width + x]);
                    sums[y * width + x] += a;
                    sums[(y + dy) * width + x.wrapping_add_signed(dx)] += a;
                }
            }
        }
        Self {
            height,
            width,
            offsets,
            affinities,
            sums,
        }
    }

    /// One step of one map: to[j] = Σ_i from[i] · A[i, j] / Σ_i A[i, j].
    fn step(&self, from: &[f32], to: &mut [f32]) {
        let width = self.width;
        // Rows in blocks: a task must be worth its start.
        let rows = (4096 / width.max(1)).clamp(1, self.height);
        to.par_chunks_mut(rows * width)
            .enumerate()
            .for_each(|(block, out)| {
                for (place, out) in out.chunks_mut(width).enumerate() {
                    let y = block * rows + place;
                    out.copy_from_slice(&from[y * width..][..width]);
                    for (&(dy, dx), affinity) in self.offsets.iter().zip(&self.affinities) {
                        let (first, last) = columns(dx, width);
                        let length = last - first;
                        let shifted = first.wrapping_add_signed(dx);
                        if y + dy < self.height {
                            let a = &affinity[y * width + first..][..length];
                            let f = &from[(y + dy) * width + shifted..][..length];
                            for ((out, a), f) in out[first..last].iter_mut().zip(a).zip(f) {
                                *out += a * f;
                            }
                        }
                        if let Some(above) = y.checked_sub(dy) {
                            let a = &affinity[above * width + first..][..length];
                            let f = &from[above * width + first..][..length];
                            for ((out, a), f) in
                                out[shifted..shifted + length].iter_mut().zip(a).zip(f)
                            {
                                *out += a * f;
                            }
                        }
                    }
                    for (out, sum) in out.iter_mut().zip(&self.sums[y * width..]) {
                        *out = (f64::from(*out) / sum) as f32;
                    }
                }
            });
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
    if let Some(at) = maps.iter().position(|m| !m.is_finite()) {
        let (row, column) = place(at);
        return Err(WalkError::Value {
            what: "maps",
            value: maps[at],
            row,
            column,
            expected: "a finite number",
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
        for (height, width, radius) in [(9, 12, 5), (12, 7, 3), (1, 11, 4), (5, 1, 5), (3, 3, 8)] {
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

    #[test]
    fn one_pixel_keeps_its_seed() {
        let walked =
            random_walk(&[0.5, 0.25], &[0.0], 2, 1, 1, &WalkOptions::default()).expect("valid");
        assert_eq!(walked, [0.5, 0.25]);
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
