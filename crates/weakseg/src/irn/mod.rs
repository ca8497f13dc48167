//! IRNet (Ahn, Cho and Kwak 2019): from sure pixels to class boundaries, and from boundaries to pseudo-labels.
//!
//! [`ir_label`] says where the class maps are sure. [`pair_labels`] turns that into pairs of nearby pixels that share a
//! class or do not, and [`irn_loss`] teaches the edge and the displacement head to agree with them. After training, the
//! maps walk over the learned affinities (`weakseg_kernels::walk`), [`thin`] may narrow the boundaries before,
//! [`refine`] may move their borders to the image's, [`masks`] makes masks of the result, and [`filter`] removes what
//! is small or unsure.

pub mod filter;
pub mod ir_label;
pub mod irn_loss;
pub mod masks;
pub mod pair_labels;
pub mod refine;
pub mod thin;
