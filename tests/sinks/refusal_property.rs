//! The effect of refusals on other mail: whole sessions of several accounts with one scripted
//! destination.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::mail::{AccountName, Retention, limits};
use mailferry::seen::{Batch, SeenStore, State};
use mailferry::session;
use mailferry::sink::{Delivery, Destination, Fault, Offer, Outcome, Refusal, Sink};
use proptest::prelude::*;

use crate::support::seed::saved_in;
use crate::support::world::{World, mail};

/// What the destination says to a message, and what it was asked.
#[derive(Default)]
struct Script {
    refuses: Mutex<BTreeMap<Vec<u8>, Fault>>,
    taken: Mutex<BTreeMap<Vec<u8>, usize>>,
    refused: Mutex<BTreeMap<Vec<u8>, u32>>,
}

struct Door(Arc<Script>);

impl Sink for Door {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let octets = offer.message.to_vec().unwrap();
            let fault = self.0.refuses.lock().unwrap().get(&octets).copied();
            let outcome = match fault {
                Some(fault) => {
                    *self.0.refused.lock().unwrap().entry(octets).or_default() += 1;
                    Outcome::Refused(Refusal::new(fault, "scripted", "no"))
                }
                None => {
                    *self.0.taken.lock().unwrap().entry(octets).or_default() += 1;
                    Outcome::Accepted("ok".into())
                }
            };
            vec![outcome; offer.envelope.recipients.len()]
        })
    }
}

/// Accounts of one agent, all of which deliver to one destination.
struct House {
    script: Arc<Script>,
    accounts: BTreeMap<String, World>,
    written: usize,
}

impl House {
    fn new(names: &[&str], retention: Retention, pipelining: bool) -> Self {
        let mut accounts: BTreeMap<String, World> = BTreeMap::new();
        for name in names {
            let mut world = World::new(Vec::new(), retention);
            world.server.with(|habits| habits.pipelining = pipelining);
            world.visit.account = AccountName::new(name).unwrap();
            world.visit.login.user = (*name).to_owned();
            if let Some(first) = accounts.values().next() {
                world.gate = first.gate.clone();
                world.store = first.store.clone();
                world.kept = first.kept.clone();
                world.now = first.now.clone();
            }
            accounts.insert((*name).to_owned(), world);
        }
        Self {
            script: Arc::default(),
            accounts,
            written: 0,
        }
    }

    /// A new message, and whether it is refused.
    fn put(&mut self, account: &str, fault: Option<Fault>, sender: u8) -> Vec<u8> {
        self.written += 1;
        let number = self.written;
        let text = format!(
            "Return-Path: <s{sender}@example.org>\r\nSubject: {number}\r\n\r\n{number} for \
             {account}\r\n"
        );
        let one = mail(&format!("{number:08}5f2b3c4d"), text.as_bytes());
        if let Some(fault) = fault {
            let mut refuses = self.script.refuses.lock().unwrap();
            refuses.insert(one.octets.clone(), fault);
        }
        self.accounts[account].server.put(one.clone());
        one.octets
    }

    async fn poll(&self, account: &str) {
        let world = &self.accounts[account];
        let mut with = world.collaborators();
        let door = Arc::new(Door(self.script.clone()));
        with.delivery = Delivery::to(Destination::new("box", door, world.gate.clone()));
        let summary = session::poll(&world.visit, &with).await;
        let batch = Batch {
            state: Some(summary.state),
            ..Batch::new(&world.visit.account)
        };
        world.store.commit(batch).await.unwrap();
    }

    fn times_taken(&self, octets: &[u8]) -> usize {
        let taken = self.script.taken.lock().unwrap();
        taken.get(octets).copied().unwrap_or_default()
    }

    fn pass(&self, seconds: u64) {
        // They share one clock.
        self.accounts.values().next().unwrap().pass(seconds);
    }

    /// Every message of an account, as a person would say it, that is in the quarantine although it
    /// was refused less than twenty times.
    async fn quarantined_early(&self, account: &str) -> Vec<String> {
        let world = &self.accounts[account];
        let mut early = Vec::new();
        for (key, record) in world.records().await {
            if !matches!(record.state, State::Quarantined { .. }) {
                continue;
            }
            let listed = world.server.listed();
            let unique_id = key.unique_id.to_string();
            let one = listed.iter().find(|mail| mail.unique_id == unique_id);
            let refused = self.script.refused.lock().unwrap();
            let tries = one.and_then(|one| refused.get(&one.octets));
            let tries = tries.copied().unwrap_or_default();
            if tries < limits::TRIES_MAX {
                early.push(format!("{unique_id} of {account} after {tries} tries"));
            }
        }
        early
    }

