//! The whole agent in weeks of turned time: many maildrops, servers and sinks that misbehave as a seed says, a store that forgets, and
//! crashes. When all of that is over, nothing may be lost, and nothing doubled beyond what crashes and failures explain.
//!
//! `MAILFERRY_SEED=n` repeats one history, `MAILFERRY_SEEDS=n` asks for more of them (`contrib/soak simulation n`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::agent::{Agent, Assignment, Breaker, Command, Orders};
use mailferry::mail::{AccountName, Clock, Envelope, Retention, Timestamp};
use mailferry::seen::{
    AccountState, Batch, Change, MemoryStore, Records, Seen, SeenError, SeenStore, State,
};
use mailferry::session::Gate;
use mailferry::sink::{Delivery, Fault, Outcome, Refusal, Sink};
use mailferry::spool::Message;
use mailferry::telemetry::Reporter;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::support::model::Mail;
use crate::support::world::{Kept, World, mail};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A clock that goes with tokio's, and may be set wrong.
struct SimulatedClock {
    begun: Instant,
    ahead: Mutex<u64>,
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let ahead = *self.ahead.lock().unwrap();
        Timestamp(1_800_000_000 + self.begun.elapsed().as_secs() + ahead)
    }
}

/// What a destination does to messages.
#[derive(Clone, Debug, Default)]
struct Mood {
    /// Everything is refused as the destination's fault.
    down: bool,
    /// One in so many is refused for now; 0 for none.
    refuses_one_in: u64,
    /// One in so many is taken, and said to be unknown.
    unknown_one_in: u64,
    /// What it says to mail of some senders: refused by sender, as relays do.
    spam: Option<Fault>,
    /// Everything takes up to so many seconds.
    slow_seconds: u64,
}

/// A destination that notes what it took.
#[derive(Default)]
struct Box_ {
    mood: Mutex<Mood>,
    taken: Mutex<BTreeMap<Vec<u8>, usize>>,
    /// Offers after which a second one is nobody's fault: taken, and then said to be unknown or cut off.
    excused: Mutex<usize>,
    random: Mutex<fastrand::Rng>,
}

impl Box_ {
    fn chance(&self, one_in: u64) -> bool {
        one_in > 0 && self.random.lock().unwrap().u64(..one_in) == 0
    }

    fn refusal(fault: Fault) -> Outcome {
        Outcome::Refused(Refusal::new(fault, "simulated", "no"))
    }
}

struct Door(Arc<Box_>);

impl Sink for Door {
    fn offer<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let mood = self.0.mood.lock().unwrap().clone();
            let seconds = self.0.random.lock().unwrap().u64(..=mood.slow_seconds);
            sleep(Duration::from_secs(seconds)).await;
            let octets = message.to_vec().unwrap();
            // What is poison stays poison, whenever it is offered.
            let poison = octets.windows(6).any(|six| six == b"poison");
            let outcome = if mood.down {
                Box_::refusal(Fault::Destination)
            } else if poison {
                Box_::refusal(Fault::MessagePermanent)
            } else if let Some(fault) = mood.spam.filter(|_| is_spam(envelope)) {
                Box_::refusal(fault)
            } else if self.0.chance(mood.refuses_one_in) {
                Box_::refusal(Fault::MessageTransient)
            } else {
                *self.0.taken.lock().unwrap().entry(octets).or_default() += 1;
                if self.0.chance(mood.unknown_one_in) {
                    *self.0.excused.lock().unwrap() += 1;
                    Box_::refusal(Fault::MessageUnknown)
                } else {
                    Outcome::Accepted("ok".into())
                }
            };
            // A crash may come between the taking and the answer.
            tokio::task::yield_now().await;
            vec![outcome; envelope.recipients.len()]
        })
    }
}

fn is_spam(envelope: &Envelope) -> bool {
    envelope.sender.as_str().ends_with("@spam.invalid")
}

/// A store whose disk fails now and then: nothing of the batch is written, or all of it and the answer is lost.
struct Flaky {
    store: Arc<MemoryStore>,
    fails_one_in: Mutex<u64>,
    random: Mutex<fastrand::Rng>,
    /// Deliveries whose record was not written: each may be repeated.
    excused: Mutex<usize>,
}

