//! A convolution as correlations of stride 1.
//!
//! Forward: the padded input is dealt out into `stride²` planes (its phases); on them every tap
//! is a constant shift, so a strided convolution is one of stride 1 over several planes.
//! Input gradient: the pixels of the input fall into `stride²` classes; within one class every
//! tap that reaches it is a constant shift of the output gradient.

use std::ops::Range;

use super::shape::ConvShape;

/// A plane read from the source: element `q` is the source's pixel `start + q * step` (outside
/// the source: zero), on each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    pub start: [isize; 2],
    pub step: [usize; 2],
}

/// One tap: its plane, its shift on it, and its place in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tap {
    pub phase: usize,
    pub shift: [usize; 2],
    pub weight: usize,
}

/// `destination[place(q)] = Σ_taps weight · phase[q + shift]` for `q` in a rectangle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Correlation {
    pub phases: Vec<Phase>,
    pub taps: Vec<Tap>,
    /// Rows and columns of the rectangle.
    pub extent: [usize; 2],
    /// Largest shift on each axis.
    pub reach: [usize; 2],
    /// Pixel of the destination where q = 0 goes, and the pixels between neighbours.
    pub place: [usize; 2],
    pub spread: [usize; 2],
}

impl Correlation {
    /// Whether the taps are the `taps` of the whole kernel, in its order.
    pub fn is_whole_kernel(&self, taps: usize) -> bool {
        self.taps.len() == taps
            && self
                .taps
                .iter()
                .enumerate()
                .all(|(at, tap)| tap.weight == at)
    }

    /// The same in rectangles whose pixels all see the same taps, if a quarter of all products or
    /// more would be with pixels outside the source (far dilations): there they are left out. Every
    /// tap of a rectangle has a plane of its own, so no shift is left.
    pub fn without_outside(self, source_size: [usize; 2]) -> Vec<Self> {
        let axes: [Vec<Segment>; 2] =
            std::array::from_fn(|axis| Segment::all(&self, axis, source_size[axis]));
        let inside: usize = axes[0]
            .iter()
            .flat_map(|rows| axes[1].iter().map(move |columns| rows.products(columns)))
            .sum();
        let all = self.taps.len() * self.extent[0] * self.extent[1];
        let seen = |rows: &Segment, columns: &Segment| rows.products(columns) > 0;
        let every_pixel = axes[0]
            .iter()
            .all(|rows| axes[1].iter().all(|columns| seen(rows, columns)));
        if 4 * inside > 3 * all || !every_pixel {
            return vec![self];
        }
        let mut parts = Vec::new();
        for rows in &axes[0] {
            for columns in &axes[1] {
                parts.push(self.part([rows, columns]));
            }
        }
        parts
    }

    fn part(&self, segments: [&Segment; 2]) -> Self {
        let mut phases = Vec::new();
        let mut taps = Vec::new();
        for (at, tap) in self.taps.iter().enumerate() {
            if !(segments[0].taps[at] && segments[1].taps[at]) {
                continue;
            }
            let phase = self.phases[tap.phase];
            taps.push(Tap {
                phase: phases.len(),
                shift: [0, 0],
                weight: tap.weight,
            });
            phases.push(Phase {
                start: std::array::from_fn(|axis| {
                    let q = segments[axis].pixels.start + tap.shift[axis];
                    phase.start[axis] + (q * phase.step[axis]) as isize
                }),
                step: phase.step,
            });
        }
        Self {
            phases,
            taps,
            extent: segments.map(|s| s.pixels.len()),
            reach: [0, 0],
            place: std::array::from_fn(|axis| {
                self.place[axis] + segments[axis].pixels.start * self.spread[axis]
            }),
            spread: self.spread,
        }
    }

    /// Input to output.
    pub fn forward(shape: &ConvShape) -> Self {
        let options = &shape.options;
        let mut phases: Vec<Phase> = Vec::new();
        let mut taps = Vec::new();
        let mut reach = [0; 2];
        for ky in 0..shape.kernel[0] {
            for kx in 0..shape.kernel[1] {
                let from = [ky * options.dilation[0], kx * options.dilation[1]];
                let phase = Phase {
                    start: std::array::from_fn(|axis| {
                        (from[axis] % options.stride[axis]) as isize
                            - options.padding[axis] as isize
                    }),
                    step: options.stride,
                };
                let index = phases.iter().position(|p| *p == phase).unwrap_or_else(|| {
                    phases.push(phase);
                    phases.len() - 1
                });
                let shift = std::array::from_fn(|axis| from[axis] / options.stride[axis]);
                reach = std::array::from_fn(|axis| reach[axis].max(shift[axis]));
                taps.push(Tap {
                    phase: index,
                    shift,
                    weight: ky * shape.kernel[1] + kx,
                });
            }
        }
        Self {
            phases,
            taps,
            extent: shape.output_size,
            reach,
            place: [0, 0],
            spread: [1, 1],
        }
    }

