//! The dense CRF and its mean-field inference.
//!
//! Source: Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
//! Potentials", 2011, algorithm 1.

use rayon::prelude::*;

use crate::compatibility::Compatibility;
use crate::exponential::exp;
use crate::kernel::Kernel;
use crate::lattice::{Scratch, WIDE};
use crate::unary::check_label_count;
use crate::vectorized::vectorized;
use crate::{CrfError, Deviation, Features, Filtering, Guide, Marginals, Normalization, Unary};

/// Pixels that one parallel task updates.
const CHUNK: usize = 2048;

/// Values of a pixel that are moved one after the other for all pixels; more are moved pixel by pixel.
const FEW: usize = 4;

/// Pixels that are updated side by side in the lanes of vectors.
pub(crate) const LANES: usize = 16;

/// A fully connected CRF over an image of H×W pixels and K labels: pydensecrf's `DenseCRF2D`.
///
/// The pairwise terms are built once, as they are added, and serve any number of inferences.
///
/// See the [crate documentation](crate) for an example.
#[derive(Debug, Clone)]
pub struct DenseCrf {
    height: usize,
    width: usize,
    labels: usize,
    normalization: Normalization,
    filtering: Filtering,
    terms: Vec<(Kernel, Compatibility)>,
}

impl DenseCrf {
    /// A CRF without pairwise terms.
    ///
    /// # Errors
    /// [`CrfError::LabelCount`] unless 1 ≤ K ≤ 256; [`CrfError::ImageSize`] for an empty or
    /// overlarge image.
    pub fn new(height: usize, width: usize, labels: usize) -> Result<Self, CrfError> {
        check_label_count(labels)?;
        match height.checked_mul(width) {
            Some(1..=0x7fff_ffff) => Ok(Self {
                height,
                width,
                labels,
                normalization: Normalization::default(),
                filtering: Filtering::default(),
                terms: Vec::new(),
            }),
            _ => Err(CrfError::ImageSize { height, width }),
        }
    }

    /// Sets the normalisation of the terms added from here on; symmetric by default.
    pub fn normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Sets how the terms added from here on are filtered; on the lattice by default.
    pub fn filtering(mut self, filtering: Filtering) -> Self {
        self.filtering = filtering;
        self
    }

    /// Adds a term that is Gaussian in the position (`addPairwiseGaussian`).
    ///
    /// `sxy` is the standard deviation in pixels: one number, or `[sx, sy]`.
    ///
    /// # Errors
    /// As [`Features::gaussian`] and [`DenseCrf::pairwise`].
    pub fn gaussian(
        self,
        sxy: impl Into<Deviation>,
        compat: impl Into<Compatibility>,
    ) -> Result<Self, CrfError> {
        let features = Features::gaussian(self.height, self.width, sxy)?;
        self.pairwise(&features, compat)
    }

    /// Adds a term that is Gaussian in position and colour (`addPairwiseBilateral`).
    ///
    /// `sxy` is the standard deviation in pixels, `srgb` that of the guide's raw values 0–255: one
    /// number, or one per channel.
    ///
    /// # Errors
    /// [`CrfError::SizeMismatch`] if the guide has another size; as [`Features::bilateral`] and
    /// [`DenseCrf::pairwise`].
    pub fn bilateral(
        self,
        sxy: impl Into<Deviation>,
        srgb: impl Into<Deviation>,
        guide: &Guide,
        compat: impl Into<Compatibility>,
    ) -> Result<Self, CrfError> {
        for (what, expected, found) in [
            ("rows of the guide image", self.height, guide.height()),
            ("columns of the guide image", self.width, guide.width()),
        ] {
            check_size(what, expected, found)?;
        }
        let features = Features::bilateral(sxy, srgb, guide)?;
        self.pairwise(&features, compat)
    }

    /// Adds a term that is Gaussian in any features (`addPairwiseEnergy`).
    ///
    /// # Errors
    /// [`CrfError::SizeMismatch`] unless there is one feature vector per pixel and `compat` fits
    /// K; [`CrfError::CompatibilityValue`]; [`CrfError::FeatureRange`]; [`CrfError::ImageSize`].
    pub fn pairwise(
        mut self,
        features: &Features,
        compat: impl Into<Compatibility>,
    ) -> Result<Self, CrfError> {
        let compatibility = compat.into().checked(self.labels)?;
        check_size("feature vectors", self.pixels(), features.pixels())?;
        if self.pixels() > i32::MAX as usize / (features.dimensions() + 1) {
            return Err(CrfError::ImageSize {
                height: self.height,
                width: self.width,
            });
        }
        let kernel = Kernel::new(features, self.normalization, self.filtering)?;
        self.terms.push((kernel, compatibility));
        Ok(self)
    }

