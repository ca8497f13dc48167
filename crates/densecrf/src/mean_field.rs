//! The dense CRF and its mean-field inference.
//!
//! Source: Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
//! Potentials", 2011, algorithm 1.

use rayon::prelude::*;

use crate::compatibility::Compatibility;
use crate::kernel::Kernel;
use crate::unary::check_label_count;
use crate::{CrfError, Deviation, Features, Filtering, Guide, Marginals, Normalization, Unary};

/// Pixels that one parallel task updates.
const CHUNK: usize = 2048;

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
        let channels = unaries.len() * (self.labels - 1);
        let mut filtered = vec![0.0; self.pixels() * channels];
        let mut messages = vec![vec![0.0; self.pixels() * channels]; self.terms.len()];
        for iteration in 0..iterations {
            self.update(
                unaries,
                (iteration > 0).then_some(&messages),
                1,
                &mut filtered,
            );
            for ((kernel, _), messages) in self.terms.iter().zip(&mut messages) {
                kernel.apply(&filtered, channels, messages);
            }
        }
        let mut q = vec![0.0; self.pixels() * unaries.len() * self.labels];
        self.update(unaries, (iterations > 0).then_some(&messages), 0, &mut q);
        Ok((0..unaries.len())
            .map(|u| self.marginals(&q, u, unaries.len()))
            .collect())
    }

    /// One step of all pixels: from the messages of each term (none at the start) to the
    /// marginals.
    ///
    /// # Shapes
    /// - `messages`: per term `[N, unaries, K − 1]`, labels from 1
    /// - `out`: `[N, unaries, K − skip]`, labels from `skip`
    fn update(
        &self,
        unaries: &[&Unary],
        messages: Option<&Vec<Vec<f32>>>,
        skip: usize,
        out: &mut [f32],
    ) {
        let labels = self.labels;
        let stride = unaries.len() * (labels - skip);
        if stride == 0 {
            return;
        }
        out.par_chunks_mut(CHUNK * stride)
            .enumerate()
            .for_each(|(chunk, out)| {
                let mut logits = vec![0.0f32; labels];
                let mut message = vec![0.0f32; labels];
                for (row, out) in out.chunks_exact_mut(stride).enumerate() {
                    let pixel = chunk * CHUNK + row;
                    for (u, out) in out.chunks_exact_mut(labels - skip).enumerate() {
                        let energies = unaries[u].energies();
                        for (label, logit) in logits.iter_mut().enumerate() {
                            *logit = -energies[label * self.pixels() + pixel];
                        }
                        let terms = self.terms.iter().zip(messages.into_iter().flatten());
                        for ((kernel, compatibility), messages) in terms {
                            let at = (pixel * unaries.len() + u) * (labels - 1);
                            let known = &messages[at..at + labels - 1];
                            message[0] = kernel.mass()[pixel] - known.iter().sum::<f32>();
                            message[1..].copy_from_slice(known);
                            compatibility.apply(&message, &mut logits);
                        }
                        softmax(&mut logits);
                        out.copy_from_slice(&logits[skip..]);
                    }
                }
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

/// Logits to probabilities, in place; finite logits give finite probabilities.
#[inline]
fn softmax(logits: &mut [f32]) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // In double precision, or 256 small terms would leave the sum of a row visibly off 1.
    let mut sum = 0.0f64;
    for logit in logits.iter_mut() {
        *logit = (*logit - max).exp();
        sum += f64::from(*logit);
    }
    let scale = (1.0 / sum) as f32;
    for logit in logits.iter_mut() {
        *logit *= scale;
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
