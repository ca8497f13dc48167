//! What follows the sums of a convolution.

use crate::elementwise::{self, update_plane, zip_update_plane};
use crate::instructions::Instructions;
use crate::norm::ChannelMap;

/// What becomes of a convolution's sums while they are in the cache: a bias is added, the channel's map applied, a shortcut
/// added before the map's floor. The values are those of passes of their own, byte for byte.
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

    /// Follows up values of one channel, bias added, that lie from `at` on in the output.
    #[inline]
    pub fn follow(&self, set: Instructions, channel: usize, at: usize, values: &mut [f32]) {
        let Some(map) = self.map_of(channel) else {
            return;
        };
        match self.shortcut {
            None => update_plane(set, values, |x| map.output(x)),
            Some(shortcut) => {
                let shortcut = &shortcut[at..][..values.len()];
                zip_update_plane(set, values, shortcut, |x, add| map.output_with(x, add));
            }
        }
    }

    /// Follows up a whole output, of `pixels` values a plane, in a pass of its own.
    pub fn follow_all(&self, output: &mut [f32], pixels: usize) {
        let Some(maps) = self.maps else {
            return;
        };
        let set = Instructions::detect();
        match self.shortcut {
            None => elementwise::update(set, output, pixels, |at| {
                let map = maps[at % maps.len()];
                move |x| map.output(x)
            }),
            Some(shortcut) => elementwise::zip_update(set, output, shortcut, pixels, |at| {
                let map = maps[at % maps.len()];
                move |x, add| map.output_with(x, add)
            }),
        }
    }
}