    fn events(&self, account: &str) -> String {
        let events = self.accounts[account].events.lock().unwrap();
        let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

/// Any refusal that speaks of a message or of a recipient.
fn any_refusal() -> impl Strategy<Value = Fault> {
    proptest::sample::select(vec![
        Fault::MessagePermanent,
        Fault::MessageTransient,
        Fault::MessageUnknown,
        Fault::Recipient,
        Fault::RecipientOrMessage,
    ])
}

/// Refusals that leave the account its turn: a recipient that is refused holds it.
fn of_message() -> impl Strategy<Value = Fault> {
    proptest::sample::select(vec![
        Fault::MessagePermanent,
        Fault::MessageTransient,
        Fault::MessageUnknown,
    ])
}

fn any_retention() -> impl Strategy<Value = Retention> {
    prop_oneof![Just(Retention::Keep), Just(Retention::Delete)]
}

const REFUSED: [&str; 3] = ["refused-0", "refused-1", "refused-2"];

/// Messages that come to an account before a poll: whether each is refused, and its sender.
type Arrivals = Vec<(Option<Fault>, u8)>;

fn arrivals(most: usize) -> impl Strategy<Value = Arrivals> {
    let fault = prop_oneof![1 => Just(None), 6 => any_refusal().prop_map(Some)];
    proptest::collection::vec((fault, 0..4_u8), 0..most)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("MAILFERRY_CASES").map_or(40, |cases| cases.parse().unwrap()),
        failure_persistence: saved_in("tests/corpus/proptest/refusals.txt"),
        ..ProptestConfig::default()
    })]

    /// Some cases contain one message that breaks the relay: it alone stops no other mail.
    #[test]
    fn honest_mail_of_an_account_that_is_not_refused_comes_at_its_next_poll_whatever_others_get(
        steps in proptest::collection::vec(
            (0..REFUSED.len(), arrivals(15), 1..3_usize, 60..90_000_u64),
            1..12,
        ),
        breaks in proptest::option::of(0..12_usize),
        retention in any_retention(),
        pipelining in any::<bool>(),
    ) {
        block_on(async {
            let names = [&REFUSED[..], &["honest"]].concat();
            let mut house = House::new(&names, retention, pipelining);
            for (at, (who, came, count, seconds)) in steps.into_iter().enumerate() {
                for (fault, sender) in came {
                    house.put(REFUSED[who], fault, sender);
                }
                if breaks == Some(at) {
                    house.put(REFUSED[who], Some(Fault::DestinationOrMessage), 9);
                }
                house.poll(REFUSED[who]).await;
                let honest: Vec<_> = (0..count).map(|_| house.put("honest", None, 5)).collect();
                house.poll("honest").await;
                for octets in honest {
                    let times = house.times_taken(&octets);
                    prop_assert_eq!(times, 1, "poll {}\n{}", at, house.events("honest"));
                }
                house.pass(seconds);
            }
            Ok::<(), TestCaseError>(())
        })?;
    }

    #[test]
    fn honest_mail_after_n_refused_messages_of_its_account_arrives_within_n_fiftieths_and_one_polls(
        faults in proptest::collection::vec((of_message(), 0..4_u8), 0..160),
        others in arrivals(8),
        suspect in any::<bool>(),
        at in 0.0..1.0_f64,
        pipelining in any::<bool>(),
    ) {
        block_on(async {
            let mut house = House::new(&["before", "other", "work"], Retention::Delete, pipelining);
            if suspect {
                (0..30).for_each(|_| { house.put("before", Some(Fault::MessagePermanent), 0); });
                house.poll("before").await;
            }
            let count = faults.len();
            let place = (count as f64 * at) as usize;
            let mut honest = None;
            for (number, (fault, sender)) in faults.into_iter().enumerate() {
                if number == place {
                    honest = Some(house.put("work", None, 5));
                }
                house.put("work", Some(fault), sender);
            }
            let honest = honest.unwrap_or_else(|| house.put("work", None, 5));
            for _ in 0..=count / 50 {
                house.poll("work").await;
                for (fault, sender) in &others {
                    house.put("other", *fault, *sender);
                }
                house.poll("other").await;
                house.pass(300);
            }
            prop_assert_eq!(house.times_taken(&honest), 1, "{}", house.events("work"));
            Ok::<(), TestCaseError>(())
        })?;
    }

    /// Five messages at least are refused for good: fewer may be to blame themselves.
    #[test]
    fn a_relay_that_refuses_everything_leaves_nothing_in_the_quarantine_before_its_twentieth_try(
        came in proptest::collection::vec(
            (0..REFUSED.len(), proptest::collection::vec((of_message(), 0..4_u8), 0..12)), 1..6
        ),
        for_good in 5..12_usize,
        polls in proptest::collection::vec(60..90_000_u64, 1..25),
        pipelining in any::<bool>(),
    ) {
        block_on(async {
            let mut house = House::new(&REFUSED, Retention::Delete, pipelining);
            for number in 0..for_good {
                house.put(REFUSED[number % REFUSED.len()], Some(Fault::MessagePermanent), 7);
            }
            let mut came = came.into_iter();
            for seconds in polls {
                for (who, messages) in came.next().into_iter() {
                    for (fault, sender) in messages {
                        house.put(REFUSED[who], Some(fault), sender);
                    }
                }
                for name in REFUSED {
                    house.poll(name).await;
                }
                for name in REFUSED {
                    let early = house.quarantined_early(name).await;
                    prop_assert!(early.is_empty(), "{early:?}\n{}", house.events(name));
                }
                house.pass(seconds);
            }
            Ok::<(), TestCaseError>(())
        })?;
    }
}
