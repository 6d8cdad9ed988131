//! The middle of a session: retrieve, offer, record, delete, all at once and each in its order.
//!
//! One loop owns the connection. Offers and commits are futures beside it, so that reading, offering and recording
//! overlap. A slot is taken before a message is offered and given back when its record is durable: that bounds what a crash
//! can repeat, whatever the sinks do.

pub(in crate::session) mod alone;
pub(in crate::session) mod answer;
pub(in crate::session) mod arrival;
pub(in crate::session) mod commits;
pub(in crate::session) mod copies;
pub(in crate::session) mod deletes;
pub(in crate::session) mod identity;
pub(in crate::session) mod ledger;
pub(in crate::session) mod listed;
pub(in crate::session) mod offers;
pub(in crate::session) mod orders;
pub(in crate::session) mod oversized;
pub(in crate::session) mod parked;
pub mod trace;
pub(in crate::session) mod twins;
pub(in crate::session) mod unretrieved;
pub(in crate::session) mod window;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::mail::{Retention, Timestamp, limits};
use crate::proto::pop3::RemoteError;
use crate::seen::{RecordKey, Recorded, Sizes};
use crate::session::judge::plan::{Disposition, Skip, Why};
use crate::session::long::long;
use crate::session::server::maildrop::{Blamed, Happened, Maildrop};
use crate::session::transfer::alone::Doubts;
use crate::session::transfer::answer::{Answered, Answers};
use crate::session::transfer::commits::Committed;
use crate::session::transfer::deletes::Deletes;
use crate::session::transfer::identity::{Absent, Findings};
use crate::session::transfer::ledger::Ledger;
use crate::session::transfer::offers::{Offered, Parcel};
use crate::session::transfer::orders::{Lost, Orders, Transferred};
use crate::session::transfer::twins::Twins;
use crate::session::transfer::window::Window;
use crate::session::{Counts, SessionError, WhoActs};
use crate::telemetry::{Event, Together};

/// The transfer of one session.
pub(super) struct Transfer<'a> {
    pub(super) orders: Orders<'a>,
    pub(super) maildrop: Option<Maildrop>,
    pub(super) ledger: Ledger,
    /// Records to find renamed messages in, once one was looked for.
    pub(super) absent: Option<Absent<'a>>,
    pub(super) findings: Findings,
    pub(super) twins: Twins,
    /// Messages that came otherwise than announced, and those that came after them.
    pub(super) doubts: Doubts,
    pub(super) sizes: Sizes,
    /// What came while commands were pipelined; without pipelining, the message that came last.
    pub(super) unproven: Vec<RecordKey>,
    pub(super) offers: FuturesUnordered<BoxFuture<'a, Offered>>,
    pub(super) answers: Answers<'a>,
    /// Messages that are no probe while another is due, known only now that they are in hand.
    pub(super) postponed: Vec<Parcel>,
    pub(super) slots: Arc<Semaphore>,
    /// Cancelled when nothing more may be offered.
    pub(super) halt: CancellationToken,
    pub(super) error: Option<SessionError>,
    /// Why nothing more is asked for, although all else goes on.
    late_error: Option<SessionError>,
    lost: Option<Lost>,
    window: Window<'a>,
    /// Deletes that the plan found due.
    pub(super) due: std::slice::Iter<'a, Recorded>,
    /// Deletes that are asked for when all else is done, with the records that allow them.
    pub(super) deletes: Deletes,
    stopped: bool,
    /// Whether the connection was dropped behind an oversized message, and the rest is still to be fetched.
    resume: bool,
    /// Set when what was under way has been dropped: until when the server's last answers are waited for.
    goodbye: Option<Instant>,
    /// The numbers of messages whose body outgrew the limit.
    outgrown: Vec<u32>,
    /// The numbers of messages without unique-id that made trouble, where the others have one.
    pub(super) put_off: Vec<u32>,
    quiet_since: Instant,
}

