//! Converts signals to commands for the agent.
//!
//! Reading a configuration delays no signal: a file may be on a disk that hangs, and a user look-up
//! may use the network.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::agent::{AgentCommand, AgentOrders, Signal, Signals};
use crate::config::{self, Config};
use crate::mail::limits;
use crate::operator::changes::changes;
use crate::operator::house::Rooms;
use crate::operator::{Exit, Failure, Levels, Setup};
use crate::telemetry::{AgentEvent, Event, Reporter, WarningEvent};

/// The values that a reload needs.
pub(super) struct Reload {
    pub(super) setup: Arc<Setup>,
    pub(super) rooms: Rooms,
    pub(super) levels: Levels,
    pub(super) reporter: Reporter,
}

impl Reload {
    /// Passes signals on to the agent, until the agent has ended.
    pub(super) async fn listen(self, mut signals: Signals, agent: mpsc::Sender<AgentCommand>) {
        let started = &self.setup.config;
        let mut reading = Reading::default();
        let mut current = started.clone();
        loop {
            let command = tokio::select! {
                signal = signals.next() => match signal {
                    Some(Signal::Stop) => AgentCommand::Stop,
                    Some(Signal::StopNow) => AgentCommand::StopNow,
                    Some(Signal::PollNow) => AgentCommand::PollNow,
                    Some(Signal::Reload) => {
                        reading.begin(self.read());
                        continue;
                    }
                    None => return,
                },
                read = reading.next(|| self.read()) => match read {
                    Ok((orders, config)) => {
                        (self.levels)(config.log.level);
                        self.reporter.say(Event::Agent(AgentEvent::Reloaded {
                            changes: &changes(started, &current, &config),
                        }));
                        current = config;
                        AgentCommand::Reload(orders)
                    }
                    Err(failure) => {
                        self.say_failed(&failure);
                        continue;
                    }
                }
            };
            if agent.send(command).await.is_err() {
                return;
            }
        }
    }

    /// Returns a function that reads the new configuration and makes its orders. It may block: it
    /// reads files and looks up users.
    fn read(&self) -> impl FnOnce() -> Result<(AgentOrders, Config), Failure> + Send + use<> {
        let (setup, rooms) = (Arc::clone(&self.setup), self.rooms.clone());
        move || {
            let config = config::load(&setup.path, &setup.process.environment)?;
            if config.state_dir != setup.config.state_dir {
                return Err(Failure::said(
                    Exit::Config,
                    "state_dir_changed",
                    "state_dir cannot change while mailferry runs: restart mailferry to change it",
                ));
            }
            Ok((rooms.orders(&config)?, config))
        }
    }

    /// Reports the errors of the new configuration, one line for each as `check` does.
    fn say_failed(&self, failure: &Failure) {
        let warn = |warning| self.reporter.say(Event::Warning(warning));
        let Failure::Configuration(errors) = failure else {
            return warn(WarningEvent::NotReloaded {
                why: &failure.to_string(),
            });
        };
        for error in errors.iter().take(limits::RELOAD_ERRORS_SHOWN_MAX) {
            warn(WarningEvent::ReloadError { error });
        }
        let errors = errors.len();
        warn(WarningEvent::ReloadErrors { errors });
    }
}

/// A configuration and its orders that are being read, on a thread that may block.
struct Reading<T> {
    reading: Option<(JoinHandle<Result<T, Failure>>, Instant)>,
    /// Whether the files may have changed since the reading began.
    again: bool,
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Self {
            reading: None,
            again: false,
        }
    }
}

impl<T: Send + 'static> Reading<T> {
    /// Starts reading, or notes that the files must be read once more.
    fn begin(&mut self, read: impl FnOnce() -> Result<T, Failure> + Send + 'static) {
        if self.reading.is_some() {
            self.again = true;
            return;
        }
        let until = Instant::now() + Duration::from_secs(limits::FILE_SECONDS_MAX);
        self.reading = Some((spawn_blocking(read), until));
    }

    /// The result of reading. It stays pending while nothing is being read; dropping this future
    /// loses nothing. If the files must be read once more, that starts here.
    async fn next<R>(&mut self, read: impl FnOnce() -> R) -> Result<T, Failure>
    where
        R: FnOnce() -> Result<T, Failure> + Send + 'static,
    {
        let Some((reading, until)) = &mut self.reading else {
            return std::future::pending().await;
        };
        let done = timeout_at(*until, reading).await;
        self.reading = None;
        if std::mem::take(&mut self.again) {
            self.begin(read());
        }
        match done {
            Ok(Ok(read)) => read,
            Ok(Err(stopped)) => Err(Failure::said(Exit::Config, "reload_stopped", stopped)),
            Err(_) => {
                let sentence = format!(
                    "the configuration, its files and its users were not read within {} seconds; \
                     does a file system or the user database hang?",
                    limits::FILE_SECONDS_MAX
                );
                Err(Failure::said(Exit::Config, "files_slow", sentence))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn orders_that_hang_are_given_up_after_thirty_seconds_and_the_next_ones_come() {
        let (answers, hangs) = mpsc::channel::<()>();
        let mut reading = Reading::default();
        reading.begin(move || {
            let _ = hangs.recv();
            Ok(1)
        });
        advance(Duration::from_secs(limits::FILE_SECONDS_MAX - 1)).await;
        assert!(reading.next(|| || Ok(2)).now_or_never().is_none());
        // A second reload was requested meanwhile.
        reading.begin(|| Ok(2));
        advance(Duration::from_secs(1)).await;
        let failure = reading.next(|| || Ok(2)).await.unwrap_err();
        assert!(failure.to_string().contains("30 seconds"), "{failure}");
        assert_eq!(reading.next(|| || Ok(3)).await.unwrap(), 2);
        drop(answers);
    }
}
