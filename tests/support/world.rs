//! A whole poll in memory: a model server, a sink that records messages, and a store that survives
//! crashes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::agent::{Breaker, OnlyOwner};
use mailferry::mail::{
    AccountName, Clock, FirstRun, LoginMethod, PollLimits, Recipient, Retention, RetrievalOrder,
    Secret, Timestamp, TlsMode, UniqueId,
};
use mailferry::operator::operators_word;
use mailferry::seen::{
    AccountState, Batch, Known, MemoryStore, Record, RecordKey, Seen, SeenStore, State, Trust,
};
use mailferry::session::{
    self, Adopted, Collaborators, CopyStore, LoadedCopy, Login, Rest, SessionError, Stop, Summary,
    Visit,
};
use mailferry::sink::{Delivery, Destination, Fault, Gate, Offer, Outcome, Refusal, Sink};
use mailferry::spool::Spool;
use mailferry::telemetry::Reporter;

use super::crash::Crash;
use super::model::{Mail, Server};
use super::stores::Hooked;
use super::told::{Collected, Told};

/// Everything that survives a crash, and the operator's settings.
pub struct World {
    pub server: Server,
    pub store: Arc<MemoryStore>,
    pub sink: Notes,
    pub kept: Kept,
    pub visit: Visit,
    pub now: Arc<Mutex<Timestamp>>,
    /// What was reported.
    pub events: Arc<Mutex<Vec<Told>>>,
    pub gate: Arc<dyn Gate>,
    pub stop: Stop,
    spool: tempfile::TempDir,
    crash: Crash,
}

/// The messages that the sink accepted, by subject, and its configured answers.
#[derive(Clone, Default)]
pub struct Notes {
    taken: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Notified at each message.
    more: Arc<tokio::sync::Notify>,
    answers: Arc<Mutex<BTreeMap<Vec<u8>, Refusal>>>,
    /// What it answers to every message.
    to_all: Arc<Mutex<Option<Refusal>>>,
    /// The offers that are refused for now, counted from 0.
    refused_offers: Arc<Mutex<Vec<usize>>>,
    hangs: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

/// The parked or quarantined messages, by file name.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<BTreeMap<String, LoadedCopy>>>);

pub fn mail(unique_id: &str, octets: &[u8]) -> Mail {
    Mail {
        unique_id: unique_id.to_owned(),
        octets: octets.to_vec(),
    }
}

/// `count` different messages.
pub fn mails(count: usize) -> Vec<Mail> {
    let one = |number| {
        mail(
            &format!("id-{number:04}"),
            format!(
                "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@example.org>\r\n\
                 Subject: {number}\r\n\r\n.text {number}\r\n"
            )
            .as_bytes(),
        )
    };
    (0..count).map(one).collect()
}

impl World {
    pub fn new(mails: Vec<Mail>, retention: Retention) -> Self {
        Self::with_crash(mails, retention, Crash::never())
    }

    pub fn with_crash(mails: Vec<Mail>, retention: Retention, crash: Crash) -> Self {
        let visit = Visit {
            account: AccountName::new("work").unwrap(),
            host: "pop.example.org".into(),
            port: 110,
            own_host: "home.lan".into(),
            tls: TlsMode::None,
            allow_cleartext_password: true,
            login: Login {
                user: "jane".into(),
                secret: Secret::new(b"canary-secret".to_vec()),
                method: LoginMethod::Auto,
            },
            recipient: Recipient::new("jane@home.lan").unwrap(),
            envelope: None,
            retention,
            order: RetrievalOrder::Oldest,
            first_run: FirstRun::All,
            limits: PollLimits {
                message_octets_max: 1 << 20,
                messages_max: None,
                octets_max: None,
            },
            commit_every: None,
            pipelining: true,
            hides_retrieved: false,
            unrecorded_max: 4,
            forget_after_seconds: 30 * 86_400,
        };
        let events: Arc<Mutex<Vec<Told>>> = Arc::default();
        let reporter = Reporter::new(Arc::new(Collected(events.clone())));
        Self {
            server: Server::new(mails, crash.clone()),
            store: Arc::new(MemoryStore::new()),
            sink: Notes::default(),
            kept: Kept::default(),
            visit,
            now: Arc::new(Mutex::new(Timestamp(1_800_000_000))),
            events,
            gate: Arc::new(Breaker::new("box", reporter)),
            stop: Stop::default(),
            spool: tempfile::tempdir().unwrap(),
            crash,
        }
    }

    /// Polls until it ends or the power fails; `None` if the power fails.
    pub async fn poll_or_crash(&self) -> Option<Summary> {
        let with = self.collaborators();
        tokio::select! {
            biased;
            () = self.crash.happens() => None,
            summary = session::poll(&self.visit, &with) => Some(summary),
        }
    }

    /// Polls, and makes the account's state durable like the agent.
    pub async fn poll(&self) -> Summary {
        let summary = self.poll_or_crash().await.expect("no crash was asked for");
        self.make_durable(&summary).await;
        summary
    }

