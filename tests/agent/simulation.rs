//! The whole agent over simulated weeks: many maildrops, servers and sinks that misbehave as a seed
//! determines, a store that fails, and crashes. When all of that is over, nothing may be lost, and
//! nothing delivered twice except for crashes and failures that explain it.
//!
//! `MAILFERRY_SEED=n` repeats one history, `MAILFERRY_SEEDS=n` runs more of them (`contrib/soak
//! simulation n`).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailferry::agent::{Agent, AgentCommand, AgentOrders, Assignment, Breaker};
use mailferry::mail::{Clock, Timestamp};
use mailferry::operator::operators_word;
use mailferry::seen::{MemoryStore, Seen};
use mailferry::sink::{Delivery, Destination, Gate};
use mailferry::telemetry::Reporter;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::support::model::Mail;
use crate::support::world::World;

mod destination;
mod events;
mod judge;
mod servers;
mod store;

use destination::{Box_, Door};
use judge::Watch;
use servers::Character;
use store::Flaky;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A clock that runs with tokio's, and may be set wrong.
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

/// One history.
struct Simulation {
    seed: u64,
    random: fastrand::Rng,
    worlds: Vec<World>,
    boxes: Vec<Arc<Box_>>,
    gates: Vec<Arc<dyn Gate>>,
    store: Arc<Flaky>,
    clock: Arc<SimulatedClock>,
    /// Every message that ever arrived, by the account's position.
    came: Vec<Vec<Mail>>,
    /// The character of each server, by the account's position.
    characters: Vec<Character>,
    /// Messages that another program removed from a maildrop.
    taken_away: BTreeSet<Vec<u8>>,
    watch: Watch,
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
        let clock = Arc::new(SimulatedClock {
            begun: Instant::now(),
            ahead: Mutex::default(),
        });
        let fresh_box = |random: &mut fastrand::Rng| Arc::new(Box_::new(random.fork()));
        let boxes: Vec<_> = (0..random.usize(1..=2))
            .map(|_| fresh_box(&mut random))
            .collect();
        let mut simulation = Self {
            seed,
            worlds: Vec::new(),
            gates: Vec::new(),
            came: Vec::new(),
            characters: Vec::new(),
            taken_away: BTreeSet::new(),
            watch: Watch::default(),
            crashes: 0,
            clock,
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

    fn orders(&self, poll_every: u64) -> (AgentOrders, Seen, mailferry::session::Stop) {
        let seen = Seen::new(Arc::new(self.store.clone().hooked()));
        let stop = mailferry::session::Stop::default();
        let assign = |(at, world): (usize, &World)| {
            let which = at % self.boxes.len();
            let mut with = world.collaborators_with(&seen);
            let door = Arc::new(Door(self.boxes[which].clone()));
            let destination = Destination::new("box", door, self.gates[which].clone());
            with.delivery = Delivery::to(destination);
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
        let orders = AgentOrders {
            assignments: self.worlds.iter().enumerate().map(assign).collect(),
            sessions_max: 4,
            sessions_per_host_max: 3,
            shutdown_timeout: Duration::from_secs(8),
        };
        (orders, seen, stop)
    }

    /// Runs the agent for some time, with events, and ends it in order or by a crash.
    async fn run_for(&mut self, seconds: u64, storm: bool, crash: bool) {
        // In quiet times once an hour is enough, and costs less.
        let (orders, seen, stop) = self.orders(if storm { 300 } else { HOUR });
        let (commands, listening) = mpsc::channel(4);
        let reporter = Reporter::new(Arc::new(Silent));
        let agent = tokio::spawn(Agent::new(orders, seen, reporter, stop).run(listening));
        let end = Instant::now() + Duration::from_secs(seconds);
        self.watch.restarted();
        while Instant::now() < end {
            let step = Duration::from_secs(self.random.u64(1..=if storm { 900 } else { 6 * HOUR }));
            sleep(step.min(end - Instant::now())).await;
            self.is_in_time(storm);
            if storm {
                self.something_happens();
                if self.random.u64(..8) == 0 {
                    let _ = commands.send(AgentCommand::PollNow).await;
                }
            }
        }
        if crash {
            // The power fails: the agent stops at whatever await it has reached.
            let millis = self.random.u64(..2_000);
            sleep(Duration::from_millis(millis)).await;
            agent.abort();
            let _ = agent.await;
            self.crashes += 1;
            self.new_gates();
            return;
        }
        let _ = commands.send(AgentCommand::Stop).await;
        let ended = agent.await.expect("the agent does not panic");
        // A store that fails at the start ends the program, and a supervisor starts it again.
        assert!(ended.is_ok() || storm, "{ended:?}");
        self.new_gates();
    }

    /// The operator's actions after the storm: looks at maildrops that were held because they
    /// changed as a whole.
    async fn the_operator_looks(&self) {
        let (orders, _, _) = self.orders(HOUR);
        for assignment in orders.assignments {
            let visit = assignment.visit.prepare().await.unwrap();
            let state = assignment.with.seen.state().await.unwrap();
            let code = state.pacing.hold.map(|hold| hold.code).unwrap_or_default();
            if ["unique_ids_changed", "listing_doubtful"].contains(&&*code) {
                mailferry::session::adopt(
                    &visit,
                    &assignment.with,
                    mailferry::seen::Trust::Seen,
                    mailferry::session::Rest::Ask,
                    &operators_word(),
                )
                .await
                .unwrap();
            }
        }
    }

    /// All events, line by line.
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

struct Silent;

impl mailferry::telemetry::Report for Silent {
    fn report(&self, _: &mailferry::telemetry::Event<'_>) {}
}

/// Runs one history from its seed; returns its events line by line.
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
        // Back-offs and holds last a day at most, and a clock must be consistent for a day before
        // anything is deleted.
        for _ in 0..3 {
            simulation.run_for(2 * DAY, false, false).await;
            simulation.the_operator_looks().await;
        }
        simulation.run_for(6 * DAY, false, false).await;
        simulation.judge();
        simulation.history()
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_fails_no_message_is_lost_and_repeats_are_explained() {
    if let Some(seed) = number("MAILFERRY_SEED") {
        simulated(seed);
        return;
    }
    // The histories are new each time; a failure names the seed.
    let (first, count) = (
        fastrand::u64(..1 << 40),
        number("MAILFERRY_SEEDS").unwrap_or(200),
    );
    for seed in first..first + count {
        println!("MAILFERRY_SEED={seed}");
        simulated(seed);
    }
}

#[test]
fn one_seed_gives_one_history() {
    // `MAILFERRY_SEEDS=n` runs more of them.
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
