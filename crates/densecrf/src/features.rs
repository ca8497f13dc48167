//! Feature vectors: where each pixel lies in the space the kernel is Gaussian in.

use crate::mean_field::pixels;
use crate::vectorized::{LANES, Lanes, each};
use crate::{CrfError, Guide, MAX_DIMENSIONS};

/// One feature vector per pixel, in units of the kernel's standard deviation: pixels i and j have
/// the weight exp(−½‖fᵢ − fⱼ‖²).
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    dimensions: usize,
    values: Vec<f32>,
}

/// The standard deviations of a kernel: one for all axes, or one for each.
#[derive(Debug, Clone, PartialEq)]
pub enum Deviation {
    /// The same for every axis.
    Same(f32),
    /// One per axis: (x, y) for `sxy`, one per guide channel for `srgb`.
    Each(Vec<f32>),
}

impl From<f32> for Deviation {
    fn from(value: f32) -> Self {
        Self::Same(value)
    }
}

impl<const N: usize> From<[f32; N]> for Deviation {
    fn from(values: [f32; N]) -> Self {
        Self::Each(values.into())
    }
}

impl Features {
    /// Feature vectors of any kind, already divided by their standard deviations.
    ///
    /// # Shapes
    /// - `values`: `[N, D]` row-major with D = `dimensions`
    ///
    /// # Errors
    /// [`CrfError::FeatureDimensions`]; [`CrfError::SizeMismatch`] if the length is no multiple of
    /// D; [`CrfError::FeatureValue`] for a NaN or an infinity.
    pub fn new(values: Vec<f32>, dimensions: usize) -> Result<Self, CrfError> {
        if dimensions == 0 || dimensions > MAX_DIMENSIONS {
            return Err(CrfError::FeatureDimensions { dimensions });
        }
        if !values.len().is_multiple_of(dimensions) {
            return Err(CrfError::SizeMismatch {
                what: "length of a [pixels, dimensions] array (a multiple of the dimensions)",
                expected: values.len() / dimensions * dimensions,
                found: values.len(),
            });
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(CrfError::FeatureValue {
                pixel: at / dimensions,
                dimension: at % dimensions,
                value: values[at],
            });
        }
        Ok(Self { dimensions, values })
    }

    /// Positions (x / sx, y / sy), D = 2: the features of pydensecrf's `addPairwiseGaussian`.
    ///
    /// # Errors
    /// [`CrfError::ImageSize`] for an empty or overlarge image; [`CrfError::Deviation`];
    /// [`CrfError::SizeMismatch`] if `sxy` has other than two values.
    pub fn gaussian(
        height: usize,
        width: usize,
        sxy: impl Into<Deviation>,
    ) -> Result<Self, CrfError> {
        Source::gaussian(height, width, sxy)?.collect()
    }

    /// Positions and colours: (x / sx, y / sy, r / sr, g / sg, b / sb), D = 5, the features of
    /// pydensecrf's `addPairwiseBilateral`; (x / sx, y / sy, v / sv), D = 3, for a grey guide.
    ///
    /// # Errors
    /// [`CrfError::Deviation`]; [`CrfError::SizeMismatch`] if `sxy` or `srgb` has another count
    /// of values than the position or the guide.
    pub fn bilateral(
        sxy: impl Into<Deviation>,
        srgb: impl Into<Deviation>,
        guide: &Guide,
    ) -> Result<Self, CrfError> {
        Source::bilateral(sxy, srgb, guide)?.collect()
    }

    /// Dimensions D of the feature space.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Number of pixels N.
    pub fn pixels(&self) -> usize {
        self.values.len() / self.dimensions
    }

    /// The feature vector `[D]` of a pixel.
    #[inline]
    pub(crate) fn vector(&self, pixel: usize) -> &[f32] {
        &self.values[pixel * self.dimensions..][..self.dimensions]
    }
}

/// Feature vectors as a lattice takes them: those of an image are made where they are needed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Given(&'a Features),
    Image {
        height: usize,
        width: usize,
        sxy: [f32; 2],
        /// The guide and the deviation of each channel.
        colour: Option<(Guide<'a>, [f32; 3])>,
    },
}

impl<'a> Source<'a> {
    /// See [`Features::gaussian`].
    pub(crate) fn gaussian(
        height: usize,
        width: usize,
        sxy: impl Into<Deviation>,
    ) -> Result<Self, CrfError> {
        pixels(height, width)?;
        Ok(Self::Image {
            height,
            width,
            sxy: first(&sxy.into().resolve("sxy", 2)?),
            colour: None,
        })
    }

    /// See [`Features::bilateral`].
    pub(crate) fn bilateral(
        sxy: impl Into<Deviation>,
        srgb: impl Into<Deviation>,
        guide: &Guide<'a>,
    ) -> Result<Self, CrfError> {
        let srgb = srgb.into().resolve("srgb", guide.channels())?;
        Ok(Self::Image {
            height: guide.height(),
            width: guide.width(),
            sxy: first(&sxy.into().resolve("sxy", 2)?),
            colour: Some((*guide, first(&srgb))),
        })
    }

    pub(crate) fn dimensions(&self) -> usize {
        match self {
            Self::Given(features) => features.dimensions,
            Self::Image { colour, .. } => 2 + colour.map_or(0, |(guide, _)| guide.channels()),
        }
    }

    pub(crate) fn pixels(&self) -> usize {
        match self {
            Self::Given(features) => features.pixels(),
            Self::Image { height, width, .. } => height * width,
        }
    }

