//! The place of one poll, seen from that poll: it gives the place back while it prepares its
//! session and that takes long.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::agent::Agent;
use crate::mail::{AccountName, limits};
use crate::session::{Place, Stop};

/// What a poll tells the agent about its place.
#[derive(Clone, Copy, Debug)]
enum PlaceNeed {
    /// It does not need the place now.
    SteppedBack,
    /// It needs a place.
    Prepared,
}

/// The place of one poll.
pub(super) struct Seat {
    name: AccountName,
    place: Place,
    stop: Stop,
    tell: UnboundedSender<(AccountName, PlaceNeed)>,
}

/// What the polls tell the agent. Each poll sends a few of these, so their number is limited.
pub(super) struct Seats {
    tell: UnboundedSender<(AccountName, PlaceNeed)>,
    told: UnboundedReceiver<(AccountName, PlaceNeed)>,
}

/// Something that a poll told the agent.
pub(super) struct SeatChange(AccountName, PlaceNeed);

impl Seats {
    pub(super) fn new() -> Self {
        let (tell, told) = unbounded_channel();
        Self { tell, told }
    }

    /// Waits for the next change. It never ends.
    pub(super) async fn next(&mut self) -> SeatChange {
        match self.told.recv().await {
            Some((name, told)) => SeatChange(name, told),
            None => std::future::pending().await,
        }
    }

    /// The place of a poll that begins.
    pub(super) fn seat(&self, name: &AccountName, place: &Place, stop: &Stop) -> Seat {
        Seat {
            name: name.clone(),
            place: place.clone(),
            stop: stop.clone(),
            tell: self.tell.clone(),
        }
    }
}

impl Seat {
    /// Does work that needs no place. If it takes long, the place is given back, and waited for
    /// after it.
    pub(super) async fn prepare<T>(seat: Option<&Self>, work: impl Future<Output = T>) -> T {
        let (done, stepped_back) = Self::step_back(seat, work).await;
        if let Some(seat) = stepped_back {
            seat.tell(PlaceNeed::Prepared);
            tokio::select! {
                () = seat.place.back.notified() => {}
                () = seat.stop.soon.cancelled() => {}
            }
        }
        done
    }

    /// Does the last work of a poll, which needs no place. If it takes long, the place is given
    /// back.
    pub(super) async fn conclude<T>(seat: Option<&Self>, work: impl Future<Output = T>) -> T {
        Self::step_back(seat, work).await.0
    }

    async fn step_back<T>(
        seat: Option<&Self>,
        work: impl Future<Output = T>,
    ) -> (T, Option<&Self>) {
        let mut work = pin!(work);
        let Some(seat) = seat else {
            return (work.await, None);
        };
        match timeout(
            Duration::from_secs(limits::PREPARING_SECONDS_MAX),
            &mut work,
        )
        .await
        {
            Ok(done) => (done, None),
            Err(_) => {
                seat.tell(PlaceNeed::SteppedBack);
                (work.await, Some(seat))
            }
        }
    }

    fn tell(&self, told: PlaceNeed) {
        // Without an agent, there is no other poll that could need the place.
        let _ = self.tell.send((self.name.clone(), told));
    }
}

impl Agent {
    /// Does what a poll told about its place.
    pub(super) fn change_seat(&mut self, SeatChange(name, told): SeatChange) {
        match told {
            PlaceNeed::SteppedBack => self.schedule.step_back(&name, self.now()),
            PlaceNeed::Prepared => {
                if self.schedule.prepared(&name) {
                    self.give_back(&name);
                }
            }
        }
    }

    /// Gives free places to polls that gave theirs back and need one again.
    pub(super) fn grant_places(&mut self) {
        for name in self.schedule.grant(self.now()) {
            self.give_back(&name);
        }
    }

    fn give_back(&self, name: &AccountName) {
        if let Some(place) = self.places.get(name) {
            place.back.notify_one();
        }
    }
}
