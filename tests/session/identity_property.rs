//! The identity of listed messages, whatever a server does with its unique-ids.

use std::collections::{BTreeMap, BTreeSet};

use mailferry::mail::{Reasons, Retention, Timestamp};
use mailferry::session::{End, Summary};
use proptest::prelude::*;

use crate::support::model::Mail;
use crate::support::seed::saved_in;
use crate::support::world::World;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How a server makes its unique-ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// 1, 2, 3 ...
    Counter,
    /// The same with leading zeros.
    Padded,
    /// Those of Dovecot: a counter, then the time when the maildrop was made.
    Validity,
    /// Letters that are no counter.
    Letters,
}

/// What distinguishes the messages of a history. All have the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Letters with Message-ID and Date.
    Letters,
    /// Reports of a device, without both, that differ by a digit of their text.
    Texts,
    /// Reports that differ by a field which servers write, too.
    States,
    /// Reports that differ by their boundary.
    Boundaries,
}

/// An event in a maildrop between two polls.
#[derive(Clone, Debug)]
enum Step {
    /// This many new messages.
    Arrive(usize),
    /// A new message with the unique-id that another one had: the last that is gone, or the one
    /// before.
    Reuse(usize),
    /// The user deletes the message at this place.
    Delete(usize),
    /// The maildrop is emptied, and the server counts from the beginning.
    BeginAgain,
    /// The maildrop is emptied and gets this many new messages, and no listing between shows it.
    Refill(usize),
    /// Every message gets the unique-id of its place.
    Renumber,
    /// Every message gets a new unique-id.
    Rename,
    /// The server writes this field into the head of the message at this place.
    Rewrite(usize, &'static str),
    /// LIST announces this many octets too many.
    Sizes(u64),
    /// The account is configured for the maildrop of another user, with similar unique-ids; or for
    /// the first one again.
    MoveUser,
    /// The account is configured for another host, which has another maildrop with similar
    /// unique-ids; or for the first one again.
    MoveHost,
    /// The maildrop itself moves to another host; or back.
    Rehost,
    /// Time passes.
    Pass(u64),
}

/// A field that makes another head, and one that does not (rule 5).
const FIELDS: [&str; 2] = ["X-Scanned: yes\r\n", "Status: RO\r\n"];

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_usize).prop_map(Step::Arrive),
        2 => (0..3_usize).prop_map(Step::Reuse),
        2 => (0..8_usize).prop_map(Step::Delete),
        2 => Just(Step::BeginAgain),
        1 => Just(Step::Renumber),
        1 => Just(Step::Rename),
        1 => (0..8_usize, 0..FIELDS.len()).prop_map(|(at, field)| Step::Rewrite(at, FIELDS[field])),
        1 => (0..3_u64).prop_map(Step::Sizes),
        1 => Just(Step::MoveUser),
        1 => Just(Step::MoveHost),
        1 => Just(Step::Rehost),
        2 => (1..40_u64).prop_map(|hours| Step::Pass(hours * HOUR)),
    ]
}

/// Also those of a maildrop that is emptied and filled between two polls.
fn any_step_of_reports() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => any_step(),
        1 => (1..4_usize).prop_map(Step::Refill),
    ]
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![
        Just(Scheme::Counter),
        Just(Scheme::Padded),
        Just(Scheme::Validity),
        Just(Scheme::Letters),
    ]
}

fn any_report() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Texts),
        Just(Kind::States),
        Just(Kind::Boundaries)
    ]
}

fn any_counter() -> impl Strategy<Value = Scheme> {
    prop_oneof![Just(Scheme::Counter), Just(Scheme::Padded)]
}

fn any_retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        Just(Retention::Keep),
        Just(Retention::Delete),
        Just(Retention::after(2 * DAY)),
        Just(Retention::DeleteWhen(Reasons {
            after_seconds: Some(9 * DAY),
            newest: Some(1),
            octets_max: Some(300),
        })),
    ]
}

/// One user's maildrop.
#[derive(Clone, Default)]
struct Maildrop {
    mails: Vec<Mail>,
    count: usize,
    validity: usize,
    /// Every unique-id that was given, in order.
    given: Vec<String>,
}

/// A message as an account sees it: its maildrop, its unique-id, and its octets.
type Seen = (String, String, Mail);

/// The world, and the behaviour of the server.
struct History {
    world: World,
    scheme: Scheme,
    kind: Kind,
    has_top: bool,
    here: Maildrop,
    elsewhere: Maildrop,
    written: usize,
    /// New messages that look in each listing like a delivered one: only their head distinguishes
    /// them.
    alike: BTreeSet<Vec<u8>>,
    /// Since when a listed message is not delivered, because the maildrop is still to be compared.
    waiting: BTreeMap<Vec<u8>, Timestamp>,
    /// When each message was retrieved to be compared.
    compared: BTreeMap<Seen, Option<Timestamp>>,
    /// Everything that was listed at any poll.
    shown: BTreeSet<Seen>,
}