    /// An interval for each dimension that holds the values of all pixels.
    pub(crate) fn ranges(&self) -> Vec<[f32; 2]> {
        match self {
            Self::Given(features) => {
                let d = features.dimensions;
                let mut ranges = vec![[0f32; 2]; d];
                for vector in features.values.chunks_exact(d) {
                    for (range, value) in ranges.iter_mut().zip(vector) {
                        *range = [range[0].min(*value), range[1].max(*value)];
                    }
                }
                ranges
            }
            Self::Image {
                height,
                width,
                sxy,
                colour,
            } => {
                let sides = [width, height].map(|side| side.saturating_sub(1) as f32);
                let mut most = vec![sides[0] / sxy[0], sides[1] / sxy[1]];
                if let Some((guide, srgb)) = colour {
                    most.extend(srgb[..guide.channels()].iter().map(|s| 255.0 / s));
                }
                most.into_iter().map(|most| [0.0, most]).collect()
            }
        }
    }

    /// The vectors of [`LANES`] pixels from `first`, `[D]`; lanes beyond the last pixel repeat it.
    #[inline(always)]
    pub(crate) fn lanes(&self, first: usize, out: &mut [Lanes]) {
        let pixels = self.pixels();
        match self {
            Self::Given(features) => {
                for lane in 0..LANES {
                    let vector = features.vector((first + lane).min(pixels - 1));
                    for (out, value) in out.iter_mut().zip(vector) {
                        out[lane] = *value;
                    }
                }
            }
            Self::Image {
                width, sxy, colour, ..
            } => {
                let (mut x, mut y) = (first % width, first / width);
                let (mut xs, mut ys) = ([0.0; LANES], [0.0; LANES]);
                for (lane, (at_x, at_y)) in xs.iter_mut().zip(&mut ys).enumerate() {
                    (*at_x, *at_y) = (x as f32, y as f32);
                    if first + lane + 1 < pixels {
                        x += 1;
                        if x == *width {
                            (x, y) = (0, y + 1);
                        }
                    }
                }
                out[0] = each!(LANES, lane => xs[lane] / sxy[0]);
                out[1] = each!(LANES, lane => ys[lane] / sxy[1]);
                if let Some((guide, srgb)) = colour {
                    for (channel, out) in out[2..].iter_mut().enumerate() {
                        for (lane, out) in out.iter_mut().enumerate() {
                            let pixel = (first + lane).min(pixels - 1);
                            *out = f32::from(guide.value(pixel, channel));
                        }
                        *out = each!(LANES, lane => out[lane] / srgb[channel]);
                    }
                }
            }
        }
    }

    /// The vectors themselves.
    ///
    /// # Errors
    /// As [`Features::new`].
    pub(crate) fn collect(&self) -> Result<Features, CrfError> {
        let (d, pixels) = (self.dimensions(), self.pixels());
        let mut values = Vec::with_capacity(pixels * d);
        let mut vectors = vec![[0.0; LANES]; d];
        for first in (0..pixels).step_by(LANES) {
            self.lanes(first, &mut vectors);
            for lane in 0..LANES.min(pixels - first) {
                values.extend(vectors.iter().map(|values| values[lane]));
            }
        }
        Features::new(values, d)
    }
}

/// The first values, zeros after them.
fn first<const N: usize>(values: &[f32]) -> [f32; N] {
    std::array::from_fn(|at| values.get(at).copied().unwrap_or(0.0))
}

impl Deviation {
    fn resolve(self, name: &'static str, axes: usize) -> Result<Vec<f32>, CrfError> {
        let values = match self {
            Self::Same(value) => vec![value; axes],
            Self::Each(values) => values,
        };
        if values.len() != axes {
            return Err(CrfError::SizeMismatch {
                what: if name == "sxy" {
                    "standard deviations in sxy"
                } else {
                    "standard deviations in srgb (one per guide channel)"
                },
                expected: axes,
                found: values.len(),
            });
        }
        match values.iter().find(|v| !(v.is_finite() && **v > 0.0)) {
            Some(&value) => Err(CrfError::Deviation { name, value }),
            None => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_guide_layouts_give_the_same_features() {
        let interleaved = [1, 2, 3, 4, 5, 6];
        let planar = [1, 4, 2, 5, 3, 6];
        let a = Guide::interleaved(1, 2, 3, &interleaved).unwrap();
        let b = Guide::planar(1, 2, 3, &planar).unwrap();
        let features = Features::bilateral(2.0, 0.5, &a).unwrap();
        assert_eq!(features, Features::bilateral(2.0, 0.5, &b).unwrap());
        assert_eq!(features.vector(1), [0.5, 0.0, 8.0, 10.0, 12.0]);
    }

    #[test]
    fn each_axis_may_have_its_deviation() {
        let features = Features::gaussian(2, 2, [1.0, 4.0]).unwrap();
        assert_eq!(features.vector(3), [1.0, 0.25]);
    }

    #[test]
    fn bad_inputs_are_named() {
        for value in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(
                Features::gaussian(1, 1, value),
                Err(CrfError::Deviation { name: "sxy", .. })
            ));
        }
        assert!(matches!(
            Guide::planar(1, 1, 2, &[0; 2]),
            Err(CrfError::GuideChannels { channels: 2 })
        ));
        assert!(matches!(
            Guide::planar(1, 2, 1, &[0]),
            Err(CrfError::SizeMismatch { .. })
        ));
        let grey = Guide::planar(1, 1, 1, &[0]).unwrap();
        assert!(matches!(
            Features::bilateral(1.0, [1.0; 3], &grey),
            Err(CrfError::SizeMismatch { expected: 1, .. })
        ));
        assert!(matches!(
            Features::new(vec![0.0, f32::NAN], 1),
            Err(CrfError::FeatureValue { pixel: 1, .. })
        ));
        assert!(matches!(
            Features::new(vec![], 33),
            Err(CrfError::FeatureDimensions { .. })
        ));
    }
}
