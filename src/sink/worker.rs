//! A queue of work for a few threads. Each thread does one piece at a time, in the order of
//! arrival, and exists only while there is work.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::spawn_blocking;

/// The queue.
pub(super) struct Stage<T> {
    queue: Mutex<Queue<T>>,
    threads_max: usize,
}

struct Queue<T> {
    waiting: VecDeque<T>,
    /// The number of threads that work on it, or are about to.
    threads: usize,
}

/// The right of one thread to work.
pub(super) struct Turn<T> {
    stage: Arc<Stage<T>>,
    finished: bool,
}

impl<T: Send + 'static> Stage<T> {
    /// A stage with at most this many threads at the same time, at least one.
    pub(super) fn new(threads_max: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                threads: 0,
            }),
            threads_max: threads_max.max(1),
        })
    }

    /// Adds a piece of work, and starts a thread if one more is allowed. `work` must continue until
    /// nothing is left.
    pub(super) fn put(self: &Arc<Self>, item: T, work: impl FnOnce(Turn<T>) + Send + 'static) {
        self.lock().waiting.push_back(item);
        self.resume(work);
    }

    /// Starts a thread if work waits and one more is allowed.
    pub(super) fn resume(self: &Arc<Self>, work: impl FnOnce(Turn<T>) + Send + 'static) {
        let is_needed = {
            let mut queue = self.lock();
            let is_needed = !queue.waiting.is_empty() && queue.threads < self.threads_max;
            queue.threads += usize::from(is_needed);
            is_needed
        };
        if is_needed {
            let turn = Turn {
                stage: Arc::clone(self),
                finished: false,
            };
            spawn_blocking(move || work(turn));
        }
    }
}

impl<T> Stage<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Turn<T> {
    /// Takes the waiting work, at most this much; `None` when nothing is left, and the turn ends.
    pub(super) fn next(&mut self, at_most: usize) -> Option<Vec<T>> {
        let mut queue = self.stage.lock();
        let count = queue.waiting.len().min(at_most);
        let batch: Vec<T> = queue.waiting.drain(..count).collect();
        if batch.is_empty() {
            self.finished = true;
            queue.threads -= 1;
            return None;
        }
        Some(batch)
    }

    /// Ends the turn although work waits: the code that knows when it can continue calls
    /// [`Stage::resume`].
    pub(super) fn leave(mut self) {
        self.finished = true;
        self.stage.lock().threads -= 1;
    }
}

impl<T> Drop for Turn<T> {
    /// Handles a thread that panicked, or that the runtime never ran. If it was the last one, the
    /// waiting work is dropped, which informs those who wait for it.
    fn drop(&mut self) {
        if !self.finished {
            let mut queue = self.stage.lock();
            queue.threads -= 1;
            if queue.threads == 0 {
                queue.waiting.clear();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn as_many_threads_work_as_may_and_each_takes_the_oldest() {
        let stage = Stage::new(2);
        let (turns, taken) = mpsc::channel();
        for item in 0..5 {
            let turns = turns.clone();
            stage.put(item, move |turn| turns.send(turn).unwrap());
        }
        drop(turns);
        let working = tokio::task::spawn_blocking(move || taken.iter().collect::<Vec<_>>());
        let mut working = working.await.unwrap();
        assert_eq!(working.len(), 2);
        let [first, second] = &mut working[..] else {
            unreachable!()
        };
        assert_eq!(first.next(1), Some(vec![0]));
        assert_eq!(second.next(2), Some(vec![1, 2]));
        assert_eq!(first.next(9), Some(vec![3, 4]));
        assert_eq!((first.next(1), second.next(1)), (None, None));
    }

    #[tokio::test]
    async fn waiting_work_is_dropped_with_the_last_thread_that_could_do_it() {
        let stage = Stage::new(2);
        let (turns, taken) = mpsc::channel();
        let (item, dropped) = mpsc::channel::<()>();
        for _ in 0..2 {
            let turns = turns.clone();
            stage.put(item.clone(), move |turn| turns.send(turn).unwrap());
        }
        drop((item, turns));
        let working = tokio::task::spawn_blocking(move || taken.iter().collect::<Vec<_>>());
        let mut working = working.await.unwrap();
        drop(working.pop());
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Empty));
        drop(working);
        assert_eq!(dropped.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
