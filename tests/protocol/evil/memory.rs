//! POP3 crimes over pipes, where hours pass in no time. Injections around TLS need real TLS: see
//! `program`.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use mailferry::mail::{AccountName, Retention, Secret, TlsMode, WhoActs};
use mailferry::seen::{Batch, SeenStore};
use mailferry::session::{self, End, Summary, Visit};

use super::{Cost, cost, is_before_tls, of};
use crate::support::evil::crimes::Manner;
use crate::support::evil::maildrop::COUNT;
use crate::support::evil::stage::{Protocol, Stage};
use crate::support::evil::{Crime, Maildrop, PASSWORD, Side, USER};
use crate::support::piped::Piped;
use crate::support::told::Told;
use crate::support::world::{World, mails};

/// The settings of the evil account.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) retention: Retention,
    pub(super) commit_every: Option<u32>,
    /// Treats the server as one that hides retrieved messages, so that at QUIT no message may exist
    /// only in memory.
    pub(super) hides: bool,
}

/// What is said of a crime after which a poll is complete, nothing is deferred, and messages are
/// missing.
const TOLD: &[(&str, &str)] = &[
    ("cut-and-close-properly", "octets_differ"),
    ("empty-and-close-properly", "octets_differ"),
    ("omit-one-unique-id", "message_without_unique_id"),
    ("stretch-unique-ids", "message_without_unique_id"),
    ("strip-unique-ids", "message_without_unique_id"),
    ("one-byte-every-nine-seconds", "session_lost"),
];

/// Two accounts of one agent: `work` at an honest server, and `evil`.
pub(super) struct Trial {
    pub(super) what: String,
    crime: Crime,
    pub(super) stage: Arc<Stage>,
    pub(super) world: World,
    evil: Visit,
}

impl Trial {
    pub(super) fn of(crime: &Crime, wish: &Wish) -> Self {
        let world = World::new(mails(3), wish.retention);
        let mut evil = world.visit.clone();
        evil.account = AccountName::new("evil").unwrap();
        evil.host = "evil.example".into();
        evil.commit_every = wish.commit_every;
        evil.hides_retrieved = wish.hides;
        evil.login.user = USER.into();
        evil.login.secret = Secret::new(PASSWORD.into());
        if crime.stls {
            evil.tls = TlsMode::StartTls;
        }
        Self {
            what: format!("{} {wish:?}", crime.name),
            crime: crime.clone(),
            stage: Stage::pretending(Protocol::Pop3, Some(crime.clone())),
            world,
            evil,
        }
    }

    /// Polls both at once; returns the result of the evil one.
    pub(super) async fn poll(&self) -> Summary {
        let seen = self.world.seen();
        let honest = self.world.collaborators_with(&seen);
        let mut evil = honest.clone();
        evil.seen = seen.account(&self.evil.account);
        evil.connect = Arc::new(Piped(self.stage.clone()));
        let (summary, beside) = tokio::join!(
            session::poll(&self.evil, &evil),
            session::poll(&self.world.visit, &honest),
        );
        assert!(
            matches!(beside.end, End::Complete),
            "{}: {:?}",
            self.what,
            beside.end
        );
        for (visit, summary) in [(&self.evil, &summary), (&self.world.visit, &beside)] {
            let state = Some(summary.state.clone());
            let batch = Batch {
                state,
                ..Batch::new(&visit.account)
            };
            self.world.store.commit(batch).await.unwrap();
        }
        summary
    }

    /// How often each message of the evil server was delivered, in its order.
    pub(super) fn delivered(&self) -> Vec<usize> {
        let ever = self.stage.maildrop().ever().to_vec();
        ever.iter().map(|octets| self.taken(octets)).collect()
    }

    /// How often this was delivered, with any line ends.
    fn taken(&self, octets: &[u8]) -> usize {
        let taken = self.world.sink.taken();
        let alike = taken
            .iter()
            .filter(|(took, _)| with_lf(took) == with_lf(octets));
        alike.map(|(_, count)| count).sum()
    }

    /// What the server sends for its messages where that is less than the message, each once.
    fn stumps(&self) -> BTreeSet<Vec<u8>> {
        if cost(&self.crime) != Cost::Stump {
            return BTreeSet::new();
        }
        let ever = self.stage.maildrop().ever().to_vec();
        let stump = |octets: &Vec<u8>| Maildrop::stump(octets, &self.crime.name);
        ever.iter().map(stump).collect()
    }