impl SeenStore for Flaky {
    fn scan<'a>(&'a self, account: &'a AccountName) -> BoxFuture<'a, Result<Records, SeenError>> {
        self.store.scan(account)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), SeenError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let one_in = *self.fails_one_in.lock().unwrap();
            let fails = one_in > 0 && self.random.lock().unwrap().u64(..one_in) == 0;
            let written = !fails || self.random.lock().unwrap().bool();
            if written {
                self.store.commit(batch).await?;
            } else {
                let delivered = |change: &&Change| matches!(change, Change::Put(_, record) if matches!(record.state, State::Delivered { .. }));
                *self.excused.lock().unwrap() += batch.changes.iter().filter(delivered).count();
            }
            tokio::task::yield_now().await;
            if fails {
                return Err(SeenError::Disk {
                    directory: "/simulated".into(),
                    what: "no".into(),
                });
            }
            Ok(())
        })
    }

    fn account_state<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> BoxFuture<'a, Result<Option<AccountState>, SeenError>> {
        self.store.account_state(account)
    }

    fn accounts(&self) -> BoxFuture<'_, Result<Vec<AccountName>, SeenError>> {
        self.store.accounts()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), SeenError>> {
        self.store.close()
    }
}

/// One history.
struct Simulation {
    random: fastrand::Rng,
    worlds: Vec<World>,
    boxes: Vec<Arc<Box_>>,
    gates: Vec<Arc<dyn Gate>>,
    store: Arc<Flaky>,
    clock: Arc<SimulatedClock>,
    /// Every message that ever came, by the account's position.
    came: Vec<Vec<Mail>>,
    crashes: usize,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let store = Arc::new(Flaky {
            store: Arc::new(MemoryStore::new()),
            fails_one_in: Mutex::new(0),
            random: Mutex::new(random.fork()),
            excused: Mutex::default(),
        });
        let fresh_box = |random: &mut fastrand::Rng| {
            Arc::new(Box_ {
                random: Mutex::new(random.fork()),
                ..Box_::default()
            })
        };
        let boxes: Vec<_> = (0..random.usize(1..=2))
            .map(|_| fresh_box(&mut random))
            .collect();
        let mut simulation = Self {
            worlds: Vec::new(),
            gates: Vec::new(),
            came: Vec::new(),
            crashes: 0,
            clock: Arc::new(SimulatedClock {
                begun: Instant::now(),
                ahead: Mutex::default(),
            }),
            boxes,
            store,
            random,
        };
        simulation.new_gates();
        for at in 0..simulation.random.usize(2..=6) {
            simulation.add_account(at);
        }
        simulation
    }

    /// The breakers of a program that has just started.
    fn new_gates(&mut self) {
        let reporter = || Reporter::new(Arc::new(Silent));
        self.gates = self
            .boxes
            .iter()
            .map(|_| Arc::new(Breaker::new("box", reporter())) as Arc<dyn Gate>)
            .collect();
    }

    fn add_account(&mut self, at: usize) {
        let unique_ids = self.random.u64(..6) > 0;
        let retention = match self.random.u64(..3) {
            _ if !unique_ids => Retention::Delete,
            0 => Retention::Keep,
            1 => Retention::Delete,
            _ => Retention::DeleteAfter { seconds: 2 * DAY },
        };
        let mut world = World::new(Vec::new(), retention);
        world.visit.account = AccountName::new(&format!("account-{at}")).unwrap();
        world.visit.login.user = format!("user-{at}");
        world.visit.unrecorded_max = self.random.usize(1..=4);
        let (pipelining, hides) = (self.random.bool(), self.random.u64(..5) == 0);
        world.server.with(|habits| {
            habits.unique_ids = unique_ids;
            habits.pipelining = pipelining;
            habits.hides = hides && unique_ids;
            habits.lists_at_most = habits.hides.then_some(5);
            if habits.hides {
                habits.capabilities.push("EXPIRE 0".into());
            }
        });
        self.worlds.push(world);
        self.came.push(Vec::new());
        for _ in 0..self.random.usize(..8) {
            self.put(at);
        }
    }

    /// A new message for an account; some are alike.
    fn put(&mut self, at: usize) {
        let number = self.came[at].len();
        let kind = match self.random.u64(..12) {
            0 => "poison",
            1..=3 => "spam",
            _ => "mail",
        };
        let host = if kind == "spam" {
            "spam.invalid"
        } else {
            "x.test"
        };
        let path = format!("Return-Path: <s{number}@{host}>");
        let text = format!("{path}\r\nSubject: {kind} {number} for {at}\r\n\r\n.{kind}\r\n");
        let one = mail(&format!("id-{at}-{number:05}"), text.as_bytes());
        self.worlds[at].server.put(one.clone());
        self.came[at].push(one);
    }

    fn orders(&self, poll_every: u64) -> (Orders, Seen, mailferry::session::Stop) {
        let seen = Seen::new(self.store.clone());
        let stop = mailferry::session::Stop::default();
        let assign = |(at, world): (usize, &World)| {
            let which = at % self.boxes.len();
            let mut with = world.collaborators();
            with.seen = seen.clone();
            with.delivery = Delivery::to("box", Arc::new(Door(self.boxes[which].clone())));
            with.gate = self.gates[which].clone();
            with.clock = self.clock.clone();
            with.stop = stop.clone();
            Assignment {
                account: world.visit.account.clone(),
                host: world.visit.host.clone(),
                poll_every: Duration::from_secs(poll_every),
                visit: Arc::new(world.visit.clone()),
                with,
            }
        };
        let orders = Orders {
            assignments: self.worlds.iter().enumerate().map(assign).collect(),
            sessions_max: 4,
            sessions_per_host_max: 3,
            shutdown_timeout: Duration::from_secs(8),
        };
        (orders, seen, stop)
    }

    /// Runs the agent for some time, with things happening, and ends it in order or by a crash.
    async fn run_for(&mut self, seconds: u64, storm: bool, crash: bool) {
        // In quiet times an hour is often enough, and costs less.
        let (orders, seen, stop) = self.orders(if storm { 300 } else { HOUR });
        let (commands, listening) = mpsc::channel(4);
        let reporter = Reporter::new(Arc::new(Silent));
        let agent = tokio::spawn(Agent::new(orders, seen, reporter, stop).run(listening));
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end {
            let step = Duration::from_secs(self.random.u64(1..=if storm { 900 } else { 6 * HOUR }));
            sleep(step.min(end - Instant::now())).await;
            if storm {
                self.something_happens();
                if self.random.u64(..8) == 0 {
                    let _ = commands.send(Command::PollNow).await;
                }
            }
        }
        if crash {
            // The power fails: at whatever await it stands, nothing more of it happens.
            let millis = self.random.u64(..2_000);
            sleep(Duration::from_millis(millis)).await;
            agent.abort();
            let _ = agent.await;
            self.crashes += 1;
            self.new_gates();
            return;
        }
        let _ = commands.send(Command::Stop).await;
        let ended = agent.await.expect("the agent does not panic");
        // A store that fails at the start ends the program, which whoever watches over it starts again.
        assert!(ended.is_ok() || storm, "{ended:?}");
        self.new_gates();
    }

    fn something_happens(&mut self) {
        let at = self.random.usize(..self.worlds.len());
        match self.random.u64(..15) {
            0..=3 => self.put(at),
            4 => self.heal_server(at),
            5 => {
                let code = ["[IN-USE] busy", "[SYS/TEMP] later", "[AUTH] no"];
                let words = code[self.random.usize(..3)].to_owned();
                self.worlds[at]
                    .server
                    .with(|habits| habits.refuses_login = Some(words));
            }
            6 => {
                let victim = self.a_message(at);
                self.worlds[at]
                    .server
                    .with(|habits| habits.hangs_up_inside = victim);
            }
            7 => {
                let victim = self.a_message(at);
                self.worlds[at]
                    .server
                    .with(|habits| habits.refuses_retr_of = victim);
            }
            8 => {
                let (lies, quit, uidl) =
                    (self.random.u64(..3), self.random.bool(), self.random.bool());
                self.worlds[at].server.with(|habits| {
                    habits.lies_by_octets = lies;
                    habits.loses_quit_reply = quit;
                    habits.hangs_up_in_uidl = uidl;
                });
            }
            14 => {
                let seconds = [1, 2, 5][self.random.usize(..3)];
                self.worlds[at]
                    .server
                    .with(|habits| habits.drips = Some((String::new(), seconds)));
            }
            9 => *self.store.fails_one_in.lock().unwrap() = [0, 0, 20, 5][self.random.usize(..4)],
            10 => *self.clock.ahead.lock().unwrap() += [0, HOUR, 3 * DAY][self.random.usize(..3)],
            _ => {
                let mood = Mood {
                    down: self.random.u64(..4) == 0,
                    refuses_one_in: [0, 10, 3][self.random.usize(..3)],
                    unknown_one_in: [0, 0, 10][self.random.usize(..3)],
                    spam: SPAM[self.random.usize(..SPAM.len())],
                    slow_seconds: [0, 5, 300][self.random.usize(..3)],
                };
                let which = self.random.usize(..self.boxes.len());
                *self.boxes[which].mood.lock().unwrap() = mood;
            }
        }
    }

    fn a_message(&mut self, at: usize) -> Option<String> {
        let came = &self.came[at];
        (!came.is_empty()).then(|| came[self.random.usize(..came.len())].unique_id.clone())
    }

    fn heal_server(&self, at: usize) {
        self.worlds[at].server.with(|habits| {
            habits.refuses_login = None;
            habits.hangs_up_inside = None;
            habits.refuses_retr_of = None;
            habits.drips = None;
            habits.lies_by_octets = 0;
            habits.loses_quit_reply = false;
            habits.hangs_up_in_uidl = false;
        });
    }

    fn heal(&mut self) {
        (0..self.worlds.len()).for_each(|at| self.heal_server(at));
        for one in &self.boxes {
            *one.mood.lock().unwrap() = Mood::default();
        }
        *self.store.fails_one_in.lock().unwrap() = 0;
    }

    /// What the operator does after the storm: looks at maildrops that were held because they changed as a whole.
    async fn the_operator_looks(&self) {
        let (orders, _, _) = self.orders(HOUR);
        for assignment in orders.assignments {
            let visit = assignment.visit.prepare().await.unwrap();
            let state = assignment
                .with
                .seen
                .account_state(&visit.account)
                .await
                .unwrap();
            let code = state.hold.map(|hold| hold.code).unwrap_or_default();
            if ["unique_ids_changed", "listing_doubtful"].contains(&&*code) {
                mailferry::session::adopt(
                    &visit,
                    &assignment.with,
                    mailferry::seen::Trust::Seen,
                    mailferry::session::Rest::Ask,
                )
                .await
                .unwrap();
            }
        }
    }

    /// Nothing is lost, nothing is deleted that nobody took, and what is doubled is explained.
    fn judge(&self, seed: u64) {
        let slots: usize = self
            .worlds
            .iter()
            .map(|world| world.visit.unrecorded_max)
            .sum();
        let excused: usize = self
            .boxes
            .iter()
            .map(|one| *one.excused.lock().unwrap())
            .sum();
        let allowed = self.crashes * slots + excused + *self.store.excused.lock().unwrap();
        let mut doubled = 0;
        for (at, came) in self.came.iter().enumerate() {
            let world = &self.worlds[at];
            let taken = self.boxes[at % self.boxes.len()].taken.lock().unwrap();
            let kept: Vec<Vec<u8>> = kept(&world.kept);
            for one in came {
                let times = taken.get(&one.octets).copied().unwrap_or(0);
                let poison = one.octets.windows(6).any(|six| six == b"poison");
                assert!(
                    times > 0
                        || kept.contains(&one.octets)
                        || (poison && world.server.listed().contains(one)),
                    "seed {seed}: {} of account {at} is lost; {} listed, {:?}\n{}\n{}",
                    one.unique_id,
                    world.server.listed().len(),
                    world.visit.retention,
                    self.store_says(at),
                    world
                        .events
                        .lock()
                        .unwrap()
                        .iter()
                        .filter(|event| !event.contains("Quirk"))
                        .cloned()
                        .collect::<Vec<_>>()
                        .join("\n")
                );
                assert!(!poison || times == 0);
                doubled += times.saturating_sub(1);
            }
            for gone in world.server.deleted() {
                assert!(
                    taken.contains_key(&gone.octets),
                    "seed {seed}: {} was deleted and not delivered",
                    gone.unique_id
                );
            }
        }
        assert!(
            doubled <= allowed,
            "seed {seed}: {doubled} doubled, {allowed} explained by {} crashes and {excused} unknown answers",
            self.crashes
        );
    }

    fn store_says(&self, at: usize) -> String {
        let account = &self.worlds[at].visit.account;
        let scanned = futures_util::future::FutureExt::now_or_never(self.store.store.scan(account));
        let records = scanned.and_then(Result::ok);
        let state =
            futures_util::future::FutureExt::now_or_never(self.store.store.account_state(account));
        let lines = records.into_iter().flat_map(|records| {
            records
                .iter()
                .map(|known| format!("{:?}\n", known.into_pair()))
                .collect::<Vec<_>>()
        });
        lines.collect::<String>() + &format!("{state:?}")
    }

    /// All that happened, line by line.
    fn history(&self) -> Vec<String> {
        let mut told = Vec::new();
        for world in &self.worlds {
            let account = &world.visit.account;
            told.extend(
                world
                    .server
                    .said()
                    .iter()
                    .map(|said| format!("{account} server {said:?}")),
            );
            let events = world.events.lock().unwrap();
            told.extend(
                events
                    .iter()
                    .map(|event| format!("{account} event {event}")),
            );
        }
        for (at, one) in self.boxes.iter().enumerate() {
            told.push(format!("box {at} {:?}", one.taken.lock().unwrap()));
        }
        told
    }
}