impl History {
    fn new(scheme: Scheme, retention: Retention, has_top: bool, pipelining: bool) -> Self {
        let world = World::new(Vec::new(), retention);
        let capability = if has_top { "TOP" } else { "X-NONE" };
        let capabilities = vec![capability.to_owned()];
        world.server.with(|habits| {
            habits.capabilities = capabilities;
            habits.refuses_top = !has_top;
            habits.pipelining = pipelining;
        });
        Self {
            world,
            scheme,
            kind: Kind::Letters,
            has_top,
            here: Maildrop::default(),
            elsewhere: Maildrop {
                validity: 1 << 20,
                ..Maildrop::default()
            },
            written: 0,
            alike: BTreeSet::new(),
            waiting: BTreeMap::new(),
            compared: BTreeMap::new(),
            shown: BTreeSet::new(),
        }
    }

    fn name(&mut self, number: usize) -> String {
        let validity = 0x5F00_0000 + self.here.validity;
        let name = match self.scheme {
            Scheme::Counter => number.to_string(),
            Scheme::Padded => format!("{number:016}"),
            Scheme::Validity => format!("{number:08x}{validity:08x}"),
            Scheme::Letters => letters(number, validity),
        };
        self.here.given.push(name.clone());
        name
    }

    /// A new message, of the same size as all others.
    fn write(&mut self) -> Vec<u8> {
        self.written += 1;
        let number = self.written;
        let from = "From: cron@example.org\r\n";
        let text = match self.kind {
            Kind::Letters => format!(
                "Message-ID: <{number:04}@example.org>\r\n\
                 Date: Sun, 29 Nov 2026 12:00:00 +0000\r\n\
                 {from}Subject: {number:04}\r\n\r\nbody {number:04}\r\n"
            ),
            Kind::Texts => format!("{from}Subject: ups\r\n\r\nbody {number:04}\r\n"),
            Kind::States => format!("{from}Status: no {number:04}\r\n\r\nbody\r\n"),
            Kind::Boundaries => format!(
                "{from}Content-Type: multipart/mixed; boundary=b{number:04}\r\n\r\n\
                 --b{number:04}\r\n\r\nbody\r\n--b{number:04}--\r\n"
            ),
        };
        text.into_bytes()
    }

    fn step(&mut self, step: &Step) {
        // Messages that mailferry deleted are gone.
        self.here.mails = self.world.server.listed();
        match step {
            Step::Arrive(count) => self.arrive(*count),
            Step::Reuse(before) => self.reuse(*before),
            Step::Delete(at) => {
                if *at < self.here.mails.len() {
                    self.here.mails.remove(*at);
                }
            }
            Step::BeginAgain => self.begin_again(),
            Step::Refill(count) => {
                self.begin_again();
                self.arrive(*count);
            }
            Step::Renumber => self.rename_from(0),
            Step::Rename => self.rename_from(self.here.count),
            Step::Rewrite(at, field) => {
                if let Some(mail) = self.here.mails.get_mut(*at) {
                    mail.octets.splice(0..0, field.bytes());
                }
            }
            Step::Sizes(more) => self
                .world
                .server
                .with(|habits| habits.lies_by_octets = *more),
            Step::MoveUser => {
                std::mem::swap(&mut self.here, &mut self.elsewhere);
                turn(&mut self.world.visit.login.user, "jane", "john");
            }
            Step::MoveHost => {
                std::mem::swap(&mut self.here, &mut self.elsewhere);
                turn(
                    &mut self.world.visit.host,
                    "pop.example.org",
                    "mx.example.net",
                );
            }
            Step::Rehost => turn(
                &mut self.world.visit.host,
                "pop.example.org",
                "mx.example.net",
            ),
            Step::Pass(seconds) => self.world.pass(*seconds),
        }
        self.world.server.replace(self.here.mails.clone());
    }

    fn arrive(&mut self, count: usize) {
        for _ in 0..count {
            self.here.count += 1;
            let unique_id = self.name(self.here.count);
            let octets = self.write();
            self.here.mails.push(Mail { unique_id, octets });
        }
    }

    fn begin_again(&mut self) {
        self.here.mails.clear();
        self.here.count = 0;
        self.here.validity += 1;
    }

    fn rename_from(&mut self, from: usize) {
        self.here.validity += 1;
        for at in 0..self.here.mails.len() {
            self.here.mails[at].unique_id = self.name(from + at + 1);
        }
        self.here.count = from + self.here.mails.len();
    }

