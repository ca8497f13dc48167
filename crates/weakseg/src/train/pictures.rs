//! [`Pictures`]: images and their masks, randomly changed.

use std::path::Path;
use std::sync::Arc;

use weakseg_data::{Augment, DataError, Stack};

use super::{Draw, ImageStore, Place, purpose, stream_seed};

/// Images of a set, and a mask with each where there are masks; both changed by one random draw, which is a pure
/// function of (seed, epoch, step, place in the batch).
pub struct Pictures {
    /// The images of all cases, at the network's size or their own.
    pub images: Arc<ImageStore>,
    /// Case of each index of the lesson's order.
    pub cases: Vec<usize>,
    /// Mask of each index, or none at all.
    pub masks: Vec<Stack<u8>>,
    /// What is changed at random.
    pub augment: Augment,
    /// Of all random draws.
    pub seed: u64,
}

impl Draw for Pictures {
    type Sample = (Arc<Stack<u8>>, Option<Stack<u8>>);

    fn sample(&self, index: usize, at: Place, slot: usize) -> Result<Self::Sample, DataError> {
        let (case, mask) = (self.cases[index], self.masks.get(index));
        let seed = stream_seed(self.seed, at, purpose::AUGMENT);
        let (epoch, slot) = (at.epoch as u64, slot as u64);
        let (image, mask) = match self.images.original(case)? {
            Some(image) => {
                let size = self.images.size();
                self.augment
                    .apply_then_resize(seed, epoch, slot, &image, mask, size)?
            }
            None => {
                let image = self.images.get(case)?;
                self.augment.apply(seed, epoch, slot, &image, mask)?
            }
        };
        Ok((Arc::new(image), mask))
    }

    fn image(&self, index: usize) -> &Path {
        self.images.path(self.cases[index])
    }
}

impl Pictures {
    /// Images and masks of a batch, each in order.
    pub(crate) fn apart(
        samples: Vec<<Self as Draw>::Sample>,
    ) -> (Vec<Arc<Stack<u8>>>, Vec<Stack<u8>>) {
        let (images, masks): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        (images, masks.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LoaderConfig;
    use crate::progress::Stop;
    use crate::train::loader::{Closing, Loader};
    use weakseg_data::{Case, Plane, Scope, Split, View, write_gray_png};

    /// A folder of `count` images that differ, of 48 pixels.
    fn cases(folder: &std::path::Path, count: usize) -> Vec<Case> {
        let case = |number: usize| {
            let image = folder.join(format!("{number}.png"));
            let plane = Plane::from_fn(48, 48, |y, x| {
                ((y * 7 + x * 5 * number + y * x) % 256) as u8
            });
            write_gray_png(&image, &plane).expect("written");
            Case {
                id: number.to_string(),
                patient: None,
                image,
                view: View::default(),
                labels: vec![number.is_multiple_of(2)],
                split: Split::Train,
            }
        };
        (0..count).map(case).collect()
    }

    fn keeping(memory: usize) -> LoaderConfig {
        LoaderConfig {
            memory,
            ..LoaderConfig::default()
        }
    }

    fn pictures(cases: &[Case], scope: Scope, mebibytes: usize) -> Pictures {
        let mask = |case: usize| Stack::filled(1, 32, 32, (case % 3) as u8);
        Pictures {
            images: Arc::new(ImageStore::new(cases, 32, &keeping(mebibytes))),
            cases: (0..cases.len()).collect(),
            masks: (0..cases.len()).map(mask).collect(),
            augment: Augment::scope(scope),
            seed: 3,
        }
    }

    type Samples = Vec<<Pictures as Draw>::Sample>;

    /// Two epochs of batches of 4.
    fn epochs(pictures: &Pictures, workers: usize) -> Result<Vec<Samples>, DataError> {
        let loader = Loader::new(pictures, 3);
        let order: Vec<usize> = (0..pictures.cases.len()).rev().collect();
        std::thread::scope(|scope| {
            let _closing = Closing(&loader);
            for _ in 0..workers {
                scope.spawn(|| loader.work());
            }
            let mut all = Vec::new();
            for epoch in 0..2 {
                let batches = order.chunks(4).map(<[usize]>::to_vec).enumerate();
                loader.queue_up(batches.map(|(step, cases)| (Place { epoch, step }, cases)));
                for _ in order.chunks(4) {
                    all.push(loader.next(&Stop::default())?.expect("no stop"));
                }
            }
            Ok(all)
        })
    }

    #[test]
    fn one_or_eight_workers_make_the_same_batches_byte_for_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = cases(folder.path(), 10);
        for scope in [Scope::Strong, Scope::Pneumothorax, Scope::Irn] {
            let one = epochs(&pictures(&cases, scope, 1), 1).expect("readable");
            // Without any memory every image is decoded each time, and nothing else is different.
            for (workers, mebibytes) in [(8, 1), (8, 0)] {
                let other = epochs(&pictures(&cases, scope, mebibytes), workers).expect("readable");
                assert!(one == other, "{scope}, {workers} workers, {mebibytes} MiB");
            }
            assert_eq!(one.len(), 6);
            assert!(one[0] != one[3], "another epoch, other changes");
        }
    }

    #[test]
    fn images_are_changed_at_their_own_size_if_that_is_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = cases(folder.path(), 6);
        let own_size = |mebibytes: usize| Pictures {
            images: Arc::new(ImageStore::new(&cases, 32, &keeping(mebibytes)).at_own_size()),
            ..pictures(&cases, Scope::Strong, 0)
        };
        let one = epochs(&own_size(1), 1).expect("readable");
        for mebibytes in [1, 0] {
            assert!(epochs(&own_size(mebibytes), 8).expect("readable") == one);
        }
        assert!(epochs(&pictures(&cases, Scope::Strong, 1), 1).expect("readable") != one);
        let (image, mask) = &one[0][0];
        assert_eq!((image.height(), image.width()), (32, 32));
        assert_eq!(mask.as_ref().map(|mask| mask.height()), Some(32));
        // Whoever changes nothing sees the same either way.
        let plain = ImageStore::new(&cases, 32, &keeping(1));
        let kept = own_size(1).images;
        assert_eq!(
            kept.original(2).expect("readable").map(|i| i.height()),
            Some(48)
        );
        assert_eq!(plain.original(2).expect("readable"), None);
        assert_eq!(
            kept.get(2).expect("readable"),
            plain.get(2).expect("readable")
        );
    }

