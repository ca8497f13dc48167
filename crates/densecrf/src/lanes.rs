//! The pixels of a run with few labels: neighbouring pixels side by side.

use crate::exponential::exp;
use crate::inference::{Incoming, Outgoing, Run, Scratch};
use crate::kernel::Kernel;
use crate::part::{MOST, Places};
use crate::vectorized::{LANES, Lanes, each};

/// Most values of a pixel: four unaries of two labels.
const VALUES: usize = 8;

/// A run whose pixels send `C` values to each vertex.
#[inline(always)]
pub(crate) fn run<const C: usize>(run: Run<'_>) {
    let Run {
        problem,
        incoming,
        mut outgoing,
        first,
        pixels,
        scratch,
        ..
    } = run;
    let (labels, segment) = (problem.labels, problem.segment());
    let mut values = [[0.0f32; LANES]; VALUES];
    let mut message = [[0.0f32; LANES]; VALUES];
    for start in (first..first + pixels).step_by(segment) {
        let end = (start + segment).min(first + pixels);
        for (t, ((kernel, _), scratch)) in problem.terms.iter().zip(&mut *scratch).enumerate() {
            if start % kernel.embedding.part != 0 {
                continue;
            }
            if let Incoming::Messages(waves) = incoming {
                receive::<C>(kernel, start, &waves[t].values, scratch);
            }
            if matches!(outgoing, Outgoing::Copies(_)) {
                let part = &kernel.embedding.parts[start / kernel.embedding.part];
                scratch.sent[..part.vertices.len() * C].fill(0.0);
            }
        }
        for at in (start..end).step_by(LANES) {
            let count = LANES.min(end - at);
            for (u, unary) in problem.unaries.iter().enumerate() {
                let values = &mut values[u * labels..][..labels];
                match incoming {
                    Incoming::Marginals(marginals) => {
                        load(marginals[u], problem.pixels, at, count, 1.0, values);
                    }
                    _ => load(unary.energies(), problem.pixels, at, count, -1.0, values),
                }
            }
            if matches!(incoming, Incoming::Messages(_)) {
                for ((kernel, compatibility), scratch) in problem.terms.iter().zip(&*scratch) {
                    let received = places::<C>(&scratch.received);
                    let (part, block) = place(kernel, at);
                    let embedding = &kernel.embedding;
                    let sums = embedding.parts[part].slice::<C>(block, embedding.corners, received);
                    let (after, mass) = (&kernel.after[at / LANES], &kernel.mass[at / LANES]);
                    for u in 0..problem.unaries.len() {
                        let mut rest = *mass;
                        let own = sums.iter().skip(u * (labels - 1));
                        for (message, sum) in message[1..labels].iter_mut().zip(own) {
                            *message = each!(LANES, lane => sum[lane] * after[lane]);
                            rest = each!(LANES, lane => rest[lane] - message[lane]);
                        }
                        message[0] = rest;
                        compatibility
                            .apply(&message[..labels], &mut values[u * labels..][..labels]);
                    }
                }
            }
            if let Outgoing::Divergence(marginals, sum) = &mut outgoing {
                for (u, q) in marginals.iter().enumerate() {
                    load(q, problem.pixels, at, count, 1.0, &mut message[..labels]);
                    let logits = &values[u * labels..][..labels];
                    for (q, logits) in message[..labels].iter().zip(logits) {
                        for lane in 0..count {
                            **sum += divergence(q[lane], logits[lane]);
                        }
                    }
                }
                continue;
            }
            if !matches!(incoming, Incoming::Marginals(_)) {
                for u in 0..problem.unaries.len() {
                    softmax(&mut values[u * labels..][..labels]);
                }
            }
            match &mut outgoing {
                Outgoing::Copies(_) => {
                    // What travels: labels from 1 of each unary.
                    let mut q = [[0.0; LANES]; C];
                    let known = (values.chunks_exact(labels)).flat_map(|values| &values[1..]);
                    for (q, values) in q.iter_mut().zip(known) {
                        *q = *values;
                    }
                    for ((kernel, _), scratch) in problem.terms.iter().zip(&mut *scratch) {
                        let sent = places_mut::<C>(&mut scratch.sent);
                        let before = &kernel.before[at / LANES];
                        let mut own = [[0.0; LANES]; C];
                        for (own, q) in own.iter_mut().zip(&q) {
                            *own = each!(LANES, lane => q[lane] * before[lane]);
                        }
                        let (part, block) = place(kernel, at);
                        let embedding = &kernel.embedding;
                        embedding.parts[part].splat::<C>(block, embedding.corners, &own, sent);
                    }
                }
                Outgoing::Planes(planes) => {
                    for (plane, values) in planes.iter_mut().zip(&values) {
                        plane[at - first..][..count].copy_from_slice(&values[..count]);
                    }
                }
                Outgoing::Divergence(..) => {}
            }
        }
        if let Outgoing::Copies(copies) = &mut outgoing {
            let terms = problem.terms.iter().zip(&*scratch).zip(copies);
            for (((kernel, _), scratch), copies) in terms {
                let embedding = &kernel.embedding;
                if end % embedding.part == 0 || end == problem.pixels {
                    let part = &embedding.parts[(end - 1) / embedding.part];
                    let (own, rest) = std::mem::take(copies).split_at_mut(part.vertices.len() * C);
                    own.copy_from_slice(&scratch.sent[..own.len()]);
                    *copies = rest;
                }
            }
        }
    }
}