    /// Runs mean-field inference: Q⁰ = softmax(−U), and `iterations` times
    /// Q ← softmax(−U − Σₘ μₘ Kₘ Q).
    ///
    /// # Errors
    /// [`CrfError::SizeMismatch`] if the unary has another number of labels or pixels.
    pub fn infer(&self, unary: &Unary, iterations: usize) -> Result<Marginals, CrfError> {
        let mut all = self.infer_all(&[unary], iterations)?;
        Ok(all.swap_remove(0))
    }

    /// Runs inference for several unaries at once: each has the result it has alone, and the
    /// lattices are walked once for all of them.
    ///
    /// # Errors
    /// As [`DenseCrf::infer`].
    pub fn infer_all(
        &self,
        unaries: &[&Unary],
        iterations: usize,
    ) -> Result<Vec<Marginals>, CrfError> {
        for unary in unaries {
            check_size("labels of the unary", self.labels, unary.labels())?;
            check_size("pixels of the unary", self.pixels(), unary.pixels())?;
        }
        // Filtered are the labels from 1 of each unary; label 0 follows (see `Kernel::mass`).
        let row = match unaries.len() * (self.labels - 1) {
            few @ ..=FEW => few,
            many => many.next_multiple_of(WIDE),
        };
        let mut scratch = Scratch::default();
        let mut filtered = vec![0.0; self.pixels() * row];
        let mut messages = vec![vec![0.0; self.pixels() * row]; self.terms.len()];
        for iteration in 0..iterations {
            let messages_before = (iteration > 0).then_some(&messages[..]);
            self.update(unaries, messages_before, row, 1, row, &mut filtered);
            for ((kernel, _), messages) in self.terms.iter().zip(&mut messages) {
                kernel.apply(&filtered, row, messages, &mut scratch);
            }
        }
        let whole = unaries.len() * self.labels;
        let mut q = vec![0.0; self.pixels() * whole];
        let messages = (iterations > 0).then_some(&messages[..]);
        self.update(unaries, messages, row, 0, whole, &mut q);
        Ok((0..unaries.len())
            .map(|u| self.marginals(&q, u, unaries.len()))
            .collect())
    }

    /// One step of all pixels: from the messages of each term (none at the start) to the
    /// marginals.
    ///
    /// # Shapes
    /// - `messages`: per term `[N, row]`, of which the first values are `[unaries, K − 1]`, labels
    ///   from 1
    /// - `out`: `[N, out_row]`, of which the first values are `[unaries, K − skip]`, labels from
    ///   `skip`
    fn update(
        &self,
        unaries: &[&Unary],
        messages: Option<&[Vec<f32>]>,
        row: usize,
        skip: usize,
        out_row: usize,
        out: &mut [f32],
    ) {
        if out_row == 0 {
            return;
        }
        out.par_chunks_mut(CHUNK * out_row)
            .enumerate()
            .for_each(|(chunk, out)| {
                let rows = Rows {
                    crf: self,
                    unaries,
                    messages,
                    row,
                    skip,
                    out_row,
                };
                update(&rows, chunk * CHUNK, out);
            });
    }

    /// Picks the marginals of one unary out of `[N, unaries, K]`.
    fn marginals(&self, q: &[f32], unary: usize, unaries: usize) -> Marginals {
        let labels = self.labels;
        let mut planes = vec![0.0; labels * self.pixels()];
        planes
            .par_chunks_mut(self.pixels())
            .enumerate()
            .for_each(|(label, plane)| {
                let rows = q.chunks_exact(unaries * labels);
                for (out, row) in plane.iter_mut().zip(rows) {
                    *out = row[unary * labels + label];
                }
            });
        Marginals {
            labels,
            height: self.height,
            width: self.width,
            q: planes,
        }
    }

    fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// What an update reads, and how its rows are laid out; see [`DenseCrf::update`].
struct Rows<'a> {
    crf: &'a DenseCrf,
    unaries: &'a [&'a Unary],
    messages: Option<&'a [Vec<f32>]>,
    row: usize,
    skip: usize,
    out_row: usize,
}