    /// The same with other destinations than the world's own sink.
    pub async fn poll_with(&self, with: &Collaborators) -> Summary {
        let summary = session::poll(&self.visit, with).await;
        self.make_durable(&summary).await;
        summary
    }

    async fn make_durable(&self, summary: &Summary) {
        let batch = Batch {
            state: Some(summary.state.clone()),
            ..Batch::new(&self.visit.account)
        };
        self.store.commit(batch).await.unwrap();
    }

    /// The states of all records.
    pub async fn states(&self) -> Vec<State> {
        let records = self.records().await;
        records.into_iter().map(|(_, one)| one.state).collect()
    }

    /// The same world after the power returned.
    pub fn restarted(&mut self, crash: Crash) {
        let server = Server::new(self.server.listed(), crash.clone());
        let habits = self.server.with(|habits| habits.clone());
        server.with(|fresh| *fresh = habits);
        self.server = server;
        self.crash = crash;
    }

    pub fn pass(&self, seconds: u64) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(seconds);
    }

    /// A directory that is removed with the world.
    pub fn directory(&self) -> &std::path::Path {
        self.spool.path()
    }

    /// Whether an event with this code was reported. A code that telemetry does not know is a
    /// mistake of the test.
    pub fn told(&self, code: &str) -> bool {
        self.times_told(code) > 0
    }

    pub fn times_told(&self, code: &str) -> usize {
        let known = format!("\"{code}\"");
        assert!(CODES.iter().any(|text| text.contains(&known)), "{code}");
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.code == code).count()
    }

    /// Whether an event with this reason was reported: the code of a refusal or of a failure.
    pub fn told_reason(&self, code: &str) -> bool {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .any(|event| event.reason.as_deref() == Some(code))
    }

    /// Whether an event with these words was reported. For tests of words that an operator reads.
    pub fn said(&self, words: &str) -> bool {
        let events = self.events.lock().unwrap();
        events.iter().any(|event| event.words.contains(words))
    }

    pub async fn records(&self) -> Vec<(RecordKey, Record)> {
        let records = self.store.scan(&self.visit.account).await.unwrap();
        records.iter().map(Known::into_pair).collect()
    }

    /// The operator's mark on these unique-ids. Returns how many records were changed.
    pub async fn mark(&self, ids: &[impl AsRef<str>], trust: Trust) -> u64 {
        let id = |id: &str| UniqueId::new(id.as_bytes()).unwrap();
        let ids: Vec<UniqueId> = ids.iter().map(|one| id(one.as_ref())).collect();
        let now = *self.now.lock().unwrap();
        let seen = Seen::new(self.store.clone());
        let (account, word) = (&self.visit.account, operators_word());
        let marked = seen.mark(account, &ids, trust, now, &word);
        marked.await.unwrap().changed
    }

    /// The operator's `seen adopt`.
    pub async fn adopt(&self, trust: Trust, rest: Rest) -> Result<Adopted, SessionError> {
        let with = self.collaborators();
        session::adopt(&self.visit, &with, trust, rest, &operators_word()).await
    }

    pub async fn state(&self) -> AccountState {
        let state = self.store.account_state(&self.visit.account).await;
        state.unwrap().expect("the account was polled")
    }

    pub async fn save_state(&self, state: AccountState) {
        let batch = Batch {
            state: Some(state),
            ..Batch::new(&self.visit.account)
        };
        self.store.commit(batch).await.unwrap();
    }

    pub fn seen(&self) -> Seen {
        Seen::new(Arc::new(counted(self.store.clone(), self.crash.clone())))
    }

    pub fn collaborators(&self) -> Collaborators {
        self.collaborators_with(&self.seen())
    }

    /// The collaborators with another store.
    pub fn collaborators_with(&self, seen: &Seen) -> Collaborators {
        Collaborators {
            connect: Arc::new(self.server.clone()),
            seen: seen.account(&self.visit.account),
            owners: Arc::new(OnlyOwner::new(seen.clone())),
            delivery: Delivery::to(Destination::new(
                "box",
                Arc::new(CountedSink {
                    notes: self.sink.clone(),
                    crash: self.crash.clone(),
                }),
                self.gate.clone(),
            )),
            quarantine: Arc::new(CountedKept {
                kept: self.kept.clone(),
                crash: self.crash.clone(),
            }),
            spool: Spool::new(self.spool.path()),
            clock: Arc::new(TurnedClock(self.now.clone())),
            reporter: Reporter::new(Arc::new(Collected(self.events.clone()))),
            stop: self.stop.clone(),
        }
    }
}

impl Notes {
    /// How often each message was accepted.
    pub fn taken(&self) -> BTreeMap<Vec<u8>, usize> {
        let mut counts = BTreeMap::new();
        for octets in self.taken.lock().unwrap().iter() {
            *counts.entry(octets.clone()).or_default() += 1;
        }
        counts
    }

    pub fn count(&self) -> usize {
        self.taken.lock().unwrap().len()
    }