/// How a relay refuses by sender: not at all, in most of its moods.
const SPAM: [Option<Fault>; 8] = [
    None,
    None,
    None,
    Some(Fault::MessagePermanent),
    Some(Fault::MessageTransient),
    Some(Fault::RecipientOrMessage),
    Some(Fault::Recipient),
    Some(Fault::DestinationOrMessage),
];

struct Silent;

impl mailferry::telemetry::Report for Silent {
    fn report(&self, _: &mailferry::telemetry::Event<'_>) {}
}

fn kept(kept: &Kept) -> Vec<Vec<u8>> {
    kept.octets()
}

/// One history from its seed, line by line.
fn simulated(seed: u64) -> Vec<String> {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut simulation = Simulation::new(seed);
        for _ in 0..simulation.random.usize(2..=5) {
            let (seconds, crash) = (
                simulation.random.u64(HOUR..8 * HOUR),
                simulation.random.bool(),
            );
            simulation.run_for(seconds, true, crash).await;
        }
        simulation.heal();
        // Back-offs and holds last a day at most, and a clock must agree with itself for a day before it deletes.
        for _ in 0..3 {
            simulation.run_for(2 * DAY, false, false).await;
            simulation.the_operator_looks().await;
        }
        simulation.run_for(6 * DAY, false, false).await;
        simulation.judge(seed);
        simulation.history()
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_and_what_is_doubled_is_explained() {
    if let Some(seed) = number("MAILFERRY_SEED") {
        simulated(seed);
        return;
    }
    let first = fastrand::u64(..1 << 40);
    for seed in first..first + number("MAILFERRY_SEEDS").unwrap_or(200) {
        println!("MAILFERRY_SEED={seed}");
        simulated(seed);
    }
}

#[test]
fn one_seed_gives_one_history() {
    // `MAILFERRY_SEEDS=n` asks for more of them.
    for seed in 1..=number("MAILFERRY_SEEDS").unwrap_or(3) {
        let (first, second) = (simulated(seed), simulated(seed));
        let differ = first
            .iter()
            .zip(&second)
            .position(|(one, other)| one != other);
        if let Some(at) = differ {
            panic!("seed {seed}: {:?}, and then {:?}", first[at], second[at]);
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
    }
    assert_ne!(simulated(1), simulated(2));
}
