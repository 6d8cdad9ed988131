//! `mailferry run`: the agent.

use tokio::sync::mpsc;

use crate::agent::wiring::Wiring;
use crate::agent::{Agent, Command, Once, Signal, Signals};
use crate::cli::rooms::{Rooms, runtime, store_failure};
use crate::cli::{Exit, Failure, Start, outcome};
use crate::config::{self, System};
use crate::seen::Seen;
use crate::telemetry::{Event, Reporter};

/// Runs the agent until it is told to stop, or once.
pub(super) fn run(start: Start, once: bool) -> Result<Exit, Failure> {
    let mut rooms = Rooms::open(&start, Reporter::log())?;
    let orders = rooms.orders(&start.config)?;
    let Rooms {
        wiring,
        seen,
        stop,
        reporter,
    } = rooms;
    warn(&start, &reporter);
    runtime()?.block_on(async {
        let signals = Signals::listen().map_err(|error| Failure::said(Exit::TempFail, error))?;
        let (orders_for_agent, commands) = mpsc::channel(4);
        let agent = Agent::new(orders, seen.clone(), reporter.clone(), stop);
        let detail = format!(
            "{} accounts, state in {}",
            start.config.accounts.len(),
            start.config.state_dir.display()
        );
        reporter.say(Event::Agent {
            what: "mailferry is running",
            detail: &detail,
        });
        let listening = tokio::spawn(listen(
            signals,
            start,
            wiring,
            orders_for_agent,
            reporter.clone(),
        ));
        let exit = if once {
            outcome::worst(&agent.run_once(commands, Once::AsAllowed).await)
        } else {
            agent
                .run(commands)
                .await
                .map_err(|error| store_failure(&error))?;
            Exit::Done
        };
        listening.abort();
        close(&seen).await?;
        reporter.say(Event::Agent {
            what: "mailferry has stopped",
            detail: "everything delivered is recorded",
        });
        Ok(exit)
    })
}

/// Signals become commands to the agent.
pub(super) async fn listen(
    mut signals: Signals,
    start: Start,
    mut wiring: Wiring,
    agent: mpsc::Sender<Command>,
    reporter: Reporter,
) {
    while let Some(signal) = signals.next().await {
        let command = match signal {
            Signal::Stop => Command::Stop,
            Signal::StopNow => Command::StopNow,
            Signal::PollNow => Command::PollNow,
            Signal::Reload => match reload(&start, &mut wiring) {
                Ok(orders) => {
                    reporter.say(Event::Agent {
                        what: "configuration reloaded",
                        detail: &start.path.display().to_string(),
                    });
                    Command::Reload(orders)
                }
                Err(failure) => {
                    let detail = format!("the old configuration stays in force: {failure}");
                    reporter.say(Event::Warning {
                        code: "reload_failed",
                        detail: &detail,
                    });
                    continue;
                }
            },
        };
        if agent.send(command).await.is_err() {
            return;
        }
    }
}

fn reload(start: &Start, wiring: &mut Wiring) -> Result<crate::agent::Orders, Failure> {
    let config = config::load(&start.path, &start.process.environment)?;
    if config.state_dir != start.config.state_dir {
        return Err(Failure::said(
            Exit::Config,
            "state_dir cannot change while mailferry runs: restart it for that",
        ));
    }
    let orders = wiring
        .orders(&config)
        .map_err(|error| Failure::said(Exit::Config, error))?;
    start.log.set_level(start.level(config.log.level));
    Ok(orders)
}

fn warn(start: &Start, reporter: &Reporter) {
    for warning in start
        .config
        .warnings(&System::look(&start.process.environment))
    {
        reporter.say(Event::Warning {
            code: "configuration",
            detail: &warning.to_string(),
        });
    }
}

/// The last thing of all: what was committed is on disk when this returns.
pub(super) async fn close(seen: &Seen) -> Result<(), Failure> {
    seen.close().await.map_err(|error| store_failure(&error))
}
