//! A normalised Gaussian kernel: pixels among vertices, the filter there, and the factors around it.

use rayon::prelude::*;

use crate::CrfError;
use crate::aligned::Aligned;
use crate::embedding::Embedding;
use crate::exact::Exact;
use crate::features::Source;
use crate::lanes;
use crate::lattice::{CHUNK, Lattice};
use crate::part::MOST;
use crate::rows::{NARROW, WIDE};
use crate::vectorized::{LANES, Lanes, each, vectorized};

/// Which way a kernel K is normalised by nᵢ = Σⱼ Kᵢⱼ; pydensecrf's `NormalizationType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Normalization {
    /// `NO_NORMALIZATION`: K itself; pixels with many like them receive large messages.
    No,
    /// `NORMALIZE_BEFORE`: K · diag(1/n), each pixel sends a total of about 1.
    Before,
    /// `NORMALIZE_AFTER`: diag(1/n) · K, each pixel receives a total of 1.
    After,
    /// `NORMALIZE_SYMMETRIC`: diag(1/√n) · K · diag(1/√n), the default.
    #[default]
    Symmetric,
}

/// How a kernel is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Filtering {
    /// Approximately, on the permutohedral lattice: O(N) for a given spread of the features.
    #[default]
    Lattice,
    /// Exactly, over all pairs of pixels: O(N²), for tiny images and as a reference. With many labels the weights of
    /// pairs are computed once for every 16 of them.
    Exact,
}

/// A kernel with its normalisation folded in.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) embedding: Embedding,
    filter: Filter,
    /// Factors of each pixel before the filter and after it, a block of pixels each.
    pub(crate) before: Vec<Lanes>,
    pub(crate) after: Vec<Lanes>,
    /// The filtered constant 1. Filtering is linear and the marginals of a pixel sum to 1, so the
    /// message of one label follows from those of the others and this. Empty where not asked for.
    pub(crate) mass: Vec<Lanes>,
}

#[derive(Debug, Clone)]
enum Filter {
    Lattice(Lattice),
    Exact(Exact),
}

/// What travels through a kernel, one for each of its vertices.
#[derive(Debug, Default)]
pub(crate) struct Wave {
    /// What each part has sent, `[copies][channels]`.
    pub(crate) copies: Aligned,
    /// The vertices' values, `[1 + vertices][channels]`, the first row zero.
    pub(crate) values: Aligned,
    other: Aligned,
}

impl Kernel {
    /// `mass` says whether the filtered constant is needed.
    pub(crate) fn new(
        source: &Source,
        normalization: Normalization,
        filtering: Filtering,
        mass: bool,
    ) -> Result<Self, CrfError> {
        let pixels = source.pixels();
        let blocks = pixels.div_ceil(LANES);
        let (embedding, filter, gain) = match filtering {
            Filtering::Lattice => {
                let (embedding, lattice) = Lattice::new(source)?;
                let gain = 1.0 / (1.0 + 0.5f32.powi(source.dimensions() as i32));
                (embedding, Filter::Lattice(lattice), gain)
            }
            Filtering::Exact => {
                let exact = Exact::new(source.collect()?);
                (Embedding::of_pixels(pixels), Filter::Exact(exact), 1.0)
            }
        };
        let mut kernel = Self {
            embedding,
            filter,
            before: vec![[1.0; LANES]; blocks],
            after: vec![[gain; LANES]; blocks],
            mass: Vec::new(),
        };
        let mut wave = kernel.wave(1);
        if normalization != Normalization::No {
            // The reference guards with 1e-20, far below any mass a pixel gives itself.
            let factor = |n: f32| {
                let n = n.max(0.0) + 1e-20;
                match normalization {
                    Normalization::Symmetric => 1.0 / n.sqrt(),
                    _ => 1.0 / n,
                }
            };
            let factors = kernel.filtered_unit(&mut wave);
            let both = kernel.before.par_iter_mut().zip(&mut kernel.after);
            both.zip(factors).for_each(|((before, after), n)| {
                let factors = n.map(factor);
                if normalization != Normalization::After {
                    *before = factors;
                }
                if normalization != Normalization::Before {
                    *after = factors.map(|factor| gain * factor);
                }
            });
        }
        if mass {
            kernel.mass = kernel.filtered_unit(&mut wave);
        }
        Ok(kernel)
    }