    /// [`Draw`] must not enter the pool: here every thread of it waits for the samples, as that of a pool of one thread
    /// does on which a training stands.
    #[test]
    fn samples_come_while_no_thread_of_the_pool_is_free() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = cases(folder.path(), 6);
        let pool = rayon::current_num_threads();
        let (arrive, arrived) = std::sync::mpsc::channel();
        let made = Arc::new((std::sync::Mutex::new(false), std::sync::Condvar::new()));
        let waits = made.clone();
        rayon::spawn_broadcast(move |_| {
            arrive.send(()).expect("the test waits");
            let (made, changed) = &*waits;
            drop(changed.wait_while(made.lock().expect("no panic"), |made| !*made));
        });
        for _ in 0..pool {
            arrived.recv().expect("each thread of the pool");
        }
        let (done, over) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let all = Scope::ALL.map(|scope| epochs(&pictures(&cases, scope, 0), 2).is_ok());
            done.send(all).expect("the test waits");
        });
        let all = over.recv_timeout(std::time::Duration::from_secs(60));
        *made.0.lock().expect("no panic") = true;
        made.1.notify_all();
        assert_eq!(all, Ok([true; 8]), "a sample waits for the pool");
    }

    #[test]
    fn an_unreadable_image_ends_it_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = cases(folder.path(), 10);
        std::fs::write(&cases[4].image, b"no image").expect("written");
        let error = epochs(&pictures(&cases, Scope::Weak, 1), 3).expect_err("case 4");
        assert!(error.to_string().contains("4.png"), "{error}");
    }

    #[test]
    fn no_more_images_are_kept_than_there_is_room_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let cases = cases(folder.path(), 5);
        // 5 images of 700 x 700 bytes in 1 MiB: two.
        let store = ImageStore::new(&cases, 700, &keeping(1));
        for _ in 0..2 {
            for case in 0..5 {
                assert_eq!(store.get(case).expect("readable").height(), 700);
            }
        }
        assert_eq!(store.kept(), 2);
    }
}
