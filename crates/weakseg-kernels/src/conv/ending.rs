//! What follows the sums of a convolution.

use rayon::prelude::*;

use super::shape::ConvShape;
use crate::elementwise::{grain, update_plane, zip_update_plane};
use crate::instructions::Instructions;
use crate::norm::ChannelMap;

/// What becomes of a convolution's sums: a bias is added, the channel's map applied, a shortcut added before the map's
/// floor. The values are those of passes of their own, byte for byte.
///
/// All of it happens while the sums are in the cache, but behind Winograd's sums if there is a shortcut: then map and
/// shortcut follow in a second pass ([`follow_all`](Self::follow_all)).
#[derive(Clone, Copy, Default)]
pub(crate) struct Ending<'a> {
    /// One value for each output channel.
    pub bias: Option<&'a [f32]>,
    /// One for each output channel.
    pub maps: Option<&'a [ChannelMap]>,
    /// Of the output's size; there are maps then.
    pub shortcut: Option<&'a [f32]>,
}

impl<'a> Ending<'a> {
    /// A bias, if any, alone.
    pub fn bias(bias: Option<&'a [f32]>) -> Self {
        Self {
            bias,
            ..Self::default()
        }
    }

    /// Makes sure that it fits a convolution.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn assert_fits(&self, shape: &ConvShape) {
        let (outputs, length) = (shape.outputs, shape.output_len());
        let Self {
            bias,
            maps,
            shortcut,
        } = self;
        assert!(bias.is_none_or(|b| b.len() == outputs), "bias size");
        assert!(maps.is_none_or(|m| m.len() == outputs), "a map a channel");
        assert!(shortcut.is_none_or(|s| s.len() == length), "shortcut size");
        assert!(shortcut.is_none() || maps.is_some(), "maps of a shortcut");
    }

    /// What can be done without knowing an output's place: all of it, where there is no shortcut.
    pub fn without_place(self) -> Self {
        match self.shortcut {
            Some(_) => Self::bias(self.bias),
            None => self,
        }
    }

    /// The bias of a channel.
    pub fn bias_of(&self, channel: usize) -> f32 {
        self.bias.map_or(0.0, |bias| bias[channel])
    }

    /// The map of a channel.
    pub fn map_of(&self, channel: usize) -> Option<ChannelMap> {
        self.maps.map(|maps| maps[channel])
    }

    /// Follows up values of one channel, bias added, wherever in the output they lie; only without a shortcut.
    #[inline]
    pub fn follow_anywhere(&self, set: Instructions, channel: usize, values: &mut [f32]) {
        debug_assert!(self.shortcut.is_none(), "a shortcut has its place");
        if let Some(map) = self.map_of(channel) {
            update_plane(set, values, |x| map.output(x));
        }
    }

    /// Follows up values of one channel, bias added, that lie from `at` on in the output.
    #[inline]
    pub fn follow(&self, set: Instructions, channel: usize, at: usize, values: &mut [f32]) {
        let (Some(map), Some(shortcut)) = (self.map_of(channel), self.shortcut) else {
            return self.follow_anywhere(set, channel, values);
        };
        let shortcut = &shortcut[at..][..values.len()];
        zip_update_plane(set, values, shortcut, |x, add| map.output_with(x, add));
    }

    /// Follows up a whole output, of `pixels` values a plane, in a pass of its own.
    pub fn follow_all(&self, set: Instructions, output: &mut [f32], pixels: usize) {
        let Some(maps) = self.maps else {
            return;
        };
        output
            .par_chunks_mut(pixels)
            .enumerate()
            .with_min_len(grain(pixels))
            .for_each(|(at, plane)| self.follow(set, at % maps.len(), at * pixels, plane));
    }
}
