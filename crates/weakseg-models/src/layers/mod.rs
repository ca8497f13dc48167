//! The layers the networks are made of, one file each. Field names are PyTorch's (`weight`,
//! `bias`, `running_mean`, `running_var`), so that module paths are checkpoint keys.

mod activation;
mod aspp;
mod batch_norm;
mod conv;
pub(crate) mod conv_bn;
mod drop_noise;
mod dropblock;
mod dropout;
mod group_norm;
mod init;
mod linear;
mod pad;
mod pool;
mod scse;
mod separable;
mod upsample;

pub use activation::Relu;
pub use aspp::Aspp;
pub(crate) use aspp::AsppSpec;
pub use batch_norm::BatchNorm;
pub use conv::Conv2d;
pub use drop_noise::DropNoise;
pub use dropblock::{DropBlock, DropBlockForm};
pub use dropout::dropout;
pub use group_norm::GroupNorm;
pub use linear::Linear;
pub use pad::{crop, pad_to_multiple};
pub use pool::{GlobalMean, MaxPool};
pub use scse::Scse;
pub use separable::{SeparableConv, SpatialConv};
pub use upsample::{bilinear, bilinear_by, nearest};

pub(crate) use conv::{ConvInit, ConvSpec};
pub(crate) use init::Init;

/// `channels` times the width factor, rounded to a multiple of 4, at least 4. A factor of 1 gives
/// `channels` back.
pub fn scaled(channels: usize, width: f64) -> usize {
    (((channels as f64 * width / 4.0).round() as usize) * 4).max(4)
}

#[cfg(test)]
mod tests {
    use super::scaled;

    #[test]
    fn widths_are_multiples_of_four() {
        assert_eq!(scaled(64, 1.0), 64);
        assert_eq!(scaled(2048, 1.0), 2048);
        assert_eq!(scaled(64, 0.25), 16);
        assert_eq!(scaled(64, 0.1), 8);
        assert_eq!(scaled(64, 0.001), 4);
        assert_eq!(scaled(512, 0.3), 152);
    }
}
