//! [`Queue`]: work that takes processor time, one after the other, and no more of it than can wait.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::refusal::Refusal;

/// One piece of work at a time, on a thread of its own, and some that wait for it.
pub(crate) struct Queue {
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// A place in a [`Queue`], until its work is over or it is given up.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Queue {
    /// A queue in which `waiting` may wait for the one that works.
    pub(crate) fn new(waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(waiting + 1)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// A place, to be taken before anything is read that would be held in memory while it waits.
    pub(crate) fn place(&self) -> Result<Place, Refusal> {
        match self.places.clone().try_acquire_owned() {
            Ok(permit) => Ok(Place { _permit: permit }),
            Err(_) => Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "others are waiting already; try again in a moment",
            )),
        }
    }

    /// What `work` returns, once it was its turn. A panic in it is a refusal, and what comes next is worked on as if
    /// nothing had been.
    ///
    /// A client that goes away leaves its place while it waits; work that has begun comes to its end, and nothing else
    /// begins before.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = self.turn.clone().acquire_owned().await;
        let done = spawn_blocking(move || {
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|_| {
            Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "panic",
                "the program gave up on this request, which is a bug of it; its terminal says where",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(work)
    }

    fn status(refusal: Refusal) -> StatusCode {
        axum::response::IntoResponse::into_response(refusal).status()
    }

    #[test]
    fn a_panic_is_told_and_the_next_has_its_turn() {
        block_on(async {
            let queue = Queue::new(0);
            let place = queue.place().expect("the first");
            let refused = queue.work(place, || panic!("a bug")).await;
            let refused: Refusal = refused.expect_err("no answer");
            assert_eq!(status(refused), StatusCode::INTERNAL_SERVER_ERROR);
            let place = queue.place().expect("it is free again");
            assert_eq!(queue.work(place, || 7).await.ok(), Some(7));
        });
    }

    #[test]
    fn more_than_may_wait_are_refused_at_once() {
        block_on(async {
            let queue = Queue::new(1);
            let first = queue.place().expect("the first");
            let second = queue.place().expect("one may wait");
            let third = queue.place().expect_err("no more");
            assert_eq!(status(third), StatusCode::SERVICE_UNAVAILABLE);
            drop(second);
            queue.place().expect("one went away");
            drop(first);
        });
    }

    #[test]
    fn a_client_that_goes_away_does_not_let_two_work_at_once() {
        block_on(async {
            let queue = Queue::new(1);
            let (go, wait) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            let place = queue.place().expect("the first");
            let left = queue.work(place, move || {
                begin.send(()).expect("somebody listens");
                wait.recv().expect("to be let go");
            });
            {
                let mut left = Box::pin(left);
                // Once polled it is on its thread; then the client goes away.
                std::future::poll_fn(|context| {
                    let _ = left.as_mut().poll(context);
                    std::task::Poll::Ready(())
                })
                .await;
            }
            begun.recv().expect("it has begun");
            assert_eq!(queue.turn.available_permits(), 0, "it works on");
            go.send(()).expect("it waits");
            let place = queue.place().expect("one may wait");
            assert_eq!(queue.work(place, || 7).await.ok(), Some(7));
            assert_eq!(queue.turn.available_permits(), 1);
        });
    }
}
