//! [`Loader`]: batches made ahead of the training step.
//!
//! Threads of their own take sample after sample of the batches to come, so that the device need not wait for files,
//! decoders and augmentation. They run ahead of the training by a few batches and no further. Which thread makes a
//! sample, and when, changes nothing in it; batches are handed out whole and in order.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use weakseg_data::DataError;

use super::{Draw, Place};
use crate::progress::Stop;

/// How often someone who waits for a batch looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Batches on their way from the threads that make them to the training.
pub struct Loader<'a, D: Draw> {
    draw: &'a D,
    /// Batches at the front of the queue that may be worked on.
    ahead: usize,
    queue: Mutex<Queue<D::Sample>>,
    changed: Condvar,
}

struct Queue<S> {
    /// Batches that are not handed out yet, in order.
    batches: VecDeque<Batch<S>>,
    /// Nobody wants more batches.
    closed: bool,
    /// A thread has died: the batches will not all come.
    broken: bool,
    /// How long batches have been waited for.
    waited: Duration,
}

struct Batch<S> {
    at: Place,
    cases: Vec<usize>,
    /// Samples that a thread has taken on.
    begun: usize,
    /// Samples that are not there yet.
    missing: usize,
    samples: Vec<Option<Result<S, DataError>>>,
}

/// Closes the loader when the training ends, however it ends.
pub struct Closing<'a, 'b, D: Draw>(pub &'a Loader<'b, D>);

impl<D: Draw> Drop for Closing<'_, '_, D> {
    fn drop(&mut self) {
        self.0.queue().closed = true;
        self.0.changed.notify_all();
    }
}

/// Says that its thread has died in the middle of a sample.
struct Dying<'a, 'b, D: Draw>(&'a Loader<'b, D>);

impl<D: Draw> Drop for Dying<'_, '_, D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.queue().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl<'a, D: Draw> Loader<'a, D> {
    /// A loader without batches, that keeps up to `ahead` of them ready, one at least.
    pub fn new(draw: &'a D, ahead: usize) -> Self {
        Self {
            draw,
            ahead: ahead.max(1),
            queue: Mutex::new(Queue {
                batches: VecDeque::new(),
                closed: false,
                broken: false,
                waited: Duration::ZERO,
            }),
            changed: Condvar::new(),
        }
    }

    /// Batches to come after those that are queued, each with its place.
    pub fn queue_up(&self, batches: impl Iterator<Item = (Place, Vec<usize>)>) {
        let batches = batches.map(|(at, cases)| Batch {
            at,
            begun: 0,
            missing: cases.len(),
            samples: cases.iter().map(|_| None).collect(),
            cases,
        });
        self.queue().batches.extend(batches);
        self.changed.notify_all();
    }

    /// Makes samples until the loader is closed: what each of its threads does.
    pub fn work(&self) {
        let _dying = Dying(self);
        let mut queue = self.queue();
        loop {
            if queue.closed || queue.broken {
                return;
            }
            let open = queue
                .batches
                .iter_mut()
                .take(self.ahead)
                .find(|batch| batch.begun < batch.cases.len());
            let Some(batch) = open else {
                queue = self.wait(queue, None);
                continue;
            };
            let (at, slot) = (batch.at, batch.begun);
            let case = batch.cases[slot];
            batch.begun += 1;
            drop(queue);
            let sample = self.sample(case, at, slot);
            queue = self.queue();
            if let Some(batch) = queue.batches.iter_mut().find(|batch| batch.at == at) {
                batch.samples[slot] = Some(sample);
                batch.missing -= 1;
                if batch.missing == 0 {
                    self.changed.notify_all();
                }
            }
        }
    }

