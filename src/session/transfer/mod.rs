//! The middle of a session: retrieve, offer, record and delete concurrently, each in its order.
//!
//! One loop owns the connection. Offers and commits are futures beside it, so that reading,
//! offering and recording overlap. A slot is taken before a message is offered and released when
//! its record is durable: that limits what a crash can repeat, whatever the sinks do.

pub(in crate::session) mod absent;
mod addressed;
pub(in crate::session) mod alone;
pub(in crate::session) mod answer;
pub(in crate::session) mod arrival;
pub(in crate::session) mod commits;
pub(in crate::session) mod copies;
pub(in crate::session) mod deletes;
pub(in crate::session) mod equal;
pub(in crate::session) mod fallback;
pub(in crate::session) mod findings;
pub(in crate::session) mod identity;
pub(in crate::session) mod leaving;
pub(in crate::session) mod ledger;
pub(in crate::session) mod listed;
pub(in crate::session) mod offers;
pub(in crate::session) mod orders;
pub(in crate::session) mod oversized;
pub(in crate::session) mod parcel;
pub(in crate::session) mod parked;
pub(in crate::session) mod phase;
pub(in crate::session) mod remade;
pub(in crate::session) mod results;
pub(in crate::session) mod rewritten;
pub(in crate::session) mod still_there;
pub mod trace;
pub(in crate::session) mod twins;
pub(in crate::session) mod undecided;
pub(in crate::session) mod unproven;
pub(in crate::session) mod unretrieved;
pub(in crate::session) mod window;

use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{DeliveredMessage, Timestamp, limits};
use crate::proto::pop3::RemoteError;
use crate::seen::Recorded;
use crate::session::judge::disposition::{Disposition, Why};
use crate::session::long::long;
use crate::session::server::maildrop::{Happened, OpenMaildrop};
use crate::session::transfer::alone::Doubts;
use crate::session::transfer::answer::{Answered, Answers};
use crate::session::transfer::commits::Committed;
use crate::session::transfer::deletes::Deletes;
use crate::session::transfer::identity::Identities;
use crate::session::transfer::ledger::Ledger;
use crate::session::transfer::offers::Outbox;
use crate::session::transfer::orders::{Orders, Transferred};
use crate::session::transfer::parcel::Offered;
use crate::session::transfer::phase::Phase;
use crate::session::transfer::still_there::StillThere;
use crate::session::transfer::trace::Signature;
use crate::session::transfer::window::Window;
use crate::session::{Counts, During, SessionError};
use crate::telemetry::{Event, MessageEvent, Together};

/// The transfer of one session.
pub(super) struct Transfer<'a> {
    orders: Orders<'a>,
    /// The connection, until it is lost or closed.
    maildrop: Option<OpenMaildrop>,
    /// Since when the server has been silent.
    quiet_since: Instant,
    window: Window<'a>,
    /// How this account signs the `Received` fields that it adds.
    signature: Signature,
    ledger: Ledger,
    /// Messages that came with another size than announced, and those that came after them.
    doubts: Doubts,
    identities: Identities<'a>,
    still_there: StillThere,
    outbox: Outbox<'a>,
    answers: Answers<'a>,
    /// Deletes that are sent when all else is done, with the records that allow them.
    deletes: Deletes,
    phase: Phase,
}

/// Why the loop woke up.
enum Woken {
    Server(Result<(), SessionError>),
    Offered(Offered),
    Committed(Committed),
    Silence,
    Deadline,
    StopSoon,
    StopNow,
    /// Other accounts wait for this session's place.
    Leave,
    /// The server's time for its last answers is over.
    GaveUp,
}

