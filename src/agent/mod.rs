//! Who is next, and when do we stop? One loop handles due accounts, ended polls, and commands.
//!
//! A failure of one account never affects another one: each poll is a task, its failure is a value,
//! and even a panic in it stops only that account. This room knows no protocol.

mod assignment;
mod breaker;
mod command;
mod explain;
mod hold;
mod in_use;
mod owners;
mod poll;
mod polled;
mod quarantine_door;
mod schedule;
mod seat;
mod signals;
pub mod wiring;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::agent::schedule::{Moment, PlaceOrder, Schedule};
use crate::agent::seat::Seats;
use crate::mail::{AccountName, Clock, Timestamp, WhoActs, limits};
use crate::seen::{Seen, StoreError, Waiting};
use crate::session::{Place, Stop};
use crate::telemetry::{AccountEvent, Event, Reporter};

pub use assignment::{Assignment, Prepare};
pub use breaker::Breaker;
pub use command::{AgentCommand, AgentOrders};
pub use hold::{Floor, floor};
pub use owners::OnlyOwner;
pub use poll::poll;
use poll::poll_from;
pub use polled::{Call, Polled};
pub use quarantine_door::Kept;
pub use signals::{Signal, Signals, become_init, note_early_signals, outlive_file_limits};

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| since.as_secs()))
    }
}

/// How [`Agent::run_once`] handles holds, back-offs and LOGIN-DELAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    /// Holds and back-offs are ignored; LOGIN-DELAY is waited for up to a minute.
    Now,
    /// An account that must wait is not polled.
    AsAllowed,
}

/// The agent: polls accounts until it is stopped, or once.
pub struct Agent {
    /// Sorted by name, so that two runs of a simulation are equal.
    assignments: BTreeMap<AccountName, Assignment>,
    schedule: Schedule,
    seen: Seen,
    reporter: Reporter,
    stop: Stop,
    shutdown_timeout: Duration,
    begun: Instant,
    polls: JoinSet<Result<Polled, StoreError>>,
    names: HashMap<Id, AccountName>,
    /// The places of the running sessions.
    places: BTreeMap<AccountName, Place>,
    /// What the polls tell about their places.
    seats: Seats,
    /// Before this moment it is not checked again which session must give way.
    press_at: Moment,
    /// When running offers are dropped.
    deadline: Option<Instant>,
    /// In a single run: every account is polled once, and then the agent ends.
    once: Option<Once>,
    /// Accounts for which a poll was requested.
    asked: BTreeSet<AccountName>,
    finished: Vec<Polled>,
}

impl Agent {
    /// An agent for these accounts; all of its sessions listen to `stop`.
    pub fn new(orders: AgentOrders, seen: Seen, reporter: Reporter, stop: Stop) -> Self {
        let schedule = Schedule::new(orders.sessions_max, orders.sessions_per_host_max);
        let assignments = orders
            .assignments
            .into_iter()
            .map(|one| (one.account.clone(), one))
            .collect();
        Self {
            assignments,
            schedule,
            seen,
            reporter,
            stop,
            shutdown_timeout: orders.shutdown_timeout,
            begun: Instant::now(),
            polls: JoinSet::new(),
            names: HashMap::new(),
            places: BTreeMap::new(),
            seats: Seats::new(),
            press_at: 0,
            deadline: None,
            once: None,
            asked: BTreeSet::new(),
            finished: Vec::new(),
        }
    }

    /// Polls until it is told to stop.
    ///
    /// # Errors
    /// An error of the store when it cannot be read at the start.
    pub async fn run(mut self, commands: mpsc::Receiver<AgentCommand>) -> Result<(), StoreError> {
        let names: Vec<AccountName> = self.assignments.keys().cloned().collect();
        let count = names.len();
        for name in names {
            self.schedule_first(&name, count).await?;
        }
        self.work(commands).await;
        Ok(())
    }

    /// Polls every account once and returns the results.
    pub async fn run_once(
        mut self,
        commands: mpsc::Receiver<AgentCommand>,
        how: Once,
    ) -> Vec<Polled> {
        self.once = Some(how);
        let names: Vec<AccountName> = self.assignments.keys().cloned().collect();
        for name in names {
            self.schedule_once(&name, how).await;
        }
        self.work(commands).await
    }