    /// A new message gets the unique-id of one that is gone, and has the same size.
    fn reuse(&mut self, before: usize) {
        let is_listed = |name: &String| self.here.mails.iter().any(|mail| mail.unique_id == *name);
        let mut gone = self.here.given.iter().rev().filter(|name| !is_listed(name));
        let Some(unique_id) = gone.nth(before).cloned() else {
            return;
        };
        let octets = self.write();
        self.alike.insert(octets.clone());
        self.here.mails.push(Mail { unique_id, octets });
    }

    fn now(&self) -> Timestamp {
        *self.world.now.lock().unwrap()
    }

    /// Polls, and checks the property.
    async fn poll(&mut self) -> Result<(), TestCaseError> {
        self.world.pass(HOUR);
        let listed = self.world.server.listed();
        let summary = self.world.poll().await;
        let taken = self.world.sink.taken();
        for mail in self.world.server.deleted() {
            let is_report = self.kind != Kind::Letters;
            prop_assert!(
                taken.contains_key(&mail.octets) || (is_report && was_taken(&taken, &mail.octets)),
                "deleted and never delivered: {} {}",
                mail.unique_id,
                String::from_utf8_lossy(&mail.octets)
            );
        }
        self.nothing_is_compared_twice_a_day(&listed)?;
        self.new_mail_came(&listed, &summary)?;
        let listed: Vec<Seen> = listed.into_iter().map(|mail| self.seen(mail)).collect();
        self.shown.extend(listed);
        Ok(())
    }

    fn seen(&self, mail: Mail) -> Seen {
        let visit = &self.world.visit;
        (visit.host.clone(), visit.login.user.clone(), mail)
    }

    /// No message is retrieved to be compared twice within a day. A unique-id under which another
    /// message was listed meanwhile, or whose message had another one, does not count: only a
    /// retrieval shows which message it has now.
    fn nothing_is_compared_twice_a_day(&mut self, listed: &[Mail]) -> Result<(), TestCaseError> {
        let listed: Vec<Seen> = listed.iter().map(|mail| self.seen(mail.clone())).collect();
        let is_other = |known: &Seen| {
            let differs = |seen: &Seen| has_other(seen, known) || is_renamed(seen, known);
            listed.iter().any(differs)
        };
        self.compared.retain(|known, _| !is_other(known));
        let now = self.now();
        // A message with another size than announced is retrieved once more in the same session,
        // alone (section 2).
        let handed_out: BTreeSet<Mail> = self.world.server.handed_out().into_iter().collect();
        for mail in handed_out {
            let shown = String::from_utf8_lossy(&mail.octets).into_owned();
            let seen = self.seen(mail);
            match self.compared.entry(seen) {
                // For the first time: it was unknown.
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(None);
                }
                std::collections::btree_map::Entry::Occupied(mut before) => {
                    let before = before.insert(Some(now));
                    let is_early = before.is_some_and(|before| now.since(before) < DAY);
                    prop_assert!(!is_early, "compared twice within a day: {shown}");
                }
            }
        }
        Ok(())
    }

    /// Every listed message was delivered by now, as it is or as it was before the server rewrote
    /// it. There are two exceptions: unique-ids that were found to be unstable, which cost a day at
    /// most, and a hold of an account most of whose messages changed, while it lasts.
    fn new_mail_came(&mut self, listed: &[Mail], summary: &Summary) -> Result<(), TestCaseError> {
        let held = match &summary.end {
            End::Failed(error) => {
                prop_assert_eq!(error.code(), "messages_changed", "{}", error);
                true
            }
            End::Complete | End::Stopped => false,
        };
        let now = self.now();
        let taken = self.world.sink.taken();
        let retention = self.world.visit.retention;
        let waits = summary.state.names.are_unstable(now) && retention != Retention::Delete;
        let is_missing =
            |mail: &&Mail| !was_taken(&taken, &mail.octets) && !held && !self.may_be_silent(mail);
        let missing = listed.iter().filter(is_missing);
        let missing: BTreeSet<&Vec<u8>> = missing.map(|mail| &mail.octets).collect();
        self.waiting.retain(|octets, _| missing.contains(octets));
        for octets in missing {
            let shown = String::from_utf8_lossy(octets);
            prop_assert!(waits, "new mail did not come at the next poll: {shown}");
            let since = *self.waiting.entry(octets.clone()).or_insert(now);
            prop_assert!(now.since(since) < DAY, "did not come within a day: {shown}");
        }
        Ok(())
    }

    /// Whether nothing that rule 3 checks distinguishes a message from a delivered one. Without TOP
    /// that is so for each message whose unique-id another one had, and for each report.
    fn may_be_silent(&self, mail: &Mail) -> bool {
        let seen = self.seen(mail.clone());
        let had_another = || self.shown.iter().any(|shown| has_other(shown, &seen));
        let mut alike = self.alike.iter();
        let is_report = self.kind != Kind::Letters;
        // A maildrop that moves keeps its records.
        let is_other =
            |(.., known): &Seen| known.unique_id == mail.unique_id && known.octets != mail.octets;
        alike.any(|alike| mail.octets.ends_with(alike))
            || (!self.has_top && had_another())
            || (is_report && self.shown.iter().any(is_other))
    }

    /// After a month without events, everything that is listed was delivered, and with TOP nothing
    /// twice to one user. What one user has proves nothing for another.
    async fn a_month_passes(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..34 {
            self.step(&Step::Pass(DAY - HOUR));
            self.poll().await?;
        }
        let taken = self.world.sink.taken();
        let users = |octets: &Vec<u8>| {
            let shown = self
                .shown
                .iter()
                .filter(|(.., mail)| mail.octets == *octets);
            let users: BTreeSet<&String> = shown.map(|(_, user, _)| user).collect();
            users.len()
        };
        let doubled = taken
            .iter()
            .filter(|(octets, times)| **times > users(octets));
        let doubled: Vec<_> = doubled
            .map(|(octets, _)| String::from_utf8_lossy(octets))
            .collect();
        prop_assert!(
            doubled.is_empty() || !self.has_top || self.kind != Kind::Letters,
            "delivered twice: {doubled:?}"
        );
        Ok(())
    }
}

