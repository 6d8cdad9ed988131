//! The state directory of one process. It is opened once, when the first request needs it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::agent::wiring::{Parts, Wiring};
use crate::agent::{AgentOrders, Kept, SystemClock};
use crate::config::Config;
use crate::mail::Clock;
use crate::net::Roots;
use crate::operator::{Exit, Failure, Process, Setup};
use crate::quarantine::Quarantine;
use crate::seen::{DurableStore, Seen, StateDirectory};
use crate::session::Stop;
use crate::sink::Sink;
use crate::spool::Spool;
use crate::telemetry::Reporter;

/// The parts of the state directory that are open.
#[derive(Default)]
pub(super) struct House {
    seen: Option<Seen>,
    rooms: Option<Rooms>,
}

/// Everything that polls and deliveries need.
#[derive(Clone)]
pub(super) struct Rooms {
    pub(super) seen: Seen,
    pub(super) quarantine: Quarantine,
    pub(super) stop: Stop,
    wiring: Arc<Mutex<Wiring>>,
}

/// The sinks of the program that embeds the agent, by the names of their deliveries.
pub(super) type OwnSinks = BTreeMap<String, Arc<dyn Sink>>;

impl House {
    /// The seen store. It is opened and locked if it was not yet.
    ///
    /// # Errors
    /// Exit 75 when another process uses the state directory, 78 when it cannot be used.
    pub(super) fn seen(&mut self, setup: &Setup) -> Result<Seen, Failure> {
        if let Some(seen) = &self.seen {
            return Ok(seen.clone());
        }
        let state_dir = &setup.config.state_dir;
        if setup.process.environment.is_default_state_dir(state_dir) {
            StateDirectory::make_above(state_dir)?;
        }
        let directory = StateDirectory::lock(state_dir)?;
        let store = DurableStore::open(directory, Arc::new(SystemClock))?;
        let seen = Seen::new(Arc::new(store));
        self.seen = Some(seen.clone());
        Ok(seen)
    }

    /// Everything in the state directory. It is opened if it was not yet.
    ///
    /// # Errors
    /// Those of [`House::seen`].
    pub(super) fn rooms(
        &mut self,
        setup: &Setup,
        reporter: &Reporter,
        own_sinks: &OwnSinks,
    ) -> Result<Rooms, Failure> {
        if let Some(rooms) = &self.rooms {
            return Ok(rooms.clone());
        }
        let seen = self.seen(setup)?;
        let state_dir = &setup.config.state_dir;
        let spool = Spool::new(state_dir);
        let quarantine = Quarantine::open(&state_dir.join(QUARANTINE))
            .map_err(|error| Failure::said(Exit::Config, error.code(), error))?;
        let stop = Stop::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let Process {
            environment,
            roots,
            helper,
        } = &setup.process;
        let children = roots
            .environment()
            .map(|(name, value)| (OsString::from(name), value.clone()));
        let wiring = Wiring::new(Parts {
            environment: environment.clone(),
            roots: Roots::new(roots.clone()),
            children: children.collect(),
            helper: helper.clone(),
            seen: seen.clone(),
            quarantine: Arc::new(Kept::new(quarantine.clone(), spool.clone())),
            spool,
            clock,
            reporter: reporter.clone(),
            stop: stop.clone(),
            own_host: own_host(),
            destinations: state_dir.join("destinations"),
            own_sinks: own_sinks.clone(),
        });
        let rooms = Rooms {
            seen,
            quarantine,
            stop,
            wiring: Arc::new(Mutex::new(wiring)),
        };
        self.rooms = Some(rooms.clone());
        Ok(rooms)
    }

    /// Ends all work on the state directory. Everything committed is on disk when this returns.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self.seen {
            Some(seen) => Ok(seen.close().await?),
            None => Ok(()),
        }
    }
}

impl Rooms {
    /// The wiring, for as long as the guard lives.
    pub(super) fn wiring(&self) -> MutexGuard<'_, Wiring> {
        self.wiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Converts a configuration to orders. May block: it reads PEM files and looks up users.
    ///
    /// # Errors
    /// Exit 78 with the settings that cannot be used.
    pub(super) fn orders(&self, config: &Config) -> Result<AgentOrders, Failure> {
        let orders = self.wiring().orders(config);
        orders.map_err(|error| Failure::said(Exit::Config, "config_unusable", error))
    }
}

/// The folder of the quarantine in the state directory.
pub(super) const QUARANTINE: &str = "quarantine";

/// The host name of this machine.
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
