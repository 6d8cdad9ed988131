//! Idle connections that wait for the next message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use crate::mail::limits;
use crate::sink::server::Link;

/// Connections that ended their last transaction cleanly. They wait for a while, and are then
/// closed with QUIT.
pub(super) struct Idle<L>(Arc<Mutex<IdleLinks<L>>>);

struct IdleLinks<L> {
    /// Oldest first.
    links: Vec<(Instant, L)>,
    /// Whether a task closes those that wait too long.
    is_watched: bool,
}

impl<L: Link> Idle<L> {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(IdleLinks {
            links: Vec::new(),
            is_watched: false,
        })))
    }

    /// The connection that was used last. The server may have closed it, or have sent something.
    pub(super) fn take(&self) -> Option<L> {
        loop {
            let (since, link) = self.with(|waiting| waiting.links.pop())?;
            if since.elapsed() < IDLE_TIME {
                return Some(link);
            }
        }
    }

    /// Stores a connection for the next message.
    pub(super) fn put(&self, link: L) {
        let watch = self.with(|waiting| {
            waiting.links.push((Instant::now(), link));
            !std::mem::replace(&mut waiting.is_watched, true)
        });
        if watch {
            tokio::spawn(Self(self.0.clone()).watch());
        }
    }

    /// Closes all of them with QUIT.
    pub(super) async fn close(&self) {
        let links = self.with(|waiting| std::mem::take(&mut waiting.links));
        join_all(links.into_iter().map(|(_, link)| link.quit())).await;
    }

    /// Closes those whose time is over with QUIT, until none is left.
    async fn watch(self) {
        while let Some(until) = self.next_end() {
            sleep_until(until).await;
            let now = Instant::now();
            let over = self.with(|waiting| {
                let is_over = |(since, _): &(Instant, L)| *since + IDLE_TIME <= now;
                let count = waiting.links.iter().take_while(|one| is_over(one)).count();
                waiting.links.drain(..count).collect::<Vec<_>>()
            });
            join_all(over.into_iter().map(|(_, link)| link.quit())).await;
        }
    }

    /// The time at which the oldest has waited long enough; with none left, the watch ends.
    fn next_end(&self) -> Option<Instant> {
        self.with(|waiting| {
            let end = waiting.links.first().map(|(since, _)| *since + IDLE_TIME);
            waiting.is_watched = end.is_some();
            end
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut IdleLinks<L>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

const IDLE_TIME: Duration = Duration::from_secs(limits::RELAY_IDLE_SECONDS_MAX);