/// Whether both have one unique-id in one maildrop, and are different messages.
fn has_other((host, user, mail): &Seen, (at, by, known): &Seen) -> bool {
    host == at && user == by && mail.unique_id == known.unique_id && mail.octets != known.octets
}

/// Whether both are one message in one maildrop, with different unique-ids.
fn is_renamed((host, user, mail): &Seen, (at, by, known): &Seen) -> bool {
    host == at && user == by && mail.unique_id != known.unique_id && mail.octets == known.octets
}

/// A unique-id of letters beyond hexadecimal digits, which has nothing in common with the next one.
fn letters(number: usize, validity: usize) -> String {
    let mut random = fastrand::Rng::with_seed((number as u64) << 32 | validity as u64);
    (0..20).map(|_| random.char('g'..='z')).collect()
}

fn turn(value: &mut String, one: &str, other: &str) {
    *value = if value == one { other } else { one }.to_owned();
}

/// Whether a message, or its form before the server rewrote it, was delivered.
fn was_taken(taken: &BTreeMap<Vec<u8>, usize>, octets: &[u8]) -> bool {
    let mut rest = octets;
    loop {
        if taken.contains_key(rest) {
            return true;
        }
        let mut before = FIELDS
            .iter()
            .filter_map(|field| rest.strip_prefix(field.as_bytes()));
        match before.next() {
            Some(before) => rest = before,
            None => return false,
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

async fn holds(mut history: History, steps: &[Step]) -> Result<(), TestCaseError> {
    for step in steps {
        history.step(step);
        history.poll().await?;
    }
    history.a_month_passes().await
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("MAILFERRY_CASES").map_or(300, |cases| cases.parse().unwrap()),
        failure_persistence: saved_in("tests/corpus/proptest/identity.txt"),
        ..ProptestConfig::default()
    })]

    /// The property, on a server with TOP.
    #[test]
    fn whatever_a_server_does_with_unique_ids_no_undelivered_message_is_deleted(
        scheme in any_scheme(),
        retention in any_retention(),
        pipelining in any::<bool>(),
        steps in proptest::collection::vec(any_step(), 1..20),
    ) {
        block_on(holds(History::new(scheme, retention, true, pipelining), &steps))?;
    }

    /// The property without TOP: there, counters are recognised.
    #[test]
    fn without_top_no_undelivered_message_is_deleted_either(
        scheme in any_counter(),
        retention in any_retention(),
        pipelining in any::<bool>(),
        steps in proptest::collection::vec(any_step(), 1..20),
    ) {
        block_on(holds(History::new(scheme, retention, false, pipelining), &steps))?;
    }

    /// The property for mail of devices, which no head identifies.
    #[test]
    fn no_undelivered_report_without_message_id_and_date_is_deleted(
        scheme in any_scheme(),
        kind in any_report(),
        retention in any_retention(),
        has_top in any::<bool>(),
        pipelining in any::<bool>(),
        steps in proptest::collection::vec(any_step_of_reports(), 1..20),
    ) {
        let mut history = History::new(scheme, retention, has_top, pipelining);
        history.kind = kind;
        block_on(holds(history, &steps))?;
    }
}