    /// How many messages were deleted on the evil server.
    pub(super) fn gone(&self) -> usize {
        let maildrop = self.stage.maildrop();
        maildrop.ever().len() - maildrop.mails().len()
    }

    /// Every delivered message is a whole message of one of the two servers, or all that the server
    /// has of it.
    fn nothing_is_cut(&self) {
        let ever = self.stage.maildrop().ever().to_vec();
        let (honest, stumps) = (mails(3), self.stumps());
        for octets in self.world.sink.taken().keys() {
            let is_whole = |whole: &Vec<u8>| with_lf(whole) == with_lf(octets);
            let known = ever.iter().chain(&stumps).any(is_whole)
                || honest.iter().any(|mail| is_whole(&mail.octets));
            let shown = String::from_utf8_lossy(octets);
            assert!(known, "{}: delivered {shown:?}", self.what);
        }
    }

    /// Whether the event that names this crime was reported.
    fn is_named(&self) -> bool {
        let known = TOLD.iter().find(|(crime, _)| self.crime.is(crime));
        known.is_some_and(|(_, code)| {
            let events = self.world.events.lock().unwrap();
            let is_evil = |told: &Told| {
                told.account
                    .as_ref()
                    .is_some_and(|it| it.as_str() == "evil")
            };
            let mut of_evil = events.iter().filter(|told| is_evil(told));
            of_evil.any(|told| told.code == *code)
        })
    }

    /// Every message of the first `count` that was not delivered is reported.
    fn is_told(&self, summary: &Summary, count: usize) {
        if self.delivered().iter().take(count).all(|count| *count > 0) {
            return;
        }
        let counts = &summary.counts;
        let told = match &summary.end {
            End::Failed(error) => {
                assert_ne!(error.who_acts(), WhoActs::Us, "{}: {error}", self.what);
                assert!(!error.code().is_empty() && !error.to_string().is_empty());
                true
            }
            // A message that is left out because a session ended at it was reported then.
            End::Complete => counts.deferred + counts.oversized > 0 || self.is_named(),
            End::Stopped => false,
        };
        assert!(told, "{}: silence: {:?} {counts:?}", self.what, summary.end);
    }
}

impl Trial {
    fn all_is_delivered(&self, wish: &Wish, last: Option<End>) {
        let (what, delivered) = (&self.what, self.delivered());
        assert!(
            delivered.iter().all(|count| *count > 0),
            "{what}: lost: {delivered:?} {last:?}"
        );
        if cost(&self.crime) != Cost::Repeats {
            let is_once = delivered.iter().all(|count| *count == 1);
            assert!(is_once, "{what}: {delivered:?}");
        }
        if wish.retention == Retention::Delete {
            let left = self.stage.maildrop().mails().len();
            let is_told = cost(&self.crime) == Cost::Rewritten && self.world.told("rewritten");
            assert!(
                left == 0 || is_told,
                "{what}: {left} left on the server {last:?}"
            );
        }
    }

    /// Each cut message was delivered, its cut was reported, and it stays on the server until it is
    /// delivered whole.
    fn messages_that_come_too_short_are_reported_and_stay_on_the_server(&self) {
        let (what, stumps) = (&self.what, self.stumps());
        let taken: usize = stumps.iter().map(|stump| self.taken(stump)).sum();
        assert_eq!(taken, COUNT, "{what}: {stumps:?}");
        assert!(self.world.told("octets_differ"), "{what}: silence");
        let left = self.stage.maildrop().mails().to_vec();
        let ever = self.stage.maildrop().ever().to_vec();
        for (octets, count) in ever.iter().zip(self.delivered()) {
            let is_there = left.iter().any(|mail| mail.octets == *octets);
            assert!(count == 1 || count == 0 && is_there, "{what}: lost");
        }
    }
}

/// A message in a form that does not depend on line ends.
fn with_lf(octets: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(octets)
        .replace("\r\n", "\n")
        .into_bytes()
}

/// Whether mail arrives although the crime is committed: an empty line is skipped, and commands
/// that a session can do without, or that come after all deliveries, stop no mail.
fn is_borne(crime: &Crime) -> bool {
    crime.at.is_some_and(|(manner, step)| {
        let can_be_spared = matches!(step, "capa" | "list" | "noop" | "dele" | "quit");
        manner == Manner::BlankFirst || manner.is_odd() && can_be_spared
    })
}

