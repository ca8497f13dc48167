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
    let Some(unary) = problem.unaries.first() else {
        return;
    };
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
            for (lane, row) in rows.chunks_exact_mut(channels).enumerate() {
                row[labels..].fill(padding);
                if matches!(incoming, Incoming::Messages(_)) {
                    for ((kernel, compatibility), scratch) in problem.terms.iter().zip(&*scratch) {
                        let embedding = &kernel.embedding;
                        let place = [at % embedding.part / LANES, lane];
                        let part = &embedding.parts[at / embedding.part];
                        part.slice_row(place, embedding.corners, &scratch.received, &mut message);
                        let after = kernel.after[at / LANES][lane];
                        compatibility.apply_row(after, &message, row, labels);
                    }
                }
                match (&mut outgoing, incoming) {
                    (Outgoing::Divergence(marginals, sum), _) => {
                        let plane = |label: usize| marginals[0][label * problem.pixels + at + lane];
                        for (label, logit) in row[..labels].iter().enumerate() {
                            **sum += divergence(plane(label), *logit);
                        }
                        continue;
                    }
                    (_, Incoming::Marginals(_)) => {}
                    _ => softmax(row),
                }
                if let Outgoing::Copies(copies) = &mut outgoing {
                    for (t, (kernel, _)) in problem.terms.iter().enumerate() {
                        let embedding = &kernel.embedding;
                        let place = [at % embedding.part / LANES, lane];
                        let part = &embedding.parts[at / embedding.part];
                        let before = kernel.before[at / LANES][lane];
                        combine(&mut message, row, |_, q| before * q);
                        part.splat_row(
                            place,
                            embedding.corners,
                            &message,
                            &mut copies[t][offsets[t]..],
                        );
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
/// # Shapes
/// - `row`: a multiple of 8
#[inline(always)]
fn softmax(row: &mut [f32]) {
    let mut max = [f32::NEG_INFINITY; 8];
    for logits in row.as_chunks::<8>().0 {
        max = each!(8, at => greater(max[at], logits[at]));
    }
    let max = each!(4, at => greater(max[at], max[at + 4]));
    let max = each!(2, at => greater(max[at], max[at + 2]));
    let max = greater(max[0], max[1]);
    let (wide, rest) = row.as_chunks_mut::<16>();
    for logits in wide {
        *logits = each!(16, at => exp(logits[at] - max));
    }
    for logits in rest.as_chunks_mut::<8>().0 {
        *logits = each!(8, at => exp(logits[at] - max));
    }
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
