//! Signals become commands to the agent.
//!
//! Reading a configuration keeps no signal waiting: a file may be on a disk that hangs.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::agent::wiring::Wiring;
use crate::agent::{Command, Orders, Signal, Signals};
use crate::cli::changes::changes;
use crate::cli::{Exit, Failure, Start};
use crate::config::{self, Config};
use crate::mail::limits;
use crate::operator;
use crate::telemetry::{Event, Reporter};

/// Passes signals on to the agent, until it is gone.
pub(super) async fn listen(
    mut signals: Signals,
    start: Start,
    mut wiring: Wiring,
    agent: mpsc::Sender<Command>,
    reporter: Reporter,
) {
    let mut files = Files::default();
    let mut current = start.config.clone();
    loop {
        let command = tokio::select! {
            signal = signals.next() => match signal {
                Some(Signal::Stop) => Command::Stop,
                Some(Signal::StopNow) => Command::StopNow,
                Some(Signal::PollNow) => Command::PollNow,
                Some(Signal::Reload) => {
                    files.read(&start);
                    continue;
                }
                None => return,
            },
            read = files.next(&start) => {
                let reloaded = read.and_then(|config| {
                    let orders = reload(&start, &config, &mut wiring)?;
                    Ok((orders, config))
                });
                match reloaded {
                    Ok((orders, config)) => {
                        let detail = changes(&start.config, &current, &config);
                        reporter.say(Event::Agent {
                            what: "configuration reloaded",
                            detail: &detail,
                        });
                        current = config;
                        Command::Reload(orders)
                    }
                    Err(failure) => {
                        say_failed(&reporter, &failure);
                        continue;
                    }
                }
            }
        };
        if agent.send(command).await.is_err() {
            return;
        }
    }
}

/// Says what is wrong with the new configuration, one line an error as `check` does.
fn say_failed(reporter: &Reporter, failure: &Failure) {
    let warn = |detail: &str| {
        reporter.say(Event::Warning {
            code: "reload_failed",
            detail,
        });
    };
    let Failure::Operator(operator::Failure::Configuration(errors)) = failure else {
        return warn(&format!("the old configuration stays in force: {failure}"));
    };
    for error in errors.iter().take(ERRORS_SAID_MAX) {
        warn(error);
    }
    let count = errors.len();
    let s = if count == 1 { "" } else { "s" };
    warn(&format!(
        "the old configuration stays in force: {count} error{s}; `mailferry check` shows all"
    ));
}

/// More errors are for `check`.
const ERRORS_SAID_MAX: usize = 20;

/// The configuration on its way from its files, on a thread that may block.
#[derive(Default)]
struct Files {
    reading: Option<(JoinHandle<Result<Config, Failure>>, Instant)>,
    /// Whether the files may have changed since they were begun to be read.
    again: bool,
}

impl Files {
    /// Begins to read them, or notes that they must be read once more.
    fn read(&mut self, start: &Start) {
        if self.reading.is_some() {
            self.again = true;
            return;
        }
        let (path, environment) = (start.path.clone(), start.process.environment.clone());
        let reading = spawn_blocking(move || Ok(config::load(&path, &environment)?));
        let until = Instant::now() + Duration::from_secs(limits::FILE_SECONDS_MAX);
        self.reading = Some((reading, until));
    }

    /// What was read. Never, while nothing is being read; dropping this future loses nothing.
    async fn next(&mut self, start: &Start) -> Result<Config, Failure> {
        let Some((reading, until)) = &mut self.reading else {
            return std::future::pending().await;
        };
        let read = timeout_at(*until, reading).await;
        self.reading = None;
        if std::mem::take(&mut self.again) {
            self.read(start);
        }
        match read {
            Ok(Ok(read)) => read,
            Ok(Err(stopped)) => Err(Failure::said(Exit::Config, stopped)),
            Err(_) => {
                let sentence = format!(
                    "the files were not read within {} seconds; does the file system that they are on answer?",
                    limits::FILE_SECONDS_MAX
                );
                Err(Failure::said(Exit::Config, sentence))
            }
        }
    }
}

fn reload(start: &Start, config: &Config, wiring: &mut Wiring) -> Result<Orders, Failure> {
    if config.state_dir != start.config.state_dir {
        return Err(Failure::said(
            Exit::Config,
            "state_dir cannot change while mailferry runs: restart it for that",
        ));
    }
    // It reads PEM files and looks up users.
    let orders = block_in_place(|| wiring.orders(config))
        .map_err(|error| Failure::said(Exit::Config, error))?;
    start.log.set_level(start.level(config.log.level));
    Ok(orders)
}