vectorized! {
    /// Updates the pixels from `first` on.
    fn update<'a>(rows: &'a Rows<'a>, first: usize, out: &'a mut [f32]) {
        let &Rows { crf, unaries, messages, row, skip, out_row } = rows;
        let labels = crf.labels;
        let mut logits = vec![[0.0f32; LANES]; labels];
        let mut message = vec![[0.0f32; LANES]; labels];
        for (block, out) in out.chunks_mut(LANES * out_row).enumerate() {
            let first = first + block * LANES;
            let count = out.len() / out_row;
            for (u, unary) in unaries.iter().enumerate() {
                negative_energies(unary, first, count, &mut logits);
                let terms = crf.terms.iter().zip(messages.into_iter().flatten());
                for ((kernel, compatibility), messages) in terms {
                    let rows = &messages[first * row..][..count * row];
                    let mass = &kernel.mass()[first..][..count];
                    collect(rows, row, u * (labels - 1), mass, &mut message);
                    compatibility.apply(&message, &mut logits);
                }
                softmax(&mut logits);
                place(&logits[skip..], u * (labels - skip), out_row, out);
            }
        }
    }
}

/// The negative energies of some pixels, a pixel a lane; zero in lanes from `count` on.
#[inline(always)]
fn negative_energies(unary: &Unary, first: usize, count: usize, logits: &mut [[f32; LANES]]) {
    for (plane, logits) in unary.energies().chunks_exact(unary.pixels()).zip(logits) {
        *logits = [0.0; LANES];
        for (logit, energy) in logits.iter_mut().zip(&plane[first..][..count]) {
            *logit = -energy;
        }
    }
}

/// The messages of some pixels, a pixel a lane: labels from 1 as they are, label 0 from the kernel's
/// mass.
#[inline(always)]
fn collect(rows: &[f32], row: usize, at: usize, mass: &[f32], message: &mut [[f32; LANES]]) {
    let Some((rest, known)) = message.split_first_mut() else {
        return;
    };
    if known.is_empty() {
        // One label: it gets the whole mass.
        rest[..mass.len()].copy_from_slice(mass);
        return;
    }
    if row <= FEW {
        for (label, message) in known.iter_mut().enumerate() {
            let values = rows[at + label..].iter().step_by(row);
            for (message, value) in message.iter_mut().zip(values) {
                *message = *value;
            }
        }
    } else {
        for (lane, values) in rows.chunks_exact(row).enumerate() {
            for (message, value) in known.iter_mut().zip(&values[at..]) {
                message[lane] = *value;
            }
        }
    }
    let mut sum = [0.0; LANES];
    for message in known {
        for (sum, message) in sum.iter_mut().zip(message) {
            *sum += *message;
        }
    }
    for ((rest, mass), sum) in rest.iter_mut().zip(mass).zip(sum) {
        *rest = mass - sum;
    }
}

/// Writes labels of some pixels, a pixel a lane, to their rows, from place `at` on.
#[inline(always)]
fn place(labels: &[[f32; LANES]], at: usize, row: usize, out: &mut [f32]) {
    if row <= FEW {
        for (label, values) in labels.iter().enumerate() {
            let out = out[at + label..].iter_mut().step_by(row);
            for (out, value) in out.zip(values) {
                *out = *value;
            }
        }
    } else {
        for (lane, out) in out.chunks_exact_mut(row).enumerate() {
            for (out, values) in out[at..].iter_mut().zip(labels) {
                *out = values[lane];
            }
        }
    }
}

/// Logits to probabilities, in place, a pixel a lane; finite logits give finite probabilities.
#[inline(always)]
fn softmax(logits: &mut [[f32; LANES]]) {
    let mut max = [f32::NEG_INFINITY; LANES];
    for logits in &*logits {
        for (max, logit) in max.iter_mut().zip(logits) {
            *max = if *logit > *max { *logit } else { *max };
        }
    }
    // In double precision, or 256 small terms would leave the sum of a row visibly off 1.
    let mut sum = [0.0f64; LANES];
    for logits in &mut *logits {
        for ((logit, max), sum) in logits.iter_mut().zip(max).zip(&mut sum) {
            *logit = exp(*logit - max);
            *sum += f64::from(*logit);
        }
    }
    let scale = sum.map(|sum| (1.0 / sum) as f32);
    for logits in logits {
        for (logit, scale) in logits.iter_mut().zip(scale) {
            *logit *= scale;
        }
    }
}

fn check_size(what: &'static str, expected: usize, found: usize) -> Result<(), CrfError> {
    if expected == found {
        Ok(())
    } else {
        Err(CrfError::SizeMismatch {
            what,
            expected,
            found,
        })
    }
}
