//! Polls accounts once.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::agent::{Agent, AgentCommand, AgentOrders, Once, Signals};
use crate::config::{Account, Config};
use crate::fault;
use crate::mail::AccountName;
use crate::operator::house::Rooms;
use crate::operator::reload::Reload;
use crate::operator::{Answer, Exit, Failure, Operator, PollReport, PollRequest, names};

impl Operator {
    pub(super) async fn answer_poll(
        &self,
        request: PollRequest,
        answer: &Answer,
    ) -> Result<(), Failure> {
        let config = &self.setup.config;
        let (rooms, orders, once) = match request {
            PollRequest::DryRun { accounts } => {
                return self.answer_dry_run(&accounts, answer).await;
            }
            PollRequest::Now { accounts } => {
                let accounts = self.chosen(&accounts)?;
                let rooms = self.rooms()?;
                rooms.wiring().probe_at_once();
                let orders = rooms.orders(&Config {
                    accounts,
                    ..config.clone()
                })?;
                (rooms, orders, Once::Now)
            }
            PollRequest::Due => {
                let rooms = self.rooms()?;
                rooms.wiring().warn_of_nothing();
                let orders = rooms.orders(config)?;
                (rooms, orders, Once::AsAllowed)
            }
        };
        let polls = async |agent: Agent, commands| agent.run_once(commands, once).await;
        let mut polls = self.with_agent(&rooms, orders, polls).await?;
        polls.sort_by(|a, b| a.account.cmp(&b.account));
        for polled in polls {
            answer.say(PollReport::from(polled)).await?;
        }
        Ok(())
    }

    /// Runs an agent that receives the signals of this process.
    pub(super) async fn with_agent<T>(
        &self,
        rooms: &Rooms,
        orders: AgentOrders,
        work: impl AsyncFnOnce(Agent, mpsc::Receiver<AgentCommand>) -> T,
    ) -> Result<T, Failure> {
        fault::pass("agent.starting");
        let signals = Signals::listen()
            .map_err(|error| Failure::said(Exit::TempFail, "signals_unheard", error))?;
        let (to_agent, commands) = mpsc::channel(4);
        let (reporter, stop) = (self.reporter.clone(), rooms.stop.clone());
        let agent = Agent::new(orders, rooms.seen.clone(), reporter.clone(), stop);
        let reload = Reload {
            setup: self.setup.clone(),
            rooms: rooms.clone(),
            levels: self.levels.clone(),
            reporter,
        };
        let listening = tokio::spawn(reload.listen(signals, to_agent));
        let done = work(agent, commands).await;
        listening.abort();
        Ok(done)
    }

    /// The chosen accounts. A named one is polled even if it is not enabled.
    pub(super) fn chosen(
        &self,
        names: &[AccountName],
    ) -> Result<BTreeMap<AccountName, Account>, Failure> {
        let accounts = &self.setup.config.accounts;
        if names.is_empty() {
            return Ok(accounts.clone());
        }
        let found = |name: &AccountName| {
            let account = accounts.get(name);
            let account = account.ok_or_else(|| names::no_account(name, accounts.keys()))?;
            let account = Account {
                enabled: true,
                ..account.clone()
            };
            Ok((name.clone(), account))
        };
        names.iter().map(found).collect()
    }
}
