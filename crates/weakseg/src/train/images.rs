//! Decoded images at the network's size, kept in memory as far as they may; batches of them as tensors.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use weakseg_data::resize::{Filter, resize_u8};
use weakseg_data::{Case, DataError, Limits, Stack, View, read_picture};
use weakseg_models::Normalisation;

use super::disk_cache::DiskCache;
use crate::config::LoaderConfig;

/// The images of a set at one size, each decoded on first use and then kept (one byte a value) until the memory for it
/// is used up.
///
/// Images that were kept first stay: an epoch asks for every image once, so a cache that evicts the oldest would have
/// evicted each before it is asked for again.
pub struct ImageStore {
    size: usize,
    /// Whether images are kept at their own size, and brought to the store's whenever they are asked for.
    own_size: bool,
    /// Bytes that may be kept.
    limit: usize,
    kept: AtomicUsize,
    cache: Option<DiskCache>,
    files: Vec<(PathBuf, View)>,
    images: Vec<OnceLock<Arc<Stack<u8>>>>,
}

impl ImageStore {
    /// A store over `cases` at `size` × `size` pixels that keeps what the settings allow. Nothing is read yet.
    pub fn new(cases: &[Case], size: usize, settings: &LoaderConfig) -> Self {
        Self {
            size,
            own_size: false,
            limit: settings.memory.saturating_mul(1 << 20),
            kept: AtomicUsize::new(0),
            cache: settings.cache.as_deref().map(DiskCache::new),
            files: cases.iter().map(|c| (c.image.clone(), c.view)).collect(),
            images: cases.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The same, with images kept at their own size; the folder of decoded images, which has them at the network's, is
    /// not used.
    pub fn at_own_size(self) -> Self {
        Self {
            own_size: true,
            cache: None,
            ..self
        }
    }

    /// Side of the network's input.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The image of case `index`: 1 or 3 channels, `size` × `size`.
    ///
    /// # Errors
    /// When the file cannot be read whole, or the cache not written.
    pub fn get(&self, index: usize) -> Result<Arc<Stack<u8>>, DataError> {
        let image = self.kept_or_read(index)?;
        Ok(match self.own_size {
            true => Arc::new(resize_u8(&image, self.size, self.size, Filter::Area)),
            false => image,
        })
    }

    /// The image of case `index` at its own size, 1 or 3 channels, if the store keeps such.
    ///
    /// # Errors
    /// When the file cannot be read whole.
    pub fn original(&self, index: usize) -> Result<Option<Arc<Stack<u8>>>, DataError> {
        self.own_size.then(|| self.kept_or_read(index)).transpose()
    }

    fn kept_or_read(&self, index: usize) -> Result<Arc<Stack<u8>>, DataError> {
        if let Some(image) = self.images[index].get() {
            return Ok(image.clone());
        }
        let (path, view) = &self.files[index];
        let (view, size) = (*view, self.size);
        let image = Arc::new(match &self.cache {
            _ if self.own_size => read_picture(path, &Limits::default(), view)?.pixels,
            Some(cache) => cache.get(path, view, size, || read_resized(path, view, size))?,
            None => read_resized(path, view, size)?,
        });
        let bytes = image.as_slice().len();
        if self.kept.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.limit
            && self.images[index].set(image.clone()).is_ok()
        {
            return Ok(image);
        }
        // There was no room, or another thread was faster.
        self.kept.fetch_sub(bytes, Ordering::Relaxed);
        Ok(image)
    }

    /// The file of case `index`.
    pub fn path(&self, index: usize) -> &Path {
        &self.files[index].0
    }

    /// How many images are in memory.
    pub fn kept(&self) -> usize {
        self.images.iter().filter(|i| i.get().is_some()).count()
    }
}

/// Reads an image and brings it to `size` × `size` by area averaging, as the reference does.
///
/// # Errors
/// When the file cannot be read whole.
pub fn read_resized(path: &Path, view: View, size: usize) -> Result<Stack<u8>, DataError> {
    Ok(resize_u8(
        &read_picture(path, &Limits::default(), view)?.pixels,
        size,
        size,
        Filter::Area,
    ))
}

/// Images of one size → normalised [B, 3, H, W]; one channel is repeated thrice.
pub fn to_tensor(
    images: &[impl AsRef<Stack<u8>> + Sync],
    normalisation: &Normalisation,
    device: &Device,
) -> Tensor<4> {
    let (height, width) = (images[0].as_ref().height(), images[0].as_ref().width());
    let area = height * width;
    let mut values = vec![0f32; images.len() * 3 * area];
    values
        .par_chunks_mut(3 * area)
        .zip(images.par_iter())
        .for_each(|(out, image)| {
            let image = image.as_ref();
            for channel in 0..3 {
                let normalised: [f32; 256] =
                    std::array::from_fn(|pixel| normalisation.value(channel, pixel as f32));
                let plane = image.plane(channel.min(image.channels() - 1));
                for (value, &pixel) in out[channel * area..][..area].iter_mut().zip(plane) {
                    *value = normalised[usize::from(pixel)];
                }
            }
        });
    Tensor::from_data(
        TensorData::new(values, [images.len(), 3, height, width]),
        device,
    )
}