impl<'a> Transfer<'a> {
    /// `due` are proofs for the deletes that the plan found due.
    pub(super) fn new(orders: Orders<'a>, mut maildrop: OpenMaildrop, due: Vec<Recorded>) -> Self {
        maildrop.sizes_are_estimates = orders.sizes.are_estimates();
        Self {
            maildrop: Some(maildrop),
            quiet_since: Instant::now(),
            window: Window::new(&orders),
            signature: Signature::of(orders.visit),
            ledger: Ledger::new(&orders.plan.repeated, orders.plan.retrievals.len()),
            doubts: Doubts::new(&orders.sizes),
            identities: Identities::default(),
            still_there: StillThere::default(),
            outbox: Outbox::new(orders.visit, orders.with, orders.budget),
            answers: Answers::new(
                orders.visit,
                orders.with,
                orders.records,
                orders.parks,
                Counts::default(),
            )
            .with_recipient_since(orders.recipient_since),
            deletes: Deletes::new(due),
            phase: Phase::default(),
            orders,
        }
    }

    /// Runs until nothing is left to do, or nothing can be done any more.
    pub(super) async fn run(mut self) -> Transferred {
        long(self.orders.listing.len(), || self.report_oversized());
        self.gather_due();
        loop {
            if let Err(error) = self.ask() {
                self.lose(error);
            }
            if self.is_finished() {
                if self.decide_held()
                    || self.offer_postponed()
                    || self.hold_for_recipient()
                    || self.settle_refusals()
                {
                    continue;
                }
                if !self.undo() && !self.prove_in_step() && !self.note_deletes() {
                    break;
                }
            }
            match self.wake().await {
                Woken::Server(Ok(())) => self.listen().await,
                Woken::Server(Err(error)) => self.lose(error),
                Woken::Offered(offered) => self.answered_all(offered),
                Woken::Committed(committed) => self.committed_all(committed),
                Woken::Silence => self.keep_alive(),
                Woken::Deadline => {
                    let seconds = limits::SESSION_SECONDS_MAX;
                    self.lose(SessionError::TimedOut {
                        seconds,
                        during: During::Session,
                    });
                }
                Woken::StopSoon => self.stop(),
                Woken::StopNow => self.drop_offers(),
                Woken::Leave => self.leave_place(),
                Woken::GaveUp => self.hang_up(),
            }
        }
        self.into_transferred()
    }

    /// The time of day, for records.
    pub(super) fn now(&self) -> Timestamp {
        self.orders.with.clock.now()
    }

    /// Whether the server may still be asked for anything, or a sink offered anything.
    pub(super) fn may_go_on(&self) -> bool {
        self.phase.may_go_on()
    }

    fn is_finished(&self) -> bool {
        let server_idle = self.maildrop.as_ref().is_none_or(|maildrop| {
            // QUIT goes out in one flight with the deletes, and their answers come before its own.
            !maildrop.is_busy() || (self.deletes.are_sent() && maildrop.may_quit())
        });
        // A waiting message could only be requested if something else moved first; with nothing
        // under way, nothing will.
        self.outbox.is_empty() && self.answers.are_recorded() && server_idle
    }