async fn tried(crime: &Crime, wish: &Wish) {
    let mut trial = Trial::of(crime, wish);
    for _ in 0..2 {
        let there = trial.stage.maildrop().ever().len();
        let gone = trial.gone();
        let summary = trial.poll().await;
        trial.nothing_is_cut();
        trial.is_told(&summary, there);
        let are_there_again = crime.is("forget-deletes") || crime.is("restore-deleted");
        let gone = trial.gone().saturating_sub(gone);
        let told = trial.world.told("deletes_unconfirmed") || are_there_again;
        assert!(
            told || summary.counts.deleted <= gone as u64,
            "{}: {gone} {:?}",
            trial.what,
            summary.counts
        );
        trial.world.pass(3600);
    }
    if crime.stls && is_before_tls(crime) {
        let heard = String::from_utf8_lossy(&trial.stage.heard()).into_owned();
        assert!(!heard.contains(PASSWORD), "{}: {heard}", trial.what);
    }
    if cost(crime) == Cost::Stump {
        trial.messages_that_come_too_short_are_reported_and_stay_on_the_server();
    }
    if is_borne(crime) {
        for _ in 0..2 {
            trial.poll().await;
            trial.world.pass(3600);
        }
        let delivered = trial.delivered();
        let is_all = delivered.iter().all(|count| *count == 1);
        assert!(is_all, "{}: kept away: {delivered:?}", trial.what);
    }
    trial.stage.repent();
    if cost(crime) == Cost::Limit {
        trial.poll().await;
        assert_eq!(
            trial.delivered(),
            [0; COUNT],
            "{}: no such cost",
            trial.what
        );
        // Raised by the operator.
        trial.evil.limits.message_octets_max *= 2;
    }
    let mut last = None;
    // If deletes had no effect, messages are compared after one day and after two, and one delete a
    // day is tried.
    for _ in 0..14 {
        trial.world.pass(12 * 3600);
        last = Some(trial.poll().await.end);
    }
    trial.nothing_is_cut();
    if cost(crime) == Cost::Stump {
        trial.messages_that_come_too_short_are_reported_and_stay_on_the_server();
    } else {
        trial.all_is_delivered(wish, last);
    }
    for mail in mails(3) {
        let count = trial.world.sink.taken().get(&mail.octets).copied();
        assert_eq!(count, Some(1), "{}: the honest account", trial.what);
    }
    assert!(
        !trial.world.said(PASSWORD),
        "{}: the password is told",
        trial.what
    );
}

async fn all_tried(wish: &Wish, is_tried: impl Fn(&Crime) -> bool) {
    let mut failed = Vec::new();
    // Injections around TLS need real TLS.
    for crime in of(Side::Pop3).filter(|crime| !crime.stls || crime.waits) {
        if is_tried(&crime) {
            // One failure must not hide the next.
            let trial = AssertUnwindSafe(tried(&crime, wish)).catch_unwind();
            if trial.await.is_err() {
                failed.push(crime.name);
            }
        }
    }
    assert!(failed.is_empty(), "{wish:?}: {failed:#?}");
}

#[tokio::test(start_paused = true)]
async fn every_pop3_fault_is_reported_and_loses_nothing_with_retention_delete() {
    let wish = Wish {
        retention: Retention::Delete,
        commit_every: None,
        hides: false,
    };
    all_tried(&wish, |_| true).await;
}

#[tokio::test(start_paused = true)]
async fn every_pop3_fault_is_reported_and_loses_nothing_with_frequent_commits_of_deletes() {
    let wish = Wish {
        retention: Retention::Delete,
        commit_every: Some(2),
        hides: false,
    };
    all_tried(&wish, |crime| !crime.floods).await;
}

#[tokio::test(start_paused = true)]
async fn every_pop3_fault_is_reported_and_loses_nothing_with_retention_keep() {
    let wish = Wish {
        retention: Retention::Keep,
        commit_every: None,
        hides: false,
    };
    // A flood takes seconds, and ends before anything depends on the retention.
    all_tried(&wish, |crime| !crime.floods).await;
}

#[tokio::test(start_paused = true)]
async fn every_pop3_fault_is_reported_and_loses_nothing_on_servers_that_hide_retrieved_mail() {
    let wish = Wish {
        retention: Retention::Delete,
        commit_every: None,
        hides: true,
    };
    all_tried(&wish, |crime| !crime.floods).await;
}
