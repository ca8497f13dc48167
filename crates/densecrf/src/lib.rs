//! Fully connected conditional random fields with Gaussian edge potentials: every pixel is a
//! neighbour of every other one, and inference still takes time linear in the number of pixels,
//! because the messages are Gaussian filters on the permutohedral lattice.
//!
//! A dense CRF sharpens a coarse labelling along the edges of an image. The vocabulary (`sxy`,
//! `srgb`, `compat`, the normalisation kinds, unaries from labels or a softmax) and the numbers
//! are those of pydensecrf; there is no C and no Python.
//!
//! ```
//! use densecrf::{DenseCrf, Guide, Unary};
//!
//! // A 16×16 image, dark on the left and bright on the right, and a labelling that puts the
//! // border two pixels too far left.
//! let (height, width) = (16, 16);
//! let image: Vec<u8> = (0..256).map(|p| if p % 16 < 8 { 30 } else { 220 }).collect();
//! let coarse: Vec<u8> = (0..256).map(|p| u8::from(p % 16 >= 6)).collect();
//!
//! let guide = Guide::interleaved(height, width, 1, &image)?;
//! let crf = DenseCrf::new(height, width, 2)?
//!     .gaussian(3.0, 3.0)?
//!     .bilateral(50.0, 5.0, &guide, 10.0)?;
//! let unary = Unary::from_labels(&coarse, 2, 0.7, false)?;
//! let refined = crf.infer(&unary, 10)?.map();
//!
//! // The border sits on the edge of the image now.
//! assert!((0..256).all(|p| refined[p] == u8::from(p % 16 >= 8)));
//! # Ok::<(), densecrf::CrfError>(())
//! ```
//!
//! # Method
//! Krähenbühl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian Edge
//! Potentials", 2011, on the lattice of Adams, Baek and Davis, 2010. Each iteration replaces the
//! marginals by Q ← softmax(−U − Σₘ μₘ Kₘ Q), all pixels at once.
//!
//! Departs from the reference in two places, because the reference's behaviour there is an
//! accident: its vectorised lattice pads the pixels to a multiple of four with feature vectors of
//! zero, whose vertices pass on values in the blur; and it wraps lattice coordinates at 16 bits,
//! where here they are an error ([`CrfError::FeatureRange`]).
//!
//! Results are the same for any number of threads.
#![forbid(unsafe_code)]

mod aligned;
mod compatibility;
mod embedding;
mod error;
mod exact;
mod exponential;
mod features;
mod guide;
mod inference;
mod kernel;
mod lanes;
mod lattice;
mod marginals;
mod mean_field;
mod part;
mod rows;
mod simplex;
mod unary;
mod vectorized;
mod vertex_table;

pub use compatibility::Compatibility;
pub use error::CrfError;
pub use features::{Deviation, Features};
pub use guide::Guide;
pub use kernel::{Filtering, Normalization};
pub use marginals::Marginals;
pub use mean_field::DenseCrf;
pub use unary::{SoftmaxOptions, Unary};

/// The largest number of labels K: a label map holds bytes.
pub const MAX_LABELS: usize = 256;

/// The largest number of feature dimensions of a pairwise term.
pub const MAX_DIMENSIONS: usize = 32;

/// The largest magnitude of a unary energy; far beyond what a softmax can tell from certainty,
/// and small enough that no sum overflows.
pub const MAX_ENERGY: f32 = 1e30;

/// The largest magnitude of a compatibility weight, for the same reason.
pub const MAX_COMPATIBILITY: f32 = 1e9;

/// How far the marginals of a pixel that are given to [`Marginals::new`] may sum from 1: far more
/// than rounding makes of 256 labels, and too little to change a result that anyone reads.
pub const MARGINAL_TOLERANCE: f64 = 1e-3;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
