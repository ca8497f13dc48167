//! The pixels of a run with many labels: the labels of a pixel side by side.
//!
//! Among the vertices, labels travel in groups of a vector each, in waves of their own: the values of a
//! vertex lie in one line of the cache, and loops over them have literal bounds.

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::compatibility::Compatibility;
use crate::exponential::exp;
use crate::inference::{Incoming, Outgoing, Problem, Run};
use crate::kernel::Kernel;
use crate::lanes::{divergence, greater, receive};
use crate::part::Part;
use crate::vectorized::{LANES, Lanes, each};

/// Labels of a group.
pub(crate) const WIDE: usize = 16;

/// Labels of the last group if they are so few.
pub(crate) const NARROW: usize = 8;

/// How the labels of a pixel, padded to a multiple of 8, are grouped.
pub(crate) fn groups(channels: usize) -> Vec<usize> {
    let width = |first| {
        if channels - first == NARROW {
            NARROW
        } else {
            WIDE
        }
    };
    (0..channels).step_by(WIDE).map(width).collect()
}

/// The logits of a problem's unary.
pub(crate) fn logits(problem: Problem<'_>) -> Aligned {
    let channels = problem.channels();
    let block = LANES * channels;
    let mut logits = Aligned::zeros(problem.pixels.div_ceil(LANES) * block);
    let energies = problem
        .unaries
        .first()
        .map_or(&[][..], |unary| unary.energies());
    logits
        .par_chunks_mut(64 * block)
        .enumerate()
        .for_each(|(chunk, logits)| {
            for (at, rows) in logits.chunks_exact_mut(block).enumerate() {
                let first = (chunk * 64 + at) * LANES;
                load(energies, problem, first, -1.0, f32::NEG_INFINITY, rows);
            }
        });
    logits
}

/// The values of some pixels by a factor, `padding` for labels that do not exist.
///
/// # Shapes
/// - `planes`: `[K, pixels]`
/// - `rows`: `[rows][channels]`
#[inline(always)]
fn load(
    planes: &[f32],
    problem: Problem<'_>,
    at: usize,
    factor: f32,
    padding: f32,
    rows: &mut [f32],
) {
    let channels = problem.channels();
    for (label, plane) in planes.chunks_exact(problem.pixels).enumerate() {
        for (row, value) in rows.chunks_exact_mut(channels).zip(&plane[at..]) {
            row[label] = factor * value;
        }
    }
    for row in rows.chunks_exact_mut(channels) {
        row[problem.labels..].fill(padding);
    }
}

/// A run whose pixels send all their labels to each vertex.
#[inline(always)]
pub(crate) fn run(run: Run<'_>) {
    let Run {
        problem,
        incoming,
        mut outgoing,
        first,
        pixels,
        logits,
        scratch,
    } = run;
    let (labels, channels, segment) = (problem.labels, problem.channels(), problem.segment());
    let groups = problem.groups();
    let logits = &logits[first * channels..][..pixels.next_multiple_of(LANES) * channels];
    let mut logits = logits.chunks_exact(LANES * channels);
    let mut rows = Aligned::zeros(LANES * channels);
    // The logits of the next block come from afar: some of them are copied with each step of this one,
    // so that nothing waits for them.
    let mut ahead = Aligned::zeros(LANES * channels);
    fetch(logits.next().map(|first| (&mut ahead[..], first)));
    let piece = ahead.len().div_ceil(2 * scratch.len().max(1));
    // Of each term, which copies of the run are those of the part at hand.
    let mut sent = vec![0..0; problem.terms.len()];
    for start in (first..first + pixels).step_by(segment) {
        let end = (start + segment).min(first + pixels);
        for (t, (kernel, _)) in problem.terms.iter().enumerate() {
            let part = start / kernel.embedding.part;
            if start % kernel.embedding.part != 0 {
                continue;
            }
            let vertices = kernel.embedding.parts[part].vertices.len();
            sent[t] = sent[t].end..sent[t].end + vertices;
            for (g, &width) in groups.iter().enumerate() {
                let at = t * groups.len() + g;
                if let Incoming::Messages(waves) = incoming {
                    let (values, scratch) = (&waves[at].values, &mut scratch[at]);
                    match width {
                        NARROW => receive::<NARROW>(kernel, start, values, scratch),
                        _ => receive::<WIDE>(kernel, start, values, scratch),
                    }
                }
                if let Outgoing::Copies(copies) = &mut outgoing {
                    copies[at][sent[t].start * width..sent[t].end * width].fill(0.0);
                }
            }
        }
        for at in (start..end).step_by(LANES) {
            let count = LANES.min(end - at);
            std::mem::swap(&mut rows, &mut ahead);
            let next = logits.next().unwrap_or(&[]);
            let mut pieces = ahead.chunks_mut(piece).zip(next.chunks(piece));
            if let Incoming::Marginals(marginals) = incoming {
                load(marginals[0], problem, at, 1.0, 0.0, &mut rows);
            }
            if let Incoming::Messages(_) = incoming {
                for (t, (kernel, compatibility)) in problem.terms.iter().enumerate() {
                    let place = Place::new(kernel, at);
                    let own = scratch[t * groups.len()..].iter().zip(&groups);
                    for (g, (scratch, width)) in own.enumerate() {
                        fetch(pieces.next());
                        let (from, first) = (&scratch.received, g * WIDE);
                        match *width {
                            NARROW => {
                                place.hear::<NARROW>(from, compatibility, first, &mut rows, labels)
                            }
                            _ => place.hear::<WIDE>(from, compatibility, first, &mut rows, labels),
                        }
                    }
                }
            }
            if let Outgoing::Divergence(marginals, sum) = &mut outgoing {
                for (lane, row) in rows.chunks_exact(channels).take(count).enumerate() {
                    let plane = |label: usize| marginals[0][label * problem.pixels + at + lane];
                    for (label, logit) in row[..labels].iter().enumerate() {
                        **sum += divergence(plane(label), *logit);
                    }
                }
            } else if !matches!(incoming, Incoming::Marginals(_)) {
                softmax(&mut rows, channels);
            }
            if let Outgoing::Copies(copies) = &mut outgoing {
                for (t, (kernel, _)) in problem.terms.iter().enumerate() {
                    let place = Place::new(kernel, at);
                    let own = copies[t * groups.len()..].iter_mut().zip(&groups);
                    for (g, (copies, width)) in own.enumerate() {
                        fetch(pieces.next());
                        let (to, first) = (&mut copies[sent[t].start * width..], g * WIDE);
                        match *width {
                            NARROW => place.tell::<NARROW>(&rows, channels, first, to),
                            _ => place.tell::<WIDE>(&rows, channels, first, to),
                        }
                    }
                }
            }
            if let Outgoing::Planes(planes) = &mut outgoing {
                for (label, plane) in planes.iter_mut().enumerate() {
                    let out = &mut plane[at - first..][..count];
                    for (out, row) in out.iter_mut().zip(rows.chunks_exact(channels)) {
                        *out = row[label];
                    }
                }
            }
            pieces.for_each(|piece| fetch(Some(piece)));
        }
    }
}

