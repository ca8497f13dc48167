//! Passes over `[B, C, H, W]` that take one channel at a time: a channel of all images fits in a core's
//! cache, so that a second look at it costs no memory traffic.
#![allow(unsafe_code)] // Tasks write the planes of their own channels into one shared output.

use rayon::prelude::*;

use crate::elementwise::grain;
use crate::instructions::{Instructions, per_instruction_set};
use crate::scratch::Shared;
use crate::sums::sum;

/// Sizes of a tensor `[B, C, H, W]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channels {
    /// Images.
    pub images: usize,
    /// Channels.
    pub channels: usize,
    /// Pixels.
    pub plane: usize,
}

impl Channels {
    /// Of a shape.
    pub fn of([images, channels, height, width]: [usize; 4]) -> Self {
        Self {
            images,
            channels,
            plane: height * width,
        }
    }

    /// Values in all.
    pub fn len(&self) -> usize {
        self.images * self.channels * self.plane
    }

    /// A channel of an image.
    #[inline(always)]
    pub fn plane<'a>(&self, values: &'a [f32], image: usize, channel: usize) -> &'a [f32] {
        &values[(image * self.channels + channel) * self.plane..][..self.plane]
    }

    /// The planes of a channel, image by image.
    #[inline(always)]
    pub fn planes<'a>(
        &self,
        values: &'a [f32],
        channel: usize,
    ) -> impl Iterator<Item = &'a [f32]> + Clone + use<'a> {
        let sizes = *self;
        (0..sizes.images).map(move |image| sizes.plane(values, image, channel))
    }

    /// What `body` gives for each channel and its planes of `output`, which it may write, on all
    /// threads.
    pub fn for_each<R: Send>(
        &self,
        output: &mut [f32],
        body: impl Fn(usize, Vec<&mut [f32]>) -> R + Sync,
    ) -> Vec<R> {
        self.for_each_in([output], |channel, [planes]| body(channel, planes))
    }

    /// [`for_each`](Self::for_each) with `N` outputs.
    pub fn for_each_in<R: Send, const N: usize>(
        &self,
        outputs: [&mut [f32]; N],
        body: impl Fn(usize, [Vec<&mut [f32]>; N]) -> R + Sync,
    ) -> Vec<R> {
        for output in &outputs {
            assert_eq!(output.len(), self.len(), "size of an output");
        }
        let outputs = outputs.map(Shared::new);
        (0..self.channels)
            .into_par_iter()
            .with_min_len(grain(self.images * self.plane))
            .map(|channel| {
                let planes = outputs.map(|output| {
                    let plane = |image| {
                        let start = (image * self.channels + channel) * self.plane;
                        // SAFETY: within the output, whose length was compared; no two pairs of
                        // image and channel share a plane, and each channel is taken once.
                        unsafe {
                            std::slice::from_raw_parts_mut(output.get().add(start), self.plane)
                        }
                    };
                    (0..self.images).map(plane).collect()
                });
                body(channel, planes)
            })
            .collect()
    }

    /// What `body` gives for each channel, on all threads.
    pub fn map<R: Send>(&self, body: impl Fn(usize) -> R + Sync) -> Vec<R> {
        (0..self.channels)
            .into_par_iter()
            .with_min_len(grain(self.images * self.plane))
            .map(&body)
            .collect()
    }
}

/// The sum of each channel.
pub(crate) fn sums(set: Instructions, values: &[f32], sizes: Channels) -> Vec<f32> {
    sizes.map(|channel| sum_of(set, values, sizes, channel))
}

per_instruction_set! {
    fn sum_of[](values: &[f32], sizes: Channels, channel: usize) -> f32 {
        let mut total = 0.0;
        for plane in sizes.planes(values, channel) {
            total += sum(plane);
        }
        total as f32
    }
}