    /// A sample, or an error that names the image if making it panics: one image in thousands is found by its name
    /// only.
    fn sample(&self, case: usize, at: Place, slot: usize) -> Result<D::Sample, DataError> {
        let draw = AssertUnwindSafe(|| self.draw.sample(case, at, slot));
        catch_unwind(draw).unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(DataError::Unreadable {
                path: self.draw.image(case).to_owned(),
                problem: format!(
                    "making a training sample of it failed: {}",
                    said.unwrap_or("without a message")
                ),
                remedy: "look at the image; if nothing is wrong with it, report this".into(),
            })
        })
    }

    /// The next batch, in the order of its cases; none if it was to stop while it waited.
    ///
    /// # Errors
    /// That of the first case of the batch that could not be read, or whose sample panicked.
    ///
    /// # Panics
    /// If none is queued, or if a thread that makes samples has panicked elsewhere than in one.
    pub fn next(&self, stop: &Stop) -> Result<Option<Vec<D::Sample>>, DataError> {
        let begun = Instant::now();
        let mut queue = self.queue();
        loop {
            assert!(!queue.broken, "a thread that makes batches has panicked");
            let batch = queue.batches.front().expect("a batch is queued");
            if batch.missing == 0 {
                break;
            }
            if stop.asked() {
                return Ok(None);
            }
            queue = self.wait(queue, Some(LOOK));
        }
        queue.waited += begun.elapsed();
        let batch = queue.batches.pop_front().expect("it was at the front");
        drop(queue);
        // The threads may go on to one more.
        self.changed.notify_all();
        let samples = batch.samples.into_iter().flatten();
        samples.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// How long [`Loader::next`] has waited since this was last asked.
    pub fn waited(&self) -> Duration {
        std::mem::take(&mut self.queue().waited)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<D::Sample>> {
        // Nothing that can panic happens while it is locked.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(
        &self,
        queue: MutexGuard<'q, Queue<D::Sample>>,
        limit: Option<Duration>,
    ) -> MutexGuard<'q, Queue<D::Sample>> {
        match limit {
            None => self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout(queue, limit);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Samples that say where they stand; one case cannot be read.
    #[derive(Default)]
    struct Numbers {
        made: AtomicUsize,
        bad: Option<usize>,
        fatal: Option<usize>,
    }

    impl Draw for Numbers {
        type Sample = (usize, Place, usize);

        fn sample(&self, index: usize, at: Place, slot: usize) -> Result<Self::Sample, DataError> {
            self.made.fetch_add(1, Ordering::SeqCst);
            assert!(self.fatal != Some(index), "a fault of the program");
            if self.bad == Some(index) {
                return Err(DataError::Shape {
                    what: format!("case {index}"),
                    expected: "a case".into(),
                    found: "none".into(),
                });
            }
            Ok((index, at, slot))
        }

        fn image(&self, _: usize) -> &Path {
            Path::new("some.png")
        }
    }

    fn batches(count: usize) -> impl Iterator<Item = (Place, Vec<usize>)> {
        (0..count).map(|step| {
            (
                Place { epoch: 1, step },
                vec![10 * step, 10 * step + 1, 10 * step + 2],
            )
        })
    }

    fn all(workers: usize, count: usize) -> Vec<Vec<(usize, Place, usize)>> {
        let draw = Numbers::default();
        let loader = Loader::new(&draw, 2);
        std::thread::scope(|scope| {
            let _closing = Closing(&loader);
            for _ in 0..workers {
                scope.spawn(|| loader.work());
            }
            loader.queue_up(batches(count));
            let next = |_| {
                loader
                    .next(&Stop::default())
                    .expect("no error")
                    .expect("no stop")
            };
            (0..count).map(next).collect()
        })
    }

    #[test]
    fn batches_come_in_order_whoever_makes_them() {
        let one = all(1, 20);
        assert_eq!(one, all(8, 20));
        let expected: Vec<Vec<_>> = batches(20)
            .map(|(at, cases)| {
                cases
                    .into_iter()
                    .enumerate()
                    .map(|(s, c)| (c, at, s))
                    .collect()
            })
            .collect();
        assert_eq!(one, expected);
    }

    #[test]
    fn no_more_are_made_than_may_lie_ready() {
        let draw = Numbers::default();
        let loader = Loader::new(&draw, 2);
        std::thread::scope(|scope| {
            let _closing = Closing(&loader);
            scope.spawn(|| loader.work());
            loader.queue_up(batches(9));
            for _ in 0..3 {
                loader.next(&Stop::default()).expect("no error");
            }
            // Three batches of three are handed out, two lie ready.
            let begun = Instant::now();
            while draw.made.load(Ordering::SeqCst) < 15 && begun.elapsed().as_secs() < 10 {
                std::thread::yield_now();
            }
            // Time to make one too many.
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(draw.made.load(Ordering::SeqCst), 15);
        });
    }

    #[test]
    fn the_error_is_that_of_the_first_bad_case_and_in_its_place() {
        let draw = Numbers {
            bad: Some(11),
            ..Numbers::default()
        };
        let loader = Loader::new(&draw, 3);
        std::thread::scope(|scope| {
            let _closing = Closing(&loader);
            scope.spawn(|| loader.work());
            loader.queue_up(batches(3));
            assert!(loader.next(&Stop::default()).is_ok());
            let error = loader
                .next(&Stop::default())
                .expect_err("case 11")
                .to_string();
            assert!(error.contains("case 11"), "{error}");
        });
    }

    #[test]
    fn a_panic_in_a_sample_is_an_error_that_names_the_image() {
        let draw = Numbers {
            fatal: Some(2),
            ..Numbers::default()
        };
        let loader = Loader::new(&draw, 2);
        std::thread::scope(|scope| {
            let _closing = Closing(&loader);
            scope.spawn(|| loader.work());
            loader.queue_up(batches(2));
            let error = loader.next(&Stop::default()).expect_err("case 2");
            let message = error.to_string();
            assert!(
                message.starts_with("some.png: ") && message.contains("a fault of the program"),
                "{message}"
            );
            assert!(loader.next(&Stop::default()).is_ok(), "the thread lives on");
        });
    }

    #[test]
    fn who_waits_can_be_stopped() {
        let draw = Numbers::default();
        let loader = Loader::new(&draw, 1);
        loader.queue_up(batches(1));
        let stop = Stop::default();
        stop.ask();
        // Nobody works on it.
        assert!(loader.next(&stop).expect("no error").is_none());
    }
}
