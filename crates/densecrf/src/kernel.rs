//! A normalised Gaussian kernel: a filter and the factors around it.

use crate::exact::Exact;
use crate::lattice::{Lattice, Scratch};
use crate::{CrfError, Features};

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
    /// Exactly, over all pairs of pixels: O(N²), for tiny images and as a reference.
    Exact,
}

/// A kernel with its normalisation folded in.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    filter: Filter,
    /// The filtered constant 1, `[N]`. Filtering is linear and the marginals of a pixel sum to 1,
    /// so the message of one label follows from those of the others and this.
    mass: Vec<f32>,
}

#[derive(Debug, Clone)]
enum Filter {
    Lattice(Lattice),
    Exact(Exact),
}

impl Kernel {
    pub(crate) fn new(
        features: &Features,
        normalization: Normalization,
        filtering: Filtering,
    ) -> Result<Self, CrfError> {
        let mut filter = match filtering {
            Filtering::Lattice => Filter::Lattice(Lattice::new(features)?),
            Filtering::Exact => Filter::Exact(Exact::new(features)),
        };
        let unit = vec![1.0; features.pixels()];
        let mut mass = vec![0.0; features.pixels()];
        let scratch = &mut Scratch::default();
        filter.apply(&unit, 1, &mut mass, scratch);
        if normalization != Normalization::No {
            let factors: Vec<f32> = mass
                .iter()
                .map(|&n| {
                    // The reference guards with 1e-20, far below any mass a pixel gives itself.
                    let n = n.max(0.0) + 1e-20;
                    if normalization == Normalization::Symmetric {
                        1.0 / n.sqrt()
                    } else {
                        1.0 / n
                    }
                })
                .collect();
            let before = (normalization != Normalization::After).then_some(&factors[..]);
            let after = (normalization != Normalization::Before).then_some(&factors[..]);
            filter.scale(before, after);
            filter.apply(&unit, 1, &mut mass, scratch);
        }
        Ok(Self { filter, mass })
    }

    /// The filtered constant 1, `[N]`.
    pub(crate) fn mass(&self) -> &[f32] {
        &self.mass
    }

    /// Filters `channels` values per pixel.
    ///
    /// # Shapes
    /// - `input`, `output`: `[N, channels]`
    pub(crate) fn apply(
        &self,
        input: &[f32],
        channels: usize,
        output: &mut [f32],
        scratch: &mut Scratch,
    ) {
        self.filter.apply(input, channels, output, scratch);
    }
}

impl Filter {
    fn scale(&mut self, before: Option<&[f32]>, after: Option<&[f32]>) {
        match self {
            Self::Lattice(lattice) => lattice.scale(before, after),
            Self::Exact(exact) => exact.scale(before, after),
        }
    }

    fn apply(&self, input: &[f32], channels: usize, output: &mut [f32], scratch: &mut Scratch) {
        match self {
            Self::Lattice(lattice) => lattice.filter(input, channels, output, scratch),
            Self::Exact(exact) => exact.filter(input, channels, output),
        }
    }
}