    /// The filtered constant 1.
    fn filtered_unit(&self, wave: &mut Wave) -> Vec<Lanes> {
        let embedding = &self.embedding;
        let blocks = embedding.part / LANES;
        let copies = embedding.split(&mut wave.copies, 1, 1);
        copies
            .into_par_iter()
            .zip(self.before.par_chunks(blocks))
            .enumerate()
            .for_each_init(Vec::new, |places, (number, (copies, before))| {
                places.resize(MOST, 0.0);
                splat(embedding, number, before, places, copies);
            });
        self.apply(wave, 1);
        let mut out = vec![[0.0; LANES]; self.after.len()];
        out.par_chunks_mut(blocks)
            .zip(self.after.par_chunks(blocks))
            .enumerate()
            .for_each_init(Vec::new, |places, (number, (out, after))| {
                places.resize(MOST, 0.0);
                slice(embedding, number, after, &wave.values, places, out);
            });
        out
    }

    /// Memory for some values per vertex.
    pub(crate) fn wave(&self, channels: usize) -> Wave {
        let rows = (1 + self.embedding.vertices) * channels;
        Wave {
            copies: Aligned::zeros(self.embedding.copies * channels),
            values: Aligned::zeros(rows),
            other: Aligned::zeros(rows),
        }
    }

    /// From what the parts have sent to the filtered values of the vertices.
    pub(crate) fn apply(&self, wave: &mut Wave, channels: usize) {
        let Embedding {
            copies_start,
            copies_of,
            ..
        } = &self.embedding;
        let Wave {
            copies,
            values,
            other,
        } = wave;
        values[channels..]
            .par_chunks_mut(CHUNK * channels)
            .enumerate()
            .for_each(|(chunk, rows)| {
                let starts = &copies_start[chunk * CHUNK..];
                gather(rows, channels, copies, starts, copies_of);
            });
        match &self.filter {
            Filter::Lattice(lattice) => lattice.blur(values, other, channels),
            Filter::Exact(exact) => exact.filter(values, other, channels),
        }
    }
}

vectorized! {
    /// What a part sends of `before`.
    fn splat<'a>(
        embedding: &'a Embedding,
        number: usize,
        before: &'a [Lanes],
        places: &'a mut [f32],
        copies: &'a mut [f32],
    ) {
        let part = &embedding.parts[number];
        let places = lanes::places_mut::<1>(places);
        let copies = copies.as_chunks_mut::<1>().0;
        places[..copies.len()].fill([0.0]);
        for (block, before) in before.iter().enumerate() {
            part.splat(block, embedding.corners, &[*before], places);
        }
        copies.copy_from_slice(&places[..copies.len()]);
    }
}

vectorized! {
    /// What a part receives, by `after`.
    fn slice<'a>(
        embedding: &'a Embedding,
        number: usize,
        after: &'a [Lanes],
        values: &'a [f32],
        places: &'a mut [f32],
        out: &'a mut [Lanes],
    ) {
        let part = &embedding.parts[number];
        let places = lanes::places_mut::<1>(places);
        for (place, vertex) in places.iter_mut().zip(&part.vertices) {
            *place = [values[*vertex as usize]];
        }
        for (block, (after, out)) in after.iter().zip(out).enumerate() {
            let [sums] = part.slice(block, embedding.corners, places);
            *out = each!(LANES, lane => sums[lane] * after[lane]);
        }
    }
}

vectorized! {
    /// Each row of `out` = the sum of its rows of `from`, in their order.
    fn gather<'a>(
        out: &'a mut [f32],
        channels: usize,
        from: &'a [f32],
        starts: &'a [u32],
        sources: &'a [u32],
    ) {
        match channels {
            1 => gather_rows::<1>(out, from, starts, sources),
            2 => gather_rows::<2>(out, from, starts, sources),
            3 => gather_rows::<3>(out, from, starts, sources),
            4 => gather_rows::<4>(out, from, starts, sources),
            NARROW => gather_rows::<NARROW>(out, from, starts, sources),
            _ => gather_rows::<WIDE>(out, from, starts, sources),
        }
    }
}

#[inline(always)]
fn gather_rows<const C: usize>(out: &mut [f32], from: &[f32], starts: &[u32], sources: &[u32]) {
    let from = from.as_chunks::<C>().0;
    let rows = out.as_chunks_mut::<C>().0;
    for (out, range) in rows.iter_mut().zip(starts.windows(2)) {
        let mut sums = [0.0; C];
        for source in &sources[range[0] as usize..range[1] as usize] {
            let from = &from[*source as usize];
            sums = each!(C, c => sums[c] + from[c]);
        }
        *out = sums;
    }
}
