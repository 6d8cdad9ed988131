//! Which message is listed, whatever a server does with its unique-ids (DOUBT.md section 1).

use std::collections::{BTreeMap, BTreeSet};

use mailferry::mail::{Retention, Timestamp};
use mailferry::session::{End, Summary};
use proptest::prelude::*;

use crate::support::model::Mail;
use crate::support::seed::saved_in;
use crate::support::world::World;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// How a server names its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    /// 1, 2, 3 ...
    Counter,
    /// The same with zeros before it.
    Padded,
    /// Dovecot's: a counter, then when the maildrop was made.
    Validity,
}

/// What happens to a maildrop between two polls.
#[derive(Clone, Debug)]
enum Step {
    /// So many new messages.
    Arrive(usize),
    /// The user deletes the message at this place.
    Delete(usize),
    /// The maildrop is emptied, and the server counts from the beginning.
    BeginAgain,
    /// Every message gets the name that its place says.
    Renumber,
    /// Every message gets a new name.
    Rename,
    /// The server writes a field into the head of this message.
    Rewrite(usize),
    /// LIST tells so many octets more than there are.
    Sizes(u64),
    /// The account is pointed at the maildrop of another user, which names its messages likewise;
    /// or back.
    Move,
    /// Time.
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..4_usize).prop_map(Step::Arrive),
        2 => (0..8_usize).prop_map(Step::Delete),
        2 => Just(Step::BeginAgain),
        1 => Just(Step::Renumber),
        1 => Just(Step::Rename),
        1 => (0..8_usize).prop_map(Step::Rewrite),
        1 => (0..3_u64).prop_map(Step::Sizes),
        1 => Just(Step::Move),
        2 => (1..40_u64).prop_map(|hours| Step::Pass(hours * HOUR)),
    ]
}

fn any_scheme() -> impl Strategy<Value = Scheme> {
    prop_oneof![
        Just(Scheme::Counter),
        Just(Scheme::Padded),
        Just(Scheme::Validity)
    ]
}

fn any_retention() -> impl Strategy<Value = Retention> {
    prop_oneof![
        Just(Retention::Keep),
        Just(Retention::Delete),
        Just(Retention::DeleteAfter { seconds: 2 * DAY }),
    ]
}

/// One user's maildrop.
#[derive(Clone, Default)]
struct Maildrop {
    mails: Vec<Mail>,
    count: usize,
    validity: usize,
}

/// The world, and what the server is up to.
struct History {
    world: World,
    scheme: Scheme,
    here: Maildrop,
    elsewhere: Maildrop,
    written: usize,
    /// Messages that came since the last poll.
    fresh: Vec<Vec<u8>>,
    /// When each message was last handed out.
    handed_out: BTreeMap<Vec<u8>, Timestamp>,
    /// Whether names or octets of known messages changed, so that they are retrieved again.
    has_changed: bool,
}

impl History {
    fn new(scheme: Scheme, retention: Retention, top: bool) -> Self {
        let world = World::new(Vec::new(), retention);
        let capability = if top { "TOP" } else { "X-NONE" };
        let capabilities = vec![capability.to_owned()];
        world
            .server
            .with(|habits| habits.capabilities = capabilities);
        Self {
            world,
            scheme,
            here: Maildrop::default(),
            elsewhere: Maildrop {
                validity: 1 << 20,
                ..Maildrop::default()
            },
            written: 0,
            fresh: Vec::new(),
            handed_out: BTreeMap::new(),
            has_changed: false,
        }
    }

    fn name(&self, number: usize) -> String {
        match self.scheme {
            Scheme::Counter => number.to_string(),
            Scheme::Padded => format!("{number:016}"),
            Scheme::Validity => format!("{number:08x}{:08x}", 0x5F00_0000 + self.here.validity),
        }
    }

    /// A message as long as all others.
    fn write(&mut self) -> Vec<u8> {
        self.written += 1;
        let number = self.written;
        format!(
            "Message-ID: <{number:04}@example.org>\r\nDate: Sun, 29 Nov 2026 12:00:00 +0000\r\n\
             From: cron@example.org\r\nSubject: {number:04}\r\n\r\nbody {number:04}\r\n"
        )
        .into_bytes()
    }