    /// A sink that also records here, for a second destination.
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::new(CountedSink {
            notes: self.clone(),
            crash: Crash::never(),
        })
    }

    /// Waits until this many messages were accepted.
    pub async fn until(&self, count: usize) {
        loop {
            let told = self.more.notified();
            tokio::pin!(told);
            // From here on no notification is missed.
            told.as_mut().enable();
            if self.count() >= count {
                return;
            }
            told.await;
        }
    }

    /// The number of offers, accepted or refused.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The accepted messages in order.
    pub fn order(&self) -> Vec<Vec<u8>> {
        self.taken.lock().unwrap().clone()
    }

    /// From now on this message is refused.
    pub fn refuse(&self, octets: &[u8], fault: Fault) {
        self.answers
            .lock()
            .unwrap()
            .insert(octets.to_vec(), Refusal::new(fault, "test_refusal", "no"));
    }

    /// Refuses this offer for now, counted from 0.
    pub fn refuse_offer(&self, number: usize) {
        self.refused_offers.lock().unwrap().push(number);
    }

    /// From now on every message is refused.
    pub fn refuse_all(&self, fault: Fault) {
        *self.to_all.lock().unwrap() = Some(Refusal::new(fault, "test_refusal", "no"));
    }

    pub fn accept_all(&self) {
        self.answers.lock().unwrap().clear();
        *self.to_all.lock().unwrap() = None;
        self.hangs.store(false, Ordering::Relaxed);
    }

    /// From now on no offer is answered.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }
}

impl Kept {
    /// The messages.
    pub fn octets(&self) -> Vec<Vec<u8>> {
        let kept = self.0.lock().unwrap();
        kept.values()
            .map(|copy| copy.message.to_vec().unwrap())
            .collect()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// From now on there are no copies.
    pub fn lose_all(&self) {
        self.0.lock().unwrap().clear();
    }
}

struct CountedSink {
    notes: Notes,
    crash: Crash,
}

impl Sink for CountedSink {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            self.crash.step().await;
            if self.notes.hangs.load(Ordering::Relaxed) {
                return std::future::pending().await;
            }
            let octets = offer.message.to_vec().unwrap();
            let number = self.notes.asked.fetch_add(1, Ordering::Relaxed);
            let to_all = self.notes.to_all.lock().unwrap().clone();
            let refused = self.notes.answers.lock().unwrap().get(&octets).cloned();
            let is_refused = self.notes.refused_offers.lock().unwrap().contains(&number);
            let fault = Fault::MessageTransient;
            let refused = refused
                .or(to_all)
                .or_else(|| is_refused.then(|| Refusal::new(fault, "test_refusal", "not now")));
            let outcome = match refused {
                Some(refusal) => Outcome::Refused(refusal),
                None => {
                    self.notes.taken.lock().unwrap().push(octets);
                    self.notes.more.notify_waiters();
                    Outcome::Accepted("ok".into())
                }
            };
            self.crash.step().await;
            vec![outcome; offer.envelope.recipients.len()]
        })
    }
}

/// A store in memory, with a step before and after each commit.
fn counted(store: Arc<MemoryStore>, crash: Crash) -> Hooked {
    Hooked::new(store).commit(move |store, batch| {
        let crash = crash.clone();
        async move {
            crash.step().await;
            store.commit(batch).await?;
            crash.step().await;
            Ok(())
        }
    })
}

struct CountedKept {
    kept: Kept,
    crash: Crash,
}

impl CopyStore for CountedKept {
    fn keep<'a>(
        &'a self,
        offer: Offer<'a>,
        _why: &'a Refusal,
    ) -> BoxFuture<'a, Result<String, Refusal>> {
        Box::pin(async move {
            self.crash.step().await;
            let mut kept = self.kept.0.lock().unwrap();
            let mut names = (kept.len()..).map(|number| format!("kept-{number}"));
            let file = names.find(|name| !kept.contains_key(name)).unwrap();
            let copy = LoadedCopy {
                message: offer.message.clone(),
                envelope: offer.envelope.clone(),
                trace: offer.trace.to_owned(),
            };
            kept.insert(file.clone(), copy);
            Ok(file)
        })
    }

    fn load<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<LoadedCopy, Refusal>> {
        Box::pin(async move {
            Ok(self
                .kept
                .0
                .lock()
                .unwrap()
                .get(file)
                .cloned()
                .expect("the file that was named"))
        })
    }

    fn has<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async move { Ok(self.kept.0.lock().unwrap().contains_key(file)) })
    }

    fn remove<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async move {
            self.crash.step().await;
            self.kept.0.lock().unwrap().remove(file);
            Ok(())
        })
    }
}

struct TurnedClock(Arc<Mutex<Timestamp>>);

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// The files in which events have their codes.
const CODES: [&str; 6] = [
    include_str!("../../src/telemetry/event.rs"),
    include_str!("../../src/telemetry/event/account.rs"),
    include_str!("../../src/telemetry/event/destination.rs"),
    include_str!("../../src/telemetry/quirk.rs"),
    include_str!("../../src/telemetry/octets_quirk.rs"),
    include_str!("../../src/telemetry/warning.rs"),
];