/// Copies a piece of what lies ahead.
#[inline(always)]
fn fetch(piece: Option<(&mut [f32], &[f32])>) {
    if let Some((to, from)) = piece {
        to.copy_from_slice(from);
    }
}

/// A block of pixels among a term's vertices. Lanes without a pixel have no weight there.
struct Place<'a> {
    part: &'a Part,
    /// The block's number in the part.
    block: usize,
    corners: usize,
    before: &'a Lanes,
    after: &'a Lanes,
}

impl<'a> Place<'a> {
    #[inline(always)]
    fn new(kernel: &'a Kernel, at: usize) -> Self {
        let embedding = &kernel.embedding;
        Self {
            part: &embedding.parts[at / embedding.part],
            block: at % embedding.part / LANES,
            corners: embedding.corners,
            before: &kernel.before[at / LANES],
            after: &kernel.after[at / LANES],
        }
    }

    /// Subtracts the energies that come of a group of labels, from `first`, from the pixels' logits.
    #[inline(always)]
    fn hear<const C: usize>(
        &self,
        received: &[f32],
        compatibility: &Compatibility,
        first: usize,
        rows: &mut [f32],
        labels: usize,
    ) {
        let received = received.as_chunks::<C>().0;
        let messages = (self.part).slice_rows::<C>(self.block, self.corners, received);
        let rows = rows.chunks_exact_mut(rows.len() / LANES);
        for (row, (message, after)) in rows.zip(messages.iter().zip(self.after)) {
            compatibility.apply_row::<C>(*after, message, first, row, labels);
        }
    }

    /// Adds a group of the pixels' marginals, from label `first`, to the copies of their vertices.
    #[inline(always)]
    fn tell<const C: usize>(
        &self,
        rows: &[f32],
        channels: usize,
        first: usize,
        copies: &mut [f32],
    ) {
        let mut own = [[0.0; C]; LANES];
        let rows = rows.chunks_exact(channels);
        for (own, (row, before)) in own.iter_mut().zip(rows.zip(self.before)) {
            let q = &row[first..first + C];
            *own = each!(C, c => before * q[c]);
        }
        let copies = copies.as_chunks_mut::<C>().0;
        (self.part).splat_rows::<C>(self.block, self.corners, &own, copies);
    }
}

/// Logits to probabilities, in place; finite logits give finite probabilities, and −∞ gives 0.
///
/// Step by step for all rows, so that none waits for another.
///
/// # Shapes
/// - `rows`: `[rows][channels]`, `channels` a multiple of 8
#[inline(always)]
fn softmax(rows: &mut [f32], channels: usize) {
    for row in rows.chunks_exact_mut(channels) {
        let mut max = [f32::NEG_INFINITY; 8];
        for logits in row.as_chunks::<8>().0 {
            max = each!(8, at => greater(max[at], logits[at]));
        }
        let max = each!(4, at => greater(max[at], max[at + 4]));
        let max = each!(2, at => greater(max[at], max[at + 2]));
        let max = greater(max[0], max[1]);
        for logits in row.as_chunks_mut::<8>().0 {
            *logits = each!(8, at => logits[at] - max);
        }
    }
    let (wide, rest) = rows.as_chunks_mut::<16>();
    for values in wide {
        *values = each!(16, at => exp(values[at]));
    }
    for value in rest {
        *value = exp(*value);
    }
    for row in rows.chunks_exact_mut(channels) {
        let mut sum = [0.0f32; 8];
        for values in row.as_chunks::<8>().0 {
            sum = each!(8, at => sum[at] + values[at]);
        }
        let sum = each!(4, at => sum[at] + sum[at + 4]);
        let scale = 1.0 / ((sum[0] + sum[2]) + (sum[1] + sum[3]));
        for values in row.as_chunks_mut::<8>().0 {
            *values = each!(8, at => values[at] * scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fill_groups() {
        assert_eq!(groups(8), [8]);
        assert_eq!(groups(16), [16]);
        assert_eq!(groups(24), [16, 8]);
        assert_eq!(groups(256), [16; 16]);
    }
}
