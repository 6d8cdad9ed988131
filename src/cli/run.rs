//! `mailferry run`: the agent.

use tokio::sync::mpsc;

use crate::agent::{Agent, Once, Signals};
use crate::cli::listen::listen;
use crate::cli::opened::{Rooms, runtime, store_failure};
use crate::cli::{Exit, Failure, Start, outcome};
use crate::config::System;
use crate::seen::Seen;
use crate::telemetry::{Event, Reporter};

/// Runs the agent until it is told to stop, or once.
pub(super) fn run(start: Start, once: bool) -> Result<Exit, Failure> {
    let mut rooms = Rooms::open(&start, Reporter::log())?;
    if once {
        rooms.wiring.warn_of_nothing();
    }
    let orders = rooms.orders(&start.config)?;
    let Rooms {
        wiring,
        seen,
        stop,
        reporter,
    } = rooms;
    // From cron, a line that says that nothing happened is a mail that says it.
    if !once {
        warn(&start, &reporter);
    }
    runtime()?.block_on(async {
        let signals = Signals::listen().map_err(|error| Failure::said(Exit::TempFail, error))?;
        let (orders_for_agent, commands) = mpsc::channel(4);
        let agent = Agent::new(orders, seen.clone(), reporter.clone(), stop);
        let accounts = start.config.accounts.len();
        let detail = format!(
            "{accounts} {}, state in {}",
            if accounts == 1 { "account" } else { "accounts" },
            start.config.state_dir.display()
        );
        if !once {
            reporter.say(Event::Agent {
                what: "mailferry is running",
                detail: &detail,
            });
        }
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
        if !once {
            reporter.say(Event::Agent {
                what: "mailferry has stopped",
                detail: "everything delivered is recorded",
            });
        }
        Ok(exit)
    })
}

fn warn(start: &Start, reporter: &Reporter) {
    for warning in start.config.warnings(&System::look(
        &start.process.environment,
        &start.config.state_dir,
    )) {
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