    async fn schedule_once(&mut self, name: &AccountName, how: Once) {
        let Some(assignment) = self.assignments.get(name) else {
            return;
        };
        let (host, clock) = (assignment.host.clone(), assignment.with.clock.clone());
        let state = match self.seen.account_state(name).await {
            Ok(state) => state,
            Err(error) => {
                self.could_not_remember(name, &error);
                return;
            }
        };
        let floor = floor(&state, clock.now());
        let wait = floor.login_delay_seconds;
        let changed = hold::has_changed(assignment, &state).await;
        let first = self.now().saturating_add(wait.saturating_mul(1000));
        if how == Once::AsAllowed {
            // An account that must wait is polled by a later call; this is no failure of this call.
            if wait == 0 && (floor.seconds == 0 || changed) {
                self.schedule.put(name, &host, Moment::MAX / 4, first);
            }
        } else if wait > limits::LOGIN_DELAY_WAITED_FOR_SECONDS_MAX {
            let words =
                format!("the server wants {wait} more seconds before the next login (LOGIN-DELAY)");
            self.fail(name, WhoActs::Server, "login_delay", words);
        } else {
            self.asked.insert(name.clone());
            self.schedule.put(name, &host, Moment::MAX / 4, first);
        }
    }

    /// Schedules the first poll: at once for a few accounts, spread over the interval for many, and
    /// never before the waiting times of the account have passed.
    async fn schedule_first(&mut self, name: &AccountName, count: usize) -> Result<(), StoreError> {
        let Some(assignment) = self.assignments.get(name) else {
            return Ok(());
        };
        let state = self.seen.account_state(name).await?;
        let every = millis(assignment.poll_every);
        let spread = if count > limits::AT_ONCE_ACCOUNTS_MAX {
            fastrand::u64(..every.max(1))
        } else {
            0
        };
        let now = assignment.with.clock.now();
        let wait_seconds = if hold::has_changed(assignment, &state).await {
            floor(&state, now).login_delay_seconds
        } else {
            let look = hold::look(&state, now, assignment.poll_every);
            // A held account is checked at every interval.
            look.max(hold::held(&state, now).min(assignment.poll_every.as_secs()))
        };
        let wait = wait_seconds.saturating_mul(1000);
        let first = self.now().saturating_add(spread.max(wait));
        self.schedule.put(name, &assignment.host, every, first);
        Ok(())
    }

    async fn work(mut self, mut commands: mpsc::Receiver<AgentCommand>) -> Vec<Polled> {
        let mut listening = true;
        loop {
            self.press();
            self.start_due();
            let over = self.once.is_some() && self.schedule.next().is_none();
            if self.polls.is_empty() && (self.is_stopping() || over) {
                break;
            }
            let press = self.schedule.next_press();
            let press = press.map(|moment| moment.max(self.press_at));
            // An account may wait for a place at its host while places at others are free.
            let next = self.schedule.next().into_iter().chain(press).min();
            let next = next.filter(|_| !self.is_stopping());
            let wake = next.map(|moment| self.begun + Duration::from_millis(moment));
            let deadline = self.deadline;
            tokio::select! {
                biased;
                // What a poll told comes before its end.
                change = self.seats.next() => self.change_seat(change),
                Some(joined) = self.polls.join_next_with_id(), if !self.polls.is_empty() => {
                    self.ended(joined);
                }
                command = commands.recv(), if listening => match command {
                    Some(command) => self.obey(command).await,
                    None => listening = false,
                },
                () = until(wake), if wake.is_some() => {}
                () = until(deadline), if deadline.is_some() => self.stop_now(),
            }
        }
        if !self.stop.now.is_cancelled() {
            let deliveries = self
                .assignments
                .values()
                .map(|one| one.with.delivery.close());
            let _ = timeout(
                Duration::from_secs(limits::RELAYS_GOODBYE_SECONDS_MAX),
                join_all(deliveries),
            )
            .await;
        }
        self.finished
    }

    fn is_stopping(&self) -> bool {
        self.stop.soon.is_cancelled()
    }

    /// If accounts wait for a place and none is free, the session that had one longest gives way.
    fn press(&mut self) {
        let now = self.now();
        if self.is_stopping() || now < self.press_at {
            return;
        }
        let places = &self.places;
        let told = self.schedule.press(now, |name| {
            places.get(name).map_or(0, |place| place.octets())
        });
        // This examines every account, so it is not called at each end of a poll.
        self.press_at = now.saturating_add(limits::PRESS_MILLISECONDS);
        for told in told {
            match told {
                PlaceOrder::GiveWay(name) => {
                    if let Some(place) = self.places.get(&name) {
                        place.give_way.cancel();
                    }
                }
                PlaceOrder::Drop(name) => {
                    if let Some(place) = self.places.get(&name) {
                        place.leave.cancel();
                    }
                }
            }
        }
    }