/// What the loop woke up for.
enum Woken {
    Server(Result<(), SessionError>),
    Offered(Offered),
    Committed(Committed),
    Silence,
    Deadline,
    StopSoon,
    StopNow,
    /// Others wait for this session's place.
    Leave,
    /// The server has had its time to say goodbye.
    GaveUp,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(orders: Orders<'a>, mut maildrop: Maildrop) -> Self {
        maildrop.sizes_are_estimates = orders.sizes.are_estimates();
        Self {
            ledger: Ledger::new(&orders.plan.repeated),
            maildrop: Some(maildrop),
            absent: None,
            findings: Findings::default(),
            twins: Twins::default(),
            doubts: Doubts::default(),
            sizes: orders.sizes.clone(),
            unproven: Vec::new(),
            offers: FuturesUnordered::new(),
            answers: Answers::new(
                orders.visit,
                orders.with,
                orders.records,
                orders.hides,
                Counts::default(),
            )
            .with_recipient_since(orders.recipient_since),
            postponed: Vec::new(),
            slots: Arc::new(Semaphore::new(orders.visit.unrecorded_max.max(1))),
            halt: CancellationToken::new(),
            error: None,
            late_error: None,
            lost: None,
            window: Window::new(&orders),
            due: orders.plan.deletes.iter(),
            deletes: Deletes::default(),
            stopped: false,
            resume: false,
            goodbye: None,
            outgrown: Vec::new(),
            put_off: Vec::new(),
            quiet_since: Instant::now(),
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
                if self.offer_postponed() || self.hold_for_recipient() {
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
                        during: "in the whole session",
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

    /// Time of day, for records.
    pub(super) fn now(&self) -> Timestamp {
        self.orders.with.clock.now()
    }

    /// Whether anything may still be asked of the server or offered to a sink.
    pub(super) fn may_go_on(&self) -> bool {
        self.error.is_none() && !self.stopped
    }

    fn is_finished(&self) -> bool {
        let server_idle = self.maildrop.as_ref().is_none_or(|maildrop| {
            // QUIT goes out in one flight with the deletes, and their answers come before its own.
            !maildrop.is_busy() || (self.deletes.are_sent() && maildrop.may_quit())
        });
        // What waits now could only be asked for if something else moved first; with nothing under way, nothing will.
        self.offers.is_empty() && self.answers.are_recorded() && server_idle
    }

    async fn wake(&mut self) -> Woken {
        let stop = &self.orders.with.stop;
        let stopping = self.stopped;
        let connected = self.maildrop.is_some();
        let silence = self.quiet_since + Duration::from_secs(limits::NOOP_SECONDS);
        let deadline = self.goodbye.unwrap_or(self.orders.deadline);
        // QUIT is still to come, and has a time of its own.
        let heeds = |maildrop: &Maildrop| self.goodbye.is_none() || maildrop.is_busy();
        let heeds_deadline = self.maildrop.as_ref().is_some_and(heeds);
        let server = async {
            match &mut self.maildrop {
                Some(maildrop) => maildrop.wait().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.now.cancelled(), if self.goodbye.is_none() => Woken::StopNow,
            () = stop.soon.cancelled(), if !stopping => Woken::StopSoon,
            () = stop.place.leave.cancelled(), if connected => Woken::Leave,
            // All answers that are there before the first commit is begun, so that they are recorded together.
            Some(offered) = self.offers.next(), if !self.offers.is_empty() => Woken::Offered(offered),
            Some(committed) = self.answers.committed(), if !self.answers.are_recorded() => Woken::Committed(committed),
            server = server => Woken::Server(server),
            () = tokio::time::sleep_until(silence), if connected => Woken::Silence,
            () = tokio::time::sleep_until(deadline), if heeds_deadline => {
                if self.goodbye.is_some() { Woken::GaveUp } else { Woken::Deadline }
            }
        }
    }

    /// Takes in an answer, and all others that are there.
    fn answered_all(&mut self, first: Offered) {
        let _together = Together::begin();
        self.take_answer(first);
        while let Some(Some(next)) = self.offers.next().now_or_never() {
            self.take_answer(next);
        }
    }

    /// Takes in what a commit did, and all others that are done.
    fn committed_all(&mut self, first: Committed) {
        let _together = Together::begin();
        self.committed(first);
        while let Some(next) = self.commits().next_now() {
            self.committed(next);
        }
    }

    /// Takes in what the server said.
    async fn listen(&mut self) {
        self.quiet_since = Instant::now();
        let Some(mut maildrop) = self.maildrop.take() else {
            return;
        };
        let mut happened = Vec::new();
        let heard = maildrop.take(&mut happened).await;
        self.maildrop = Some(maildrop);
        // Where more follows than was asked for, what came last did not end where it seemed to.
        let last = is_unasked(&heard).then(|| happened.pop()).flatten();
        for one in happened {
            self.hear(one).await;
        }
        match last {
            Some(Happened::Retrieved(came)) if self.came_by_itself(came.at) => self.strike(came.at),
            Some(Happened::Retrieved(_)) => {}
            Some(Happened::Alive) | None => {}
            Some(one) => self.hear(one).await,
        }
        if let Err(error) = heard {
            self.lose(error);
        }
    }

    async fn hear(&mut self, happened: Happened) {
        match happened {
            Happened::Retrieved(came) => {
                self.window.retrieved();
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
                self.outgrown.extend(entry.map(|entry| entry.number));
                self.hang_up();
                self.resume = true;
            }
            Happened::Deleted => self.counts().deleted += 1,
            Happened::DeleteRefused { unique_id, words } => {
                let account = &self.orders.visit.account;
                let (unique_id, words) = (&unique_id, words.as_str());
                self.orders.with.reporter.say(Event::DeleteRefused {
                    account,
                    unique_id,
                    words,
                });
            }
            Happened::Alive => self.proven_in_step().await,
        }
    }

    /// Leaves without QUIT: what was asked for does not come any more, what is in hand is brought to its end.
    pub(super) fn hang_up(&mut self) {
        self.maildrop = None;
        self.nothing_more();
    }

    /// The connection is gone, and with it the session. Where the server ended it, what has come whole goes its way.
    pub(super) fn lose(&mut self, error: SessionError) {
        let maildrop = self.maildrop.as_ref();
        // A disk of ours that is full says nothing about the message that was on its way.
        let Some(maildrop) = maildrop.filter(|_| error.who_acts() == WhoActs::Server) else {
            self.hang_up();
            return self.fail(error);
        };
        let is_broken = matches!(error, SessionError::Remote(_));
        // A message in doubt may have taken the replies that are missing now.
        let is_in_doubt = !self.doubts.is_empty();
        let blamed = match self.doubts.to_blame() {
            // If that message ended too early, the rest of it was read as what cannot be read.
            Some(at) if is_broken || self.doubts.alone().is_some() => Some(Blamed::Coming { at }),
            // Whose answer it was is shown by the next session, which does not pipeline.
            _ if maildrop.is_pipelining() && (is_broken || is_in_doubt) => None,
            _ => maildrop.to_blame(&error),
        };
        // Where sizes tell nothing, a reply that never comes may have been read as part of another.
        let is_missing = self.sizes.are_estimates() && maildrop.is_busy();
        let out_of_step =
            maildrop.is_out_of_step(&error) || (is_in_doubt && maildrop.is_pipelining());
        if !(is_broken || maildrop.is_pipelining() && (out_of_step || is_missing)) {
            self.unproven.clear();
        }
        let mut lost = Lost {
            out_of_step,
            ..Lost::default()
        };
        match blamed {
            Some(Blamed::Coming { at } | Blamed::Settled { at }) => lost.at = Some(at),
            Some(Blamed::Delete(delete)) => lost.delete = Some(delete),
            Some(Blamed::Command(command)) => lost.command = Some(command),
            None => {}
        }
        self.lost = Some(lost);
        if let Some(Blamed::Coming { at }) = blamed {
            self.strike(at);
        }
        self.withdraw_note();
        self.hang_up();
        self.late_error.get_or_insert(error);
    }

    /// Nothing more is asked or offered; the connection stays for QUIT.
    pub(super) fn fail(&mut self, error: SessionError) {
        self.halt.cancel();
        self.nothing_more();
        self.error.get_or_insert(error);
    }

    /// Nothing more is retrieved; what is in hand goes its way, because it is not to blame.
    pub(super) fn ask_no_more(&mut self, error: SessionError) {
        self.ask_for_none_of_the_rest();
        self.late_error.get_or_insert(error);
    }

    pub(super) fn ask_for_none_of_the_rest(&mut self) {
        self.window.forget();
    }

    /// What waits to be asked for is not asked for any more.
    pub(super) fn nothing_more(&mut self) {
        self.window.close();
        self.doubts = Doubts::default();
        self.due = [].iter();
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.halt.cancel();
        self.nothing_more();
    }

    /// Offers that are still under way are dropped, which counts as refused; what was accepted is still recorded, and QUIT
    /// is said if no message is on its way.
    fn drop_offers(&mut self) {
        self.stop();
        // What is answered already is known, and need not be offered again.
        while let Some(Some(answered)) = self.offers.next().now_or_never() {
            self.take_answer(answered);
        }
        self.goodbye = Some(Instant::now() + Duration::from_secs(limits::GOODBYE_SECONDS));
        self.offers = FuturesUnordered::new();
        if self.maildrop.as_ref().is_some_and(Maildrop::is_retrieving) {
            self.maildrop = None;
        }
    }

    fn keep_alive(&mut self) {
        self.quiet_since = Instant::now();
        let idle = self
            .maildrop
            .as_mut()
            .filter(|maildrop| !maildrop.is_busy());
        if let Some(Err(error)) = idle.map(Maildrop::keep_alive) {
            self.lose(error);
        }
    }

    fn into_transferred(self) -> Transferred {
        let skipped = |why: Skip| {
            let all = self.orders.plan.dispositions.iter();
            all.filter(|one| **one == Disposition::Skip(why)).count() as u64
        };
        let (left, names_wait) = (skipped(Skip::LimitReached), skipped(Skip::Unstable));
        let unfinished = self.window.is_unfinished() || self.due.len() > 0;
        let is_long = self.answers.counts().retrieved >= limits::SESSION_MESSAGES_MAX
            && !self.orders.with.stop.place.give_way.is_cancelled();
        let again = self.may_go_on()
            && self.late_error.is_none()
            && (self.resume
                || (unfinished && (self.orders.visit.commit_every.is_some() || is_long)));
        let mut counts = self.answers.counts();
        counts.listed = self.orders.listing.len() as u64;
        counts.left = left;
        counts.names_wait = names_wait;
        let over_budget = self.error.is_none() && !self.stopped && self.orders.budget.is_spent();
        if self.window.is_quota_reached() || over_budget {
            counts.left += self.window.waiting() as u64;
        }
        let gone = self
            .maildrop
            .as_ref()
            .map(|maildrop| maildrop.gone().to_vec());
        Transferred {
            lost: self.lost,
            gone: gone.unwrap_or_default(),
            maildrop: self.maildrop,
            counts,
            findings: self.findings,
            deletes_sent: self.deletes.sent(),
            sizes: self.sizes,
            unproven: self.unproven,
            error: self.error.or(self.late_error),
            stopped: self.stopped,
            again,
            unasked: self.window.waiting() > 0,
            outgrown: self.outgrown,
            put_off: self.put_off,
            all_settled: self.ledger.is_all_settled(),
            allowance: self.window.allowance(),
            left: self.window.has_left(),
            identified: self.ledger.into_identified(self.orders.listing.complete),
        }
    }
}

/// Whether the server spoke although nothing was asked.
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

    /// Whether a message delivered at this time is due for deletion.
    pub(super) fn is_due(&self, delivered: Timestamp) -> bool {
        let retention = self.orders.visit.retention;
        retention.is_due(delivered, self.now(), self.orders.clock_trusted)
    }
}
