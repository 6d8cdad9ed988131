//! Signals become commands to the agent.
//!
//! Reading a configuration keeps no signal waiting: a file may be on a disk that hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::agent::{Command, Orders, Signal, Signals};
use crate::config::{self, Config};
use crate::mail::limits;
use crate::operator::changes::changes;
use crate::operator::house::Rooms;
use crate::operator::{Exit, Failure, Levels, Setup};
use crate::telemetry::{Event, Reporter};

/// What a reload works with.
pub(super) struct Reload {
    pub(super) setup: Arc<Setup>,
    pub(super) rooms: Rooms,
    pub(super) levels: Levels,
    pub(super) reporter: Reporter,
}

impl Reload {
    /// Passes signals on to the agent, until it is gone.
    pub(super) async fn listen(self, mut signals: Signals, agent: mpsc::Sender<Command>) {
        let started = &self.setup.config;
        let mut files = Files::default();
        let mut current = started.clone();
        loop {
            let command = tokio::select! {
                signal = signals.next() => match signal {
                    Some(Signal::Stop) => Command::Stop,
                    Some(Signal::StopNow) => Command::StopNow,
                    Some(Signal::PollNow) => Command::PollNow,
                    Some(Signal::Reload) => {
                        files.read(&self.setup);
                        continue;
                    }
                    None => return,
                },
                read = files.next(&self.setup) => {
                    let reloaded = read.and_then(|config| Ok((self.orders(&config)?, config)));
                    match reloaded {
                        Ok((orders, config)) => {
                            self.reporter.say(Event::Agent {
                                what: "configuration reloaded",
                                detail: &changes(started, &current, &config),
                            });
                            current = config;
                            Command::Reload(orders)
                        }
                        Err(failure) => {
                            self.say_failed(&failure);
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

    /// The orders of a new configuration, whose level of the log holds from now on.
    fn orders(&self, config: &Config) -> Result<Orders, Failure> {
        if config.state_dir != self.setup.config.state_dir {
            return Err(Failure::said(
                Exit::Config,
                "state_dir_changed",
                "state_dir cannot change while mailferry runs: restart it for that",
            ));
        }
        // It reads PEM files and looks up users.
        let orders = block_in_place(|| self.rooms.orders(config))?;
        (self.levels)(config.log.level);
        Ok(orders)
    }

    /// Says what is wrong with the new configuration, one line an error as `check` does.
    fn say_failed(&self, failure: &Failure) {
        let warn = |detail: &str| {
            self.reporter.say(Event::Warning {
                code: "reload_failed",
                detail,
            });
        };
        let Failure::Configuration(errors) = failure else {
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
    fn read(&mut self, setup: &Setup) {
        if self.reading.is_some() {
            self.again = true;
            return;
        }
        let (path, environment) = (setup.path.clone(), setup.process.environment.clone());
        let reading = spawn_blocking(move || Ok(config::load(&path, &environment)?));
        let until = Instant::now() + Duration::from_secs(limits::FILE_SECONDS_MAX);
        self.reading = Some((reading, until));
    }

    /// What was read. Never, while nothing is being read; dropping this future loses nothing.
    async fn next(&mut self, setup: &Setup) -> Result<Config, Failure> {
        let Some((reading, until)) = &mut self.reading else {
            return std::future::pending().await;
        };
        let read = timeout_at(*until, reading).await;
        self.reading = None;
        if std::mem::take(&mut self.again) {
            self.read(setup);
        }
        match read {
            Ok(Ok(read)) => read,
            Ok(Err(stopped)) => Err(Failure::said(Exit::Config, "reload_stopped", stopped)),
            Err(_) => {
                let sentence = format!(
                    "the files were not read within {} seconds; does the file system that they are on answer?",
                    limits::FILE_SECONDS_MAX
                );
                Err(Failure::said(Exit::Config, "files_slow", sentence))
            }
        }
    }
}