    fn step(&mut self, step: &Step) {
        // What we deleted is gone.
        self.here.mails = self.world.server.listed();
        match step {
            Step::Arrive(count) => {
                for _ in 0..*count {
                    self.here.count += 1;
                    let unique_id = self.name(self.here.count);
                    let octets = self.write();
                    self.fresh.push(octets.clone());
                    self.here.mails.push(Mail { unique_id, octets });
                }
            }
            Step::Delete(at) => {
                if *at < self.here.mails.len() {
                    self.here.mails.remove(*at);
                }
            }
            Step::BeginAgain => {
                self.here.mails.clear();
                self.here.count = 0;
                self.here.validity += 1;
            }
            Step::Renumber => {
                self.has_changed = true;
                self.here.validity += 1;
                for at in 0..self.here.mails.len() {
                    self.here.mails[at].unique_id = self.name(at + 1);
                }
                self.here.count = self.here.mails.len();
            }
            Step::Rename => {
                self.has_changed = true;
                let count = self.here.count;
                self.here.validity += 1;
                for at in 0..self.here.mails.len() {
                    self.here.mails[at].unique_id = self.name(count + 1 + at);
                }
                self.here.count += self.here.mails.len();
            }
            Step::Rewrite(at) => {
                self.has_changed = true;
                if let Some(mail) = self.here.mails.get_mut(*at) {
                    mail.octets.splice(0..0, *b"X-Scanned: yes\r\n");
                }
            }
            Step::Sizes(more) => {
                self.has_changed = true;
                self.world
                    .server
                    .with(|habits| habits.lies_by_octets = *more);
            }
            Step::Move => {
                std::mem::swap(&mut self.here, &mut self.elsewhere);
                let user = &mut self.world.visit.login.user;
                *user = if user == "jane" { "john" } else { "jane" }.to_owned();
            }
            Step::Pass(seconds) => self.world.pass(*seconds),
        }
        self.fresh
            .retain(|octets| self.here.mails.iter().any(|mail| mail.octets == *octets));
        self.world.server.replace(self.here.mails.clone());
    }

    /// Polls, and looks that nothing was deleted that no sink took.
    async fn poll(&mut self) -> Result<Summary, TestCaseError> {
        self.world.pass(HOUR);
        let summary = self.world.poll().await;
        let taken = self.world.sink.taken();
        for mail in self.world.server.deleted() {
            prop_assert!(
                taken.contains_key(&mail.octets),
                "deleted and never delivered: {} {}",
                mail.unique_id,
                String::from_utf8_lossy(&mail.octets)
            );
        }
        Ok(summary)
    }

    fn is_held(summary: &Summary) -> bool {
        match &summary.end {
            End::Failed(error) => {
                let code = error.code();
                assert!(
                    ["messages_changed", "unique_ids_unstable"].contains(&code),
                    "{error}"
                );
                true
            }
            End::Complete | End::Stopped => false,
        }
    }

    /// What was handed out again within a day, though it had been delivered before.
    fn handed_out_twice(&mut self) -> Vec<String> {
        let now = *self.world.now.lock().unwrap();
        let mut twice = Vec::new();
        for octets in self.world.server.handed_out() {
            let before = self.handed_out.insert(octets.clone(), now);
            if before.is_some_and(|before| now.since(before) < DAY) {
                twice.push(String::from_utf8_lossy(&octets).into_owned());
            }
        }
        twice
    }
}

/// Whether a message, or what it was before the server rewrote it, was delivered.
fn was_taken(taken: &BTreeMap<Vec<u8>, usize>, octets: &[u8]) -> bool {
    let mut rest = octets;
    loop {
        if taken.contains_key(rest) {
            return true;
        }
        match rest.strip_prefix(b"X-Scanned: yes\r\n".as_slice()) {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: saved_in("tests/corpus/proptest/identity.txt"), ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_server_does_with_names_nothing_is_deleted_that_was_not_delivered_and_new_mail_comes(
        scheme in any_scheme(),
        retention in any_retention(),
        steps in proptest::collection::vec(any_step(), 1..20),
    ) {
        block_on(async {
            let mut history = History::new(scheme, retention, true);
            let mut is_held = false;
            for step in &steps {
                history.step(step);
                let summary = history.poll().await?;
                is_held |= History::is_held(&summary);
                let twice = history.handed_out_twice();
                prop_assert!(history.has_changed || twice.is_empty(), "compared twice within a day: {twice:?}");
                let taken = history.world.sink.taken();
                let state = &summary.state;
                let now = *history.world.now.lock().unwrap();
                if !is_held && !state.names.are_unstable(now) {
                    for octets in std::mem::take(&mut history.fresh) {
                        prop_assert!(
                            taken.contains_key(&octets),
                            "new mail did not come at the next poll: {}",
                            String::from_utf8_lossy(&octets)
                        );
                    }
                }
            }
            // When all is quiet for a month, everything that is there was delivered.
            for _ in 0..34 {
                history.step(&Step::Pass(DAY));
                is_held |= History::is_held(&history.poll().await?);
            }
            let taken = history.world.sink.taken();
            for mail in history.world.server.listed() {
                prop_assert!(is_held || was_taken(&taken, &mail.octets), "never delivered: {mail:?}");
            }
            let doubled: BTreeSet<_> = taken.iter().filter(|(_, times)| **times > 1).map(|(octets, _)| {
                String::from_utf8_lossy(octets).into_owned()
            }).collect();
            prop_assert!(doubled.is_empty(), "delivered twice: {doubled:?}");
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn without_top_nothing_is_deleted_that_was_not_delivered_either(
        retention in any_retention(),
        steps in proptest::collection::vec(any_step(), 1..20),
    ) {
        block_on(async {
            let mut history = History::new(Scheme::Counter, retention, false);
            for step in &steps {
                history.step(step);
                history.poll().await?;
            }
            for _ in 0..34 {
                history.step(&Step::Pass(DAY));
                history.poll().await?;
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
