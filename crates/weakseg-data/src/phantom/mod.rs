//! Phantom: frontal chest X-rays made from a seed, with and without a pneumothorax.
//!
//! A stand-in for patients' data: a set with known truth that needs no download and no permission, hard enough that a
//! method must find the sign itself. A picture is made as an X-ray is: the absorption of trunk, air, vessels and bones
//! adds up along the beam, scatter and unsharpness soften it, a tone curve and noise turn it into grey values (bright
//! is dense, as in a MONOCHROME2 radiograph). A pneumothorax shows what radiologists look for: a thin pleural line,
//! beyond it a crescent without vessels and a little darker, crossed by the ribs, the lung inside a little denser.
//!
//! What tells the label is the pneumothorax alone. Body, pose, exposure, marks and look-alikes (folds of skin, borders
//! of the scapula, shadows along the clavicle, apical caps, leads) are drawn from streams of their own, whatever the
//! label is. Everything follows from (seed, index): no clock, no threads, no state. Pictures made on different kinds of
//! machine may differ in the last grey value, as their mathematical libraries do.
//!
//! It is no simulation of X-ray physics and no anatomical atlas; figures measured on it say whether the code works, not
//! how well it would do in a clinic.

mod anatomy;
mod body;
mod bones;
mod canvas;
mod case;
mod chance;
mod config;
mod curve;
mod exposure;
mod lesion;
mod lookalike;
mod marks;
mod pose;
mod prior;
#[cfg(test)]
mod tests;
mod texture;
mod vessels;
mod write;

pub use case::{Phantom, PhantomCase, Side, Site, render};
pub use config::PhantomConfig;
pub use prior::mean_lungs;
pub use write::{FINDING, VERSION, case_id, write_set};

/// Both sides.
const SIDES: [Side; 2] = [Side::Right, Side::Left];
