//! The commands to the running agent, and how it obeys them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::agent::{Agent, Assignment, floor, hold};
use crate::mail::AccountName;

/// A command to the running agent.
pub enum AgentCommand {
    /// Poll every account now.
    PollNow,
    /// Use these accounts and limits from now on.
    Reload(AgentOrders),
    /// Start no new polls and offers, and end in order.
    Stop,
    /// End at once.
    StopNow,
}

/// The accounts and limits of the whole agent.
#[derive(Clone)]
pub struct AgentOrders {
    /// The accounts.
    pub assignments: Vec<Assignment>,
    /// Polls at the same time.
    pub sessions_max: usize,
    /// Polls of one host at the same time.
    pub sessions_per_host_max: usize,
    /// How long running offers may take after [`AgentCommand::Stop`].
    pub shutdown_timeout: Duration,
}

impl Agent {
    pub(super) async fn obey(&mut self, command: AgentCommand) {
        match command {
            AgentCommand::PollNow => {
                let now = self.now();
                for (name, assignment) in &self.assignments {
                    let with = &assignment.with;
                    with.delivery.probe_now(with.clock.now());
                    if self.may_poll_now(name, assignment).await {
                        self.asked.insert(name.clone());
                        self.schedule.poll_now(name, now);
                    }
                }
            }
            AgentCommand::Reload(orders) => self.reload(orders).await,
            AgentCommand::Stop => {
                self.stop.soon.cancel();
                self.deadline = Some(Instant::now() + self.shutdown_timeout);
            }
            AgentCommand::StopNow => self.stop_now(),
        }
    }

    /// SIGUSR1 ignores intervals, back-offs and holds, but not the LOGIN-DELAY of the server.
    async fn may_poll_now(&self, name: &AccountName, assignment: &Assignment) -> bool {
        let state = self.seen.account_state(name).await;
        // If the store cannot be read, the poll reports that, and does not log in.
        state.map_or(true, |state| {
            floor(&state, assignment.with.clock.now()).login_delay_seconds == 0
        })
    }

    async fn reload(&mut self, orders: AgentOrders) {
        self.schedule
            .limit(orders.sessions_max, orders.sessions_per_host_max);
        self.shutdown_timeout = orders.shutdown_timeout;
        let wanted: BTreeMap<AccountName, Assignment> = orders
            .assignments
            .into_iter()
            .map(|one| (one.account.clone(), one))
            .collect();
        let gone: Vec<AccountName> = self
            .assignments
            .keys()
            .filter(|name| !wanted.contains_key(*name))
            .cloned()
            .collect();
        for name in gone {
            self.schedule.remove(&name);
        }
        self.assignments = wanted;
        let count = self.assignments.len();
        let names: Vec<AccountName> = self.assignments.keys().cloned().collect();
        for name in names {
            if let Err(error) = self.schedule_first(&name, count).await {
                self.could_not_remember(&name, &error);
            }
            self.hurry_if_mended(&name).await;
        }
    }

    /// Polls an account at once whose settings or secret changed since it began to wait.
    async fn hurry_if_mended(&mut self, name: &AccountName) {
        let (Some(assignment), Ok(state)) = (
            self.assignments.get(name),
            self.seen.account_state(name).await,
        ) else {
            return;
        };
        if hold::has_changed(assignment, &state).await {
            let login_delay = floor(&state, assignment.with.clock.now()).login_delay_seconds;
            let wait = login_delay.saturating_mul(1000);
            let moment = self.now().saturating_add(wait);
            self.schedule.poll_now(name, moment);
        }
    }

    pub(super) fn stop_now(&mut self) {
        self.deadline = None;
        self.stop.soon.cancel();
        self.stop.now.cancel();
    }
}