/// The part of a pixel, and its block there.
#[inline(always)]
fn place(kernel: &Kernel, pixel: usize) -> (usize, usize) {
    let part = kernel.embedding.part;
    (pixel / part, pixel % part / LANES)
}

/// Fetches the values of a part's vertices.
#[inline(always)]
pub(crate) fn receive<const C: usize>(
    kernel: &Kernel,
    start: usize,
    values: &[f32],
    scratch: &mut Scratch,
) {
    let values = values.as_chunks::<C>().0;
    let part = &kernel.embedding.parts[start / kernel.embedding.part];
    let places = scratch.received.as_chunks_mut::<C>().0;
    for (place, vertex) in places.iter_mut().zip(&part.vertices) {
        *place = values[*vertex as usize];
    }
}

/// Scratch memory as the places of a part.
#[inline(always)]
fn places<const C: usize>(values: &[f32]) -> &Places<C> {
    let places = values.as_chunks::<C>().0.first_chunk::<MOST>();
    places.expect("scratch memory has room for the vertices of any part")
}

/// Scratch memory as the places of a part.
#[inline(always)]
pub(crate) fn places_mut<const C: usize>(values: &mut [f32]) -> &mut Places<C> {
    let places = values.as_chunks_mut::<C>().0.first_chunk_mut::<MOST>();
    places.expect("scratch memory has room for the vertices of any part")
}

/// The values of some pixels by a factor, a pixel a lane; zero in lanes from `count` on.
///
/// # Shapes
/// - `planes`: `[K, pixels]`
#[inline(always)]
fn load(planes: &[f32], pixels: usize, at: usize, count: usize, factor: f32, out: &mut [Lanes]) {
    for (out, plane) in out.iter_mut().zip(planes.chunks_exact(pixels)) {
        if let Some(values) = plane[at..].first_chunk::<LANES>() {
            *out = each!(LANES, lane => factor * values[lane]);
        } else {
            *out = [0.0; LANES];
            for (out, value) in out.iter_mut().zip(&plane[at..][..count]) {
                *out = factor * value;
            }
        }
    }
}

/// One label's share of a pixel's divergence: q · (ln q − logit).
pub(crate) fn divergence(q: f32, logit: f32) -> f64 {
    // The reference guards the logarithm like this.
    let q = f64::from(q);
    q * (q.max(1e-20).ln() - f64::from(logit))
}

/// Logits to probabilities, in place, a pixel a lane; finite logits give finite probabilities.
#[inline(always)]
fn softmax(logits: &mut [Lanes]) {
    let mut max = [f32::NEG_INFINITY; LANES];
    for logits in &*logits {
        max = each!(LANES, lane => greater(max[lane], logits[lane]));
    }
    let mut sum = [0.0f32; LANES];
    for logits in &mut *logits {
        *logits = each!(LANES, lane => exp(logits[lane] - max[lane]));
        sum = each!(LANES, lane => sum[lane] + logits[lane]);
    }
    let scale = each!(LANES, lane => 1.0 / sum[lane]);
    for logits in logits {
        *logits = each!(LANES, lane => logits[lane] * scale[lane]);
    }
}

#[inline(always)]
pub(crate) fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
