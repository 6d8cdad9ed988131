//! Runs the agent until it is told to stop.

use crate::agent::Agent;
use crate::config::System;
use crate::operator::{Failure, Operator};
use crate::telemetry::{AgentEvent, Event, WarningEvent};

impl Operator {
    /// Runs the agent until a signal tells it to stop. Everything is closed when this returns.
    ///
    /// This is no [`Request`](crate::operator::Request): it has no answer that a program could
    /// wait for, and it uses up the operator, because the agent has stopped only when the state
    /// directory is closed.
    ///
    /// # Errors
    /// Settings or parts of the state directory that cannot be used, and errors of the store.
    pub async fn run(self) -> Result<(), Failure> {
        let rooms = self.rooms()?;
        let orders = rooms.orders(&self.setup.config)?;
        self.warn();
        let agent = async |agent: Agent, commands| {
            self.say_running();
            agent.run(commands).await
        };
        self.with_agent(&rooms, orders, agent).await??;
        let reporter = self.reporter.clone();
        self.close().await?;
        reporter.say(Event::Agent(AgentEvent::Stopped));
        Ok(())
    }

    fn say_running(&self) {
        let config = &self.setup.config;
        self.reporter.say(Event::Agent(AgentEvent::Running {
            accounts: config.accounts.len(),
            state_dir: &config.state_dir,
        }));
    }

    fn warn(&self) {
        let (config, process) = (&self.setup.config, &self.setup.process);
        let system = System::look(&process.environment, &config.state_dir);
        for warning in config.warnings(&system) {
            self.reporter
                .say(Event::Warning(WarningEvent::Configuration {
                    words: &warning.to_string(),
                }));
        }
    }
}
