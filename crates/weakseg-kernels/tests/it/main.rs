//! Kernels against Burn's own operations, recorded oracles and finite differences.

mod conv;
