//! The pixels of a run with many labels: the labels of a pixel side by side.

use crate::exponential::exp;
use crate::inference::{Incoming, Outgoing, Run};
use crate::lanes::{divergence, greater};
use crate::part::combine;
use crate::vectorized::{LANES, each};

/// A run whose pixels send their labels, padded to a multiple of 8, to each vertex.
#[inline(always)]
pub(crate) fn run(run: Run<'_>) {
    let Run {
        problem,
        incoming,
        mut outgoing,
        first,
        pixels,
        scratch,
    } = run;
    let (labels, channels, segment) = (problem.labels, problem.channels(), problem.segment());
    let unary = problem.unaries.first().expect("an inference has a unary");
    let mut block = vec![0.0; LANES * channels];
    let mut message = vec![0.0; channels];
    // Of each term, where the copies of the part at hand begin.
    let mut offsets = vec![0; problem.terms.len()];
    for start in (first..first + pixels).step_by(segment) {
        let end = (start + segment).min(first + pixels);
        for (t, ((kernel, _), scratch)) in problem.terms.iter().zip(&mut *scratch).enumerate() {
            let part = start / kernel.embedding.part;
            if start % kernel.embedding.part != 0 {
                continue;
            }
            let vertices = &kernel.embedding.parts[part].vertices;
            if let Incoming::Messages(waves) = incoming {
                let places = scratch.received.chunks_exact_mut(channels);
                for (place, vertex) in places.zip(vertices) {
                    let values = &waves[t].values[*vertex as usize * channels..][..channels];
                    combine(place, values, |_, value| value);
                }
            }
            if let Outgoing::Copies(copies) = &mut outgoing {
                if start > first {
                    offsets[t] += kernel.embedding.parts[part - 1].vertices.len() * channels;
                }
                copies[t][offsets[t]..][..vertices.len() * channels].fill(0.0);
            }
        }
        for at in (start..end).step_by(LANES) {
            let count = LANES.min(end - at);
            let rows = &mut block[..count * channels];
            let (planes, factor) = match incoming {
                Incoming::Marginals(marginals) => (marginals[0], 1.0),
                _ => (unary.energies(), -1.0),
            };
            for (label, plane) in planes.chunks_exact(problem.pixels).enumerate() {
                for (row, value) in rows.chunks_exact_mut(channels).zip(&plane[at..]) {
                    row[label] = factor * value;
                }
            }
            let padding = match incoming {
                Incoming::Marginals(_) => 0.0,
                _ => f32::NEG_INFINITY,
            };
            for row in rows.chunks_exact_mut(channels) {
                row[labels..].fill(padding);
            }
            if matches!(incoming, Incoming::Messages(_)) {
                for ((kernel, compatibility), scratch) in problem.terms.iter().zip(&*scratch) {
                    let embedding = &kernel.embedding;
                    let part = &embedding.parts[at / embedding.part];
                    let number = at % embedding.part / LANES;
                    for (lane, row) in rows.chunks_exact_mut(channels).enumerate() {
                        let place = [number, lane];
                        let from = &scratch.received;
                        part.slice_row(place, embedding.corners, from, &mut message);
                        let after = kernel.after[at / LANES][lane];
                        compatibility.apply_row(after, &message, row, labels);
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
                    let embedding = &kernel.embedding;
                    let part = &embedding.parts[at / embedding.part];
                    let number = at % embedding.part / LANES;
                    let to = &mut copies[t][offsets[t]..];
                    for (lane, row) in rows.chunks_exact(channels).enumerate() {
                        let before = kernel.before[at / LANES][lane];
                        combine(&mut message, row, |_, q| before * q);
                        part.splat_row([number, lane], embedding.corners, &message, to);
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
