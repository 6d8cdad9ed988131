//! The rooms of one process, opened: store, spool, quarantine, and what is wired over them.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use crate::agent::wiring::{Parts, Wiring};
use crate::agent::{Kept, Orders, SystemClock};
use crate::cli::{Exit, Failure, Process, Start};
use crate::config::Config;
use crate::mail::{Clock, limits};
use crate::net::Roots;
use crate::operator;
use crate::quarantine::Quarantine;
use crate::seen::{DurableStore, Seen, SeenError, StateDirectory};
use crate::session::Stop;
use crate::spool::Spool;
use crate::telemetry::Reporter;

/// Everything that polls need, and what must be closed after them.
pub(super) struct Rooms {
    pub(super) wiring: Wiring,
    pub(super) seen: Seen,
    pub(super) stop: Stop,
    pub(super) reporter: Reporter,
}

impl Rooms {
    /// Opens the state directory and everything in it.
    ///
    /// # Errors
    /// Exit 75 when another process has it, 78 when it cannot be used.
    pub(super) fn open(start: &Start, reporter: Reporter) -> Result<Self, Failure> {
        let state_dir = &start.config.state_dir;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let seen = open_store(start, &clock)?;
        let spool = Spool::new(state_dir);
        let quarantine = Quarantine::open(&state_dir.join("quarantine"))
            .map_err(|error| Failure::said(Exit::Config, error))?;
        let stop = Stop::default();
        let Process {
            environment,
            roots,
            helper,
        } = &start.process;
        let children = roots
            .environment()
            .map(|(name, value)| (OsString::from(name), value.clone()));
        let wiring = Wiring::new(Parts {
            environment: environment.clone(),
            roots: Roots::new(roots.clone()),
            children: children.collect(),
            helper: helper.clone(),
            seen: seen.clone(),
            quarantine: Arc::new(Kept::new(quarantine, spool.clone())),
            spool,
            clock,
            reporter: reporter.clone(),
            stop: stop.clone(),
            own_host: own_host(),
            destinations: state_dir.join("destinations"),
        });
        Ok(Self {
            wiring,
            seen,
            stop,
            reporter,
        })
    }

    /// The orders of a configuration.
    ///
    /// # Errors
    /// Exit 78 with what cannot be used.
    pub(super) fn orders(&mut self, config: &Config) -> Result<Orders, Failure> {
        self.wiring
            .orders(config)
            .map_err(|error| Failure::said(Exit::Config, error))
    }
}

/// Opens the seen store of the state directory.
pub(super) fn open_store(start: &Start, clock: &Arc<dyn Clock>) -> Result<Seen, Failure> {
    let state_dir = &start.config.state_dir;
    let above = if start.process.environment.is_default_state_dir(state_dir) {
        StateDirectory::make_above(state_dir)
    } else {
        Ok(())
    };
    let opened = above
        .and_then(|()| StateDirectory::lock(state_dir))
        .and_then(|directory| DurableStore::open(directory, clock.clone()));
    opened
        .map(|store| Seen::new(Arc::new(store)))
        .map_err(|error| store_failure(&error))
}

/// How a command ends when the store does not do its part.
pub(super) fn store_failure(error: &SeenError) -> Failure {
    operator::Failure::from(error.clone()).into()
}

/// A runtime that ends with its command, whatever thread of it still hangs.
pub(super) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    /// Runs to the end. Threads that are still at work are waited for as long as an MDA takes to be ended; one that asks a name
    /// server which never answers would keep the process for minutes.
    pub(super) fn block_on<T>(self, work: impl Future<Output = T>) -> T {
        let done = self.0.block_on(work);
        let patience = Duration::from_secs(2 * limits::PROCESS_GRACE_SECONDS + 1);
        self.0.shutdown_timeout(patience);
        done
    }
}

/// A runtime for commands that wait for something.
///
/// # Errors
/// Exit 75 with what the system says.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(limits::BLOCKING_THREADS_MAX)
        .build()
        .map(Runtime)
        .map_err(|error| Failure::said(Exit::TempFail, format!("cannot start: {error}")))
}

/// What this machine calls itself.
fn own_host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}
