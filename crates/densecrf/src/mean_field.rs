//! The dense CRF: its pairwise terms, and what can be asked of them.

use std::sync::Arc;

use crate::compatibility::Compatibility;
use crate::features::Source;
use crate::inference::{Form, Inference, Problem};
use crate::kernel::Kernel;
use crate::unary::check_label_count;
use crate::{CrfError, Deviation, Features, Filtering, Guide, Marginals, Normalization, Unary};

/// A fully connected CRF over an image of H×W pixels and K labels: pydensecrf's `DenseCRF2D`.
///
/// The pairwise terms are built once, as they are added, and serve any number of inferences; a clone
/// shares them.
///
/// See the [crate documentation](crate) for an example.
#[derive(Debug, Clone)]
pub struct DenseCrf {
    height: usize,
    width: usize,
    labels: usize,
    normalization: Normalization,
    filtering: Filtering,
    terms: Vec<(Arc<Kernel>, Compatibility)>,
}

impl DenseCrf {
    /// A CRF without pairwise terms.
    ///
    /// # Errors
    /// [`CrfError::LabelCount`] unless 1 ≤ K ≤ 256; [`CrfError::ImageSize`] for an empty or
    /// overlarge image.
    pub fn new(height: usize, width: usize, labels: usize) -> Result<Self, CrfError> {
        check_label_count(labels)?;
        pixels(height, width)?;
        Ok(Self {
            height,
            width,
            labels,
            normalization: Normalization::default(),
            filtering: Filtering::default(),
            terms: Vec::new(),
        })
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
        let source = Source::gaussian(self.height, self.width, sxy)?;
        self.term(&source, compat.into())
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
        let source = Source::bilateral(sxy, srgb, guide)?;
        self.term(&source, compat.into())
    }

    /// Adds a term that is Gaussian in any features (`addPairwiseEnergy`).
    ///
    /// # Errors
    /// [`CrfError::SizeMismatch`] unless there is one feature vector per pixel and `compat` fits
    /// K; [`CrfError::CompatibilityValue`]; [`CrfError::FeatureRange`]; [`CrfError::ImageSize`].
    pub fn pairwise(
        self,
        features: &Features,
        compat: impl Into<Compatibility>,
    ) -> Result<Self, CrfError> {
        self.term(&Source::Given(features), compat.into())
    }

    fn term(mut self, source: &Source, compat: Compatibility) -> Result<Self, CrfError> {
        let compatibility = compat.checked(self.labels)?;
        check_size("feature vectors", self.pixels(), source.pixels())?;
        if self.pixels() > i32::MAX as usize / (source.dimensions() + 1) {
            return Err(CrfError::ImageSize {
                height: self.height,
                width: self.width,
            });
        }
        let mass = Form::of(self.labels) == Form::Lanes;
        let kernel = Kernel::new(source, self.normalization, self.filtering, mass)?;
        self.terms.push((Arc::new(kernel), compatibility));
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

    /// Runs inference for several unaries: each has the result it has alone. With few labels, the
    /// lattices are walked once for several of them.
    ///
    /// # Errors
    /// As [`DenseCrf::infer`].
    pub fn infer_all(
        &self,
        unaries: &[&Unary],
        iterations: usize,
    ) -> Result<Vec<Marginals>, CrfError> {
        for unary in unaries {
            self.check_unary(unary)?;
        }
        let mut all = Vec::with_capacity(unaries.len());
        for unaries in unaries.chunks(Problem::together(self.labels)) {
            let mut inference = Inference::new(self.problem(unaries));
            for _ in 0..iterations {
                inference.step();
            }
            all.extend(inference.marginals().into_iter().map(|q| self.marginals(q)));
        }
        Ok(all)
    }

    /// One iteration from given marginals: softmax(−U − Σₘ μₘ Kₘ Q). Repeated from `infer(unary, 0)`
    /// on, it gives what [`DenseCrf::infer`] gives, but slower.
    ///
    /// # Errors
    /// [`CrfError::SizeMismatch`] if the unary or the marginals have another number of labels or
    /// pixels.
    pub fn step(&self, unary: &Unary, marginals: &Marginals) -> Result<Marginals, CrfError> {
        let unaries = [unary];
        let inference = self.sent(&unaries, marginals)?;
        Ok(self.marginals(inference.marginals().swap_remove(0)))
    }

    /// The divergence of the distribution with these marginals from the CRF's, up to a constant:
    /// Σᵢ Σₗ Q · (ln Q + U + Σₘ μₘ Kₘ Q), in double precision. It falls from iteration to iteration
    /// where the mean field converges.
    ///
    /// Source: `klDivergence` of pydensecrf, which counts every pair of pixels twice, as this does.
    ///
    /// # Errors
    /// As [`DenseCrf::step`].
    pub fn kl_divergence(&self, unary: &Unary, marginals: &Marginals) -> Result<f64, CrfError> {
        let unaries = [unary];
        let inference = self.sent(&unaries, marginals)?;
        Ok(inference.divergence(&[&marginals.q]))
    }

    /// An inference that holds the messages of given marginals.
    fn sent<'a>(
        &'a self,
        unaries: &'a [&'a Unary; 1],
        marginals: &Marginals,
    ) -> Result<Inference<'a>, CrfError> {
        self.check_unary(unaries[0])?;
        for (what, expected, found) in [
            ("labels of the marginals", self.labels, marginals.labels),
            ("rows of the marginals", self.height, marginals.height),
            ("columns of the marginals", self.width, marginals.width),
        ] {
            check_size(what, expected, found)?;
        }
        let mut inference = Inference::new(self.problem(unaries));
        inference.send(Some(&[&marginals.q]));
        Ok(inference)
    }

    fn check_unary(&self, unary: &Unary) -> Result<(), CrfError> {
        check_size("labels of the unary", self.labels, unary.labels())?;
        check_size("pixels of the unary", self.pixels(), unary.pixels())
    }

    fn problem<'a>(&'a self, unaries: &'a [&'a Unary]) -> Problem<'a> {
        Problem {
            terms: &self.terms,
            unaries,
            labels: self.labels,
            pixels: self.pixels(),
        }
    }

    fn marginals(&self, q: Vec<f32>) -> Marginals {
        Marginals {
            labels: self.labels,
            height: self.height,
            width: self.width,
            q,
        }
    }

    fn pixels(&self) -> usize {
        self.height * self.width
    }
}

/// The pixels of an image, at least one and no more than indices of 32 bits number.
pub(crate) fn pixels(height: usize, width: usize) -> Result<usize, CrfError> {
    match height.checked_mul(width) {
        Some(pixels @ 1..=0x7fff_ffff) => Ok(pixels),
        _ => Err(CrfError::ImageSize { height, width }),
    }
}

pub(crate) fn check_size(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), CrfError> {
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