    fn start_due(&mut self) {
        if self.is_stopping() {
            return;
        }
        self.grant_places();
        for name in self.schedule.start(self.now()) {
            let Some(assignment) = self.assignments.get(&name).cloned() else {
                self.schedule.remove(&name);
                continue;
            };
            let mut assignment = assignment;
            let place = Place::default();
            assignment.with.connect = place.counting(assignment.with.connect);
            assignment.with.stop.place = place.clone();
            let seat = self.seats.seat(&name, &place, &assignment.with.stop);
            self.places.insert(name.clone(), place);
            let asked = self.asked.remove(&name);
            let call = if asked { Call::Asked } else { Call::Due };
            let tells = self.once == Some(Once::Now);
            let task = self.polls.spawn(async move {
                let mut polled = poll_from(&assignment, call, Some(&seat)).await?;
                if tells {
                    polled.waiting = waiting(&assignment, &polled).await?;
                }
                Ok(polled)
            });
            self.names.insert(task.id(), name);
        }
    }

    fn ended(&mut self, joined: Result<(Id, Result<Polled, StoreError>), JoinError>) {
        let (id, result) = match joined {
            Ok((id, result)) => (id, Some(result)),
            Err(error) => (error.id(), None),
        };
        let Some(name) = self.names.remove(&id) else {
            return;
        };
        self.places.remove(&name);
        let wait_seconds = match result {
            Some(Ok(polled)) => {
                let look_seconds = polled.look_seconds;
                if self.once.is_some() {
                    self.schedule.remove(&name);
                    self.finished.push(polled);
                }
                look_seconds
            }
            Some(Err(error)) => self.could_not_remember(&name, &error),
            None => self.panicked(&name),
        };
        self.release(&name);
        let now = self.now();
        let jitter = (fastrand::f64() - 0.5) * 2.0 * limits::POLL_JITTER_PART;
        self.schedule.finished(
            &name,
            now,
            now.saturating_add(wait_seconds.saturating_mul(1000)),
            jitter,
        );
    }

    /// Polls accounts that were held for their recipient when the destination was at fault.
    fn release(&mut self, polled: &AccountName) {
        let Some(assignment) = self.assignments.get(polled) else {
            return;
        };
        let (released, now) = (assignment.with.delivery.released(), self.now());
        for name in released
            .iter()
            .filter(|name| self.once.is_none() && *name != polled)
        {
            self.asked.insert(name.clone());
            self.schedule.poll_now(name, now);
        }
    }

    fn could_not_remember(&mut self, name: &AccountName, error: &StoreError) -> u64 {
        self.fail(name, error.who_acts(), error.code(), error.to_string());
        60
    }

    /// A panic is a bug of ours: that account stops with an error, and the others continue.
    fn panicked(&mut self, name: &AccountName) -> u64 {
        self.schedule.remove(name);
        let words = "the session panicked; its account stops until a restart. Please report it";
        self.fail(name, WhoActs::Us, "broken_invariant", words.to_owned());
        0
    }

    fn fail(&mut self, name: &AccountName, who: WhoActs, code: &'static str, words: String) {
        self.reporter.say(Event::Account {
            account: name,
            event: AccountEvent::PollFailed {
                who,
                code,
                words: &words,
                next_seconds: 60,
            },
        });
        if self.once.is_some() {
            self.schedule.remove(name);
            self.finished.push(Polled {
                account: name.clone(),
                counts: crate::session::Counts::default(),
                failure: Some((who, code, words)),
                stopped: false,
                wait_seconds: 0,
                look_seconds: 0,
                waiting: Waiting::default(),
                duration: Duration::ZERO,
            });
        }
    }

    fn now(&self) -> Moment {
        millis(self.begun.elapsed())
    }
}

/// The messages of an account that wait after a poll. Reads the records only if some may wait.
async fn waiting(assignment: &Assignment, polled: &Polled) -> Result<Waiting, StoreError> {
    let seen = &assignment.with.seen;
    let mut waiting = Waiting::default();
    if !polled.counts.is_all_settled() {
        waiting = Waiting::of(&seen.records().await?);
    }
    let names = seen.state().await?.names;
    waiting.quarantined += seen.kept_aside(&names).await?;
    waiting.add_unstable(polled.counts.names_wait, names.waits_until());
    Ok(waiting)
}

fn millis(duration: Duration) -> Moment {
    Moment::try_from(duration.as_millis()).unwrap_or(Moment::MAX)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
