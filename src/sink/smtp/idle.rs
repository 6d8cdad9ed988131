//! Idle connections that wait for the next message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use crate::mail::limits;
use crate::sink::smtp::connect::Relay;

/// Connections that ended their last transaction cleanly. They wait for a while, and are then
/// closed with QUIT.
#[derive(Clone, Default)]
pub(super) struct Idle(Arc<Mutex<IdleRelay>>);

#[derive(Default)]
struct IdleRelay {
    /// Oldest first.
    relays: Vec<(Instant, Relay)>,
    /// Whether a task closes those that wait too long.
    is_watched: bool,
}

impl Idle {
    /// The connection that was used last, if it can still be used: the relay has sent nothing
    /// unexpected, and has not closed it.
    pub(super) fn take(&self) -> Option<Relay> {
        loop {
            let (since, relay) = self.with(|waiting| waiting.relays.pop())?;
            if since.elapsed() < Duration::from_secs(limits::RELAY_IDLE_SECONDS_MAX)
                && relay.is_in_step()
            {
                return Some(relay);
            }
        }
    }

    /// Stores a connection for the next message.
    pub(super) fn put(&self, relay: Relay) {
        let watch = self.with(|waiting| {
            waiting.relays.push((Instant::now(), relay));
            !std::mem::replace(&mut waiting.is_watched, true)
        });
        if watch {
            tokio::spawn(self.clone().watch());
        }
    }

    /// Closes all of them with QUIT.
    pub(super) async fn close(&self) {
        let relays = self.with(|waiting| std::mem::take(&mut waiting.relays));
        join_all(relays.into_iter().map(|(_, relay)| relay.quit())).await;
    }

    /// Closes those whose time is over with QUIT, until none is left.
    async fn watch(self) {
        while let Some(until) = self.next_end() {
            sleep_until(until).await;
            let now = Instant::now();
            let over = self.with(|waiting| {
                let is_over = |(since, _): &(Instant, Relay)| {
                    *since + Duration::from_secs(limits::RELAY_IDLE_SECONDS_MAX) <= now
                };
                let count = waiting.relays.iter().take_while(|one| is_over(one)).count();
                waiting.relays.drain(..count).collect::<Vec<_>>()
            });
            join_all(over.into_iter().map(|(_, relay)| relay.quit())).await;
        }
    }

    /// The time at which the oldest has waited long enough; with none left, the watch ends.
    fn next_end(&self) -> Option<Instant> {
        self.with(|waiting| {
            let end = waiting
                .relays
                .first()
                .map(|(since, _)| *since + Duration::from_secs(limits::RELAY_IDLE_SECONDS_MAX));
            waiting.is_watched = end.is_some();
            end
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut IdleRelay) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