    async fn wake(&mut self) -> Woken {
        let stop = &self.orders.with.stop;
        let (stopping, until) = (self.phase.is_told(), self.phase.until());
        let connected = self.maildrop.is_some();
        let silence = self.quiet_since + Duration::from_secs(limits::NOOP_SECONDS);
        let deadline = until.unwrap_or(self.orders.deadline);
        // QUIT is still to come, and has its own time limit.
        let heeds = |maildrop: &OpenMaildrop| until.is_none() || maildrop.is_busy();
        let heeds_deadline = self.maildrop.as_ref().is_some_and(heeds);
        let server = async {
            match &mut self.maildrop {
                Some(maildrop) => maildrop.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.now.cancelled(), if until.is_none() => Woken::StopNow,
            () = stop.soon.cancelled(), if !stopping => Woken::StopSoon,
            () = stop.place.leave.cancelled(), if connected => Woken::Leave,
            // Takes all answers that are there before the first commit begins, so that they are
            // recorded together.
            Some(offered) = self.outbox.next(), if !self.outbox.is_empty() => {
                Woken::Offered(offered)
            }
            Some(committed) = self.answers.committed(), if !self.answers.are_recorded() => {
                Woken::Committed(committed)
            }
            server = server => Woken::Server(server),
            () = tokio::time::sleep_until(silence), if connected => Woken::Silence,
            () = tokio::time::sleep_until(deadline), if heeds_deadline => {
                if until.is_some() { Woken::GaveUp } else { Woken::Deadline }
            }
        }
    }

    /// Processes an answer, and all others that are there.
    fn answered_all(&mut self, first: Offered) {
        let _together = Together::begin();
        self.take_answer(first);
        while let Some(next) = self.outbox.next_now() {
            self.take_answer(next);
        }
    }

    /// Processes a finished commit, and all others that have finished.
    fn committed_all(&mut self, first: Committed) {
        let _together = Together::begin();
        self.committed(first);
        while let Some(next) = self.commits().next_now() {
            self.committed(next);
        }
    }

    /// Processes the input from the server.
    async fn listen(&mut self) {
        self.quiet_since = Instant::now();
        let Some(mut maildrop) = self.maildrop.take() else {
            return;
        };
        let mut happened = Vec::new();
        let heard = maildrop.take(&mut happened).await;
        self.maildrop = Some(maildrop);
        // If more follows than was requested, the last message did not end where it seemed to.
        let last = is_unasked(&heard).then(|| happened.pop()).flatten();
        for one in happened {
            self.hear(one).await;
        }
        match last {
            Some(Happened::Retrieved(came)) if self.came_by_itself(came.at) => self.strike(came.at),
            Some(Happened::Retrieved(_)) => {}
            Some(Happened::Alive | Happened::Proven | Happened::NotProven) | None => {}
            Some(one) => self.hear(one).await,
        }
        if let Err(error) = heard {
            self.lose(error);
        }
    }

    async fn hear(&mut self, happened: Happened) {
        match happened {
            Happened::Retrieved(came) => {
                for at in self.window.retrieved() {
                    self.charge_refusal(at);
                }
                self.came(*came).await;
            }
            Happened::RetrieveRefused { at, words } if self.doubts.alone() == Some(at) => {
                self.refused_alone(at, &words);
            }
            Happened::RetrieveRefused { at, words } => {
                let octets = self.orders.entry(at).and_then(|entry| entry.octets);
                self.window.spare(octets.unwrap_or(0));
                self.retrieve_refused(at, &words);
            }
            Happened::TooLarge { at, octets } => {
                self.too_large(at, octets);
                let entry = self.orders.entry(at);
                if let Some(entry) = entry {
                    self.ledger.outgrew(entry.number);
                }
                self.hang_up();
                self.phase.resume();
            }
            Happened::Deleted => self.counts().deleted += 1,
            Happened::DeleteRefused { unique_id, words } => {
                self.orders.with.reporter.say(Event::Message {
                    account: &self.orders.visit.account,
                    unique_id: &unique_id,
                    event: MessageEvent::DeleteRefused { words: &words },
                });
                self.deletes.refused(unique_id);
            }
            Happened::Proven => self.proven_in_step().await,
            Happened::NotProven => self.not_proven(),
            Happened::Alive => {}
        }
    }

    fn keep_alive(&mut self) {
        self.quiet_since = Instant::now();
        let idle = self
            .maildrop
            .as_mut()
            .filter(|maildrop| !maildrop.is_busy());
        if let Some(Err(error)) = idle.map(OpenMaildrop::keep_alive) {
            self.lose(error);
        }
    }
}

/// Whether the server sent something without a command.
fn is_unasked(heard: &Result<(), SessionError>) -> bool {
    matches!(heard, Err(SessionError::Remote(RemoteError::Unasked)))
}

impl Transfer<'_> {
    /// Why a message is retrieved.
    pub(super) fn why(&self, at: usize) -> Why {
        match self.orders.plan.dispositions.get(at) {
            Some(Disposition::Retrieve(why)) => *why,
            _ => Why::Doubt,
        }
    }

    /// Whether the listed message at this position is due for deletion, delivered at that time.
    pub(super) fn is_due(&self, at: usize, delivered: Timestamp) -> bool {
        let message = DeliveredMessage {
            at: delivered,
            octets: self.orders.entry(at).and_then(|entry| entry.octets),
            newer: self.orders.listing.len().saturating_sub(at + 1),
        };
        let retention = self.orders.visit.retention;
        retention.is_due(message, self.now(), self.orders.clock_trusted)
    }
}
