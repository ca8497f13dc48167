//! The pixels of a run with many labels: the labels of a pixel side by side.
//!
//! Among the vertices labels travel in groups of a vector each, in waves of their own: what is a vertex's lies in one
//! line of the cache, and loops over it have no branches.

use rayon::prelude::*;

use crate::aligned::Aligned;
use crate::compatibility::Compatibility;
use crate::exponential::exp;
use crate::inference::{Incoming, Outgoing, Problem, Run};
use crate::kernel::Kernel;
use crate::lanes::{divergence, greater, receive};
use crate::vectorized::{LANES, each};

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
    let mut block = Aligned::zeros(LANES * channels);
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
            let rows = &mut block[..count * channels];
            match incoming {
                Incoming::Marginals(marginals) => load(marginals[0], problem, at, 1.0, 0.0, rows),
                _ => rows.copy_from_slice(&logits[at * channels..][..rows.len()]),
            }
            if let Incoming::Messages(_) = incoming {
                for (t, (kernel, compatibility)) in problem.terms.iter().enumerate() {
                    let own = scratch[t * groups.len()..].iter().zip(&groups).enumerate();
                    for (g, (scratch, width)) in own {
                        let (from, first) = (&scratch.received, g * WIDE);
                        match *width {
                            NARROW => hear::<NARROW>(
                                kernel,
                                compatibility,
                                at,
                                from,
                                rows,
                                first,
                                [channels, labels],
                            ),
                            _ => hear::<WIDE>(
                                kernel,
                                compatibility,
                                at,
                                from,
                                rows,
                                first,
                                [channels, labels],
                            ),
                        }
                    }
                }
            }
            if let Outgoing::Divergence(marginals, sum) = &mut outgoing {
                for (lane, row) in rows.chunks_exact(channels).enumerate() {
                    let plane = |label: usize| marginals[0][label * problem.pixels + at + lane];
                    for (label, logit) in row[..labels].iter().enumerate() {
                        **sum += divergence(plane(label), *logit);
                    }
                }
                continue;
            }
            if !matches!(incoming, Incoming::Marginals(_)) {
                softmax(rows, channels);
            }
            if let Outgoing::Copies(copies) = &mut outgoing {
                for (t, (kernel, _)) in problem.terms.iter().enumerate() {
                    let own = copies[t * groups.len()..]
                        .iter_mut()
                        .zip(&groups)
                        .enumerate();
                    for (g, (copies, width)) in own {
                        let to = &mut copies[sent[t].start * width..];
                        match *width {
                            NARROW => tell::<NARROW>(kernel, at, &rows[g * WIDE..], channels, to),
                            _ => tell::<WIDE>(kernel, at, &rows[g * WIDE..], channels, to),
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
        }
    }
}

/// Subtracts the energies of a term and a group of labels, from `first`, from a block's logits.
#[inline(always)]
fn hear<const C: usize>(
    kernel: &Kernel,
    compatibility: &Compatibility,
    at: usize,
    received: &[f32],
    rows: &mut [f32],
    first: usize,
    [channels, labels]: [usize; 2],
) {
    let received = received.as_chunks::<C>().0;
    let embedding = &kernel.embedding;
    let part = &embedding.parts[at / embedding.part];
    let block = at % embedding.part / LANES;
    let after = &kernel.after[at / LANES];
    for (lane, row) in rows.chunks_exact_mut(channels).enumerate() {
        let message = part.slice_row::<C>([block, lane], embedding.corners, received);
        compatibility.apply_row::<C>(after[lane], &message, first, row, labels);
    }
}

/// Adds a group of a block's marginals to the copies of their vertices.
#[inline(always)]
fn tell<const C: usize>(
    kernel: &Kernel,
    at: usize,
    rows: &[f32],
    channels: usize,
    copies: &mut [f32],
) {
    let copies = copies.as_chunks_mut::<C>().0;
    let embedding = &kernel.embedding;
    let part = &embedding.parts[at / embedding.part];
    let block = at % embedding.part / LANES;
    let before = &kernel.before[at / LANES];
    for (lane, row) in rows.chunks(channels).enumerate() {
        let (q, factor) = (&row[..C], before[lane]);
        let own = each!(C, c => factor * q[c]);
        part.splat_row::<C>([block, lane], embedding.corners, &own, copies);
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