    /// Output gradient to input gradient: one correlation for each class of pixels that any tap
    /// reaches. Pixels of the other classes have gradient zero.
    pub fn input_gradient(shape: &ConvShape) -> Vec<Self> {
        let mut all = Vec::new();
        for y in 0..shape.options.stride[0] {
            for x in 0..shape.options.stride[1] {
                let (Some(rows), Some(columns)) =
                    (Class::new(shape, 0, y), Class::new(shape, 1, x))
                else {
                    continue;
                };
                let taps = rows.taps.iter().flat_map(|&(ky, dy)| {
                    columns.taps.iter().map(move |&(kx, dx)| Tap {
                        phase: 0,
                        shift: [dy, dx],
                        weight: ky * shape.kernel[1] + kx,
                    })
                });
                all.push(Self {
                    phases: vec![Phase {
                        start: [rows.start, columns.start],
                        step: [1, 1],
                    }],
                    taps: taps.collect(),
                    extent: [rows.count, columns.count],
                    reach: [rows.reach, columns.reach],
                    place: [rows.place, columns.place],
                    spread: shape.options.stride,
                });
            }
        }
        all
    }
}

/// Neighbouring pixels of a correlation on one axis for which the same taps lie inside the source.
struct Segment {
    pixels: Range<usize>,
    /// For each tap whether it lies inside.
    taps: Vec<bool>,
}

impl Segment {
    fn all(correlation: &Correlation, axis: usize, size: usize) -> Vec<Self> {
        let extent = correlation.extent[axis];
        let inside: Vec<Range<usize>> = (correlation.taps.iter())
            .map(|tap| {
                let phase = &correlation.phases[tap.phase];
                let start = phase.start[axis] + (tap.shift[axis] * phase.step[axis]) as isize;
                let step = phase.step[axis];
                let first = ((-start).max(0) as usize).div_ceil(step).min(extent);
                let end = ((size as isize - start).max(0) as usize).div_ceil(step);
                first..end.clamp(first, extent)
            })
            .collect();
        let mut cuts: Vec<usize> = inside.iter().flat_map(|r| [r.start, r.end]).collect();
        cuts.extend([0, extent]);
        cuts.sort_unstable();
        cuts.dedup();
        cuts.windows(2)
            .map(|cut| Self {
                pixels: cut[0]..cut[1],
                taps: inside
                    .iter()
                    .map(|r| r.start <= cut[0] && cut[1] <= r.end)
                    .collect(),
            })
            .collect()
    }

    /// Products of the rectangle of these rows and columns, for each pair of channels.
    fn products(&self, columns: &Self) -> usize {
        let taps = self.taps.iter().zip(&columns.taps);
        self.pixels.len() * columns.pixels.len() * taps.filter(|(r, c)| **r && **c).count()
    }
}

/// The input pixels `i` on one axis with `(i + padding) % stride == residue`.
struct Class {
    /// First pixel, and how many there are.
    place: usize,
    count: usize,
    /// Output index that shift 0 reads for the first pixel.
    start: isize,
    /// Tap and shift.
    taps: Vec<(usize, usize)>,
    reach: usize,
}

impl Class {
    fn new(shape: &ConvShape, axis: usize, residue: usize) -> Option<Self> {
        let stride = shape.options.stride[axis];
        let padding = shape.options.padding[axis];
        let dilation = shape.options.dilation[axis];
        // Pixel i = q * stride + residue - padding: the first q >= 0 with i >= 0, the last with
        // i < size.
        let first = padding.saturating_sub(residue).div_ceil(stride);
        let end = shape.size[axis] + padding;
        let count = (end.checked_sub(residue)?.div_ceil(stride)).checked_sub(first)?;
        if count == 0 {
            return None;
        }
        // The tap k reads the output q - back, back = (k * dilation - residue) / stride.
        let backs: Vec<(usize, usize)> = (0..shape.kernel[axis])
            .filter(|k| k * dilation % stride == residue)
            .map(|k| (k, (k * dilation - residue) / stride))
            .collect();
        let far = backs.iter().map(|&(_, back)| back).max()?;
        let near = backs.iter().map(|&(_, back)| back).min()?;
        Some(Self {
            place: first * stride + residue - padding,
            count,
            start: first as isize - far as isize,
            taps: backs.into_iter().map(|(k, back)| (k, far - back)).collect(),
            reach: far - near,
        })
    }
}
