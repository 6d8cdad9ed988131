//! Builds the parts of the agent from the configuration. Only this file knows both.

mod configured;
mod filters;
mod server;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::agent::breaker::Breaker;
use crate::agent::{AgentOrders, Assignment, OnlyOwner, explain};
use crate::config::{self, Config, DeliveryKind, Environment};
use crate::mail::{Clock, Secret, TlsPolicy};
use crate::net::{Connector, NetError, Roots};
use crate::secrets;
use crate::seen::Seen;
use crate::session::{Collaborators, CopyStore, Stop};
use crate::sink::lmtp::{Lmtp, LmtpSettings};
use crate::sink::maildir::{Maildir, MaildirSettings};
use crate::sink::mda::{Mda, MdaSettings};
use crate::sink::smtp::{RelayLogin, Smtp, SmtpSettings};
use crate::sink::{Delivery, Destination, Refusal, Sink, TopLines};
use crate::spool::Spool;
use crate::telemetry::{Event, Reporter};

use configured::Configured;
use filters::WiredFilters;
use server::Server;

/// The agent's parts that do not come from the configuration.
#[derive(Clone)]
pub struct Parts {
    /// The environment at the start: for passwords, and for child processes.
    pub environment: Environment,
    /// The system's roots.
    pub roots: Roots,
    /// Variables that child processes get in their original form.
    pub children: Vec<(OsString, OsString)>,
    /// The program that becomes an MDA of another user; see [`crate::sink::mda::become_mda`].
    pub helper: Option<PathBuf>,
    /// The seen store.
    pub seen: Seen,
    /// The spool for received messages.
    pub spool: Spool,
    /// Stores refused messages.
    pub quarantine: Arc<dyn CopyStore>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Receives events.
    pub reporter: Reporter,
    /// The request to stop.
    pub stop: Stop,
    /// Our own host name.
    pub own_host: String,
    /// The directory for the state of destinations; created when there is something to store.
    pub destinations: PathBuf,
    /// The sinks of the program that embeds the agent, by the names of their deliveries.
    pub own_sinks: BTreeMap<String, Arc<dyn Sink>>,
}

/// Why a valid configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// A certificate or key file.
    #[error("{what}: {source}")]
    Tls {
        /// The account or delivery.
        what: String,
        /// The error.
        source: NetError,
    },
    /// An MDA's settings.
    #[error("delivery.{name}: {words}")]
    Delivery {
        /// Its name.
        name: String,
        /// The error.
        words: String,
    },
    /// A filter's settings.
    #[error("filter.{name}: {words}")]
    Filter {
        /// Its name.
        name: String,
        /// The error.
        words: String,
    },
}

/// Applies configurations, one after the other: a delivery that did not change keeps its
/// connections and its breaker.
pub struct Wiring {
    parts: Parts,
    /// Whether a destination that was down when the last program ended is probed at once.
    probes_at_once: bool,
    /// Whether to warn of settings that are allowed but probably a mistake.
    warns: bool,
    deliveries: BTreeMap<String, Wired>,
    filters: WiredFilters,
}

#[derive(Clone)]
struct Wired {
    from: config::DeliveryConfig,
    destination: Destination,
}

impl Wiring {
    /// Begins with no deliveries.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            probes_at_once: false,
            warns: true,
            deliveries: BTreeMap::new(),
            filters: WiredFilters::default(),
        }
    }

    /// The operator asked for polls now: destinations that were down are probed at once.
    pub fn probe_at_once(&mut self) {
        self.probes_at_once = true;
    }

    /// Switches off warnings: under cron, each line of output is sent as mail.
    pub fn warn_of_nothing(&mut self) {
        self.warns = false;
    }

    /// The orders of a configuration; disabled accounts are left out.
    ///
    /// # Errors
    /// [`WiringError`] says which setting cannot be used. Everything wired before remains.
    pub fn orders(&mut self, config: &Config) -> Result<AgentOrders, WiringError> {
        let mut deliveries = BTreeMap::new();
        for (name, wanted) in &config.deliveries {
            let kept = self
                .deliveries
                .get(name)
                .filter(|wired| wired.from == *wanted);
            let wired = match kept {
                Some(wired) => wired.clone(),
                None => self.wire(wanted)?,
            };
            deliveries.insert(name.clone(), wired);
        }
        let how = (self.probes_at_once, self.warns);
        let filters = self.filters.next(&config.filters, &self.parts, how)?;
        let enabled = config.accounts.values().filter(|account| account.enabled);
        let assignments = enabled
            .map(|account| self.assign(config, account, (&deliveries, &filters)))
            .collect::<Result<_, _>>()?;
        (self.deliveries, self.filters) = (deliveries, filters);
        Ok(AgentOrders {
            assignments,
            sessions_max: config.max_sessions,
            sessions_per_host_max: config.max_sessions_per_host,
            shutdown_timeout: config.shutdown_timeout,
        })
    }

    fn wire(&self, from: &config::DeliveryConfig) -> Result<Wired, WiringError> {
        let sink: Arc<dyn Sink> = match &from.kind {
            DeliveryKind::Mda(mda) => Arc::new(self.mda(from, mda)?),
            DeliveryKind::Smtp(smtp) => Arc::new(self.smtp(from, smtp)?),
            DeliveryKind::Lmtp(lmtp) => Arc::new(self.lmtp(from, lmtp)?),
            DeliveryKind::Own => self.own(&from.name)?,
            DeliveryKind::Maildir(maildir) => {
                let made = Maildir::of(MaildirSettings {
                    place: maildir.place.clone(),
                    delivered_to: maildir.delivered_to,
                    mode: Some(maildir.mode),
                    user: maildir.user.clone(),
                    group: maildir.group.clone(),
                });
                Arc::new(made.map_err(|error| WiringError::Delivery {
                    name: from.name.clone(),
                    words: error.to_string(),
                })?)
            }
        };
        let reporter = self.parts.reporter.clone();
        let directory = &self.parts.destinations;
        let now = self.probes_at_once.then(|| self.parts.clock.now());
        let breaker = Arc::new(Breaker::recalled(&from.name, reporter, directory, now));
        Ok(Wired {
            from: from.clone(),
            destination: Destination::new(&from.name, sink, breaker),
        })
    }

    fn own(&self, name: &str) -> Result<Arc<dyn Sink>, WiringError> {
        let sink = self.parts.own_sinks.get(name).cloned();
        sink.ok_or_else(|| WiringError::Delivery {
            name: name.to_owned(),
            words: no_own_sink(name),
        })
    }

    fn mda(
        &self,
        from: &config::DeliveryConfig,
        mda: &config::MdaConfig,
    ) -> Result<Mda, WiringError> {
        let settings = MdaSettings {
            command: mda.command.clone(),
            user: mda.user.clone(),
            group: mda.group.clone(),
            timeout: mda.timeout,
            parallel: from.parallel,
            line_ends: mda.line_ends,
            from_line: mda.from_line,
            delivered_to: mda.delivered_to,
            exit_codes: mda.exit_codes.clone(),
            environment: self.parts.children.clone(),
            helper: self.parts.helper.clone(),
            spool: self.parts.spool.clone(),
            clock: self.parts.clock.clone(),
            reporter: self.parts.reporter.clone(),
        };
        let fault = |words: String| WiringError::Delivery {
            name: from.name.clone(),
            words,
        };
        let mda = Mda::new(settings).map_err(|error| fault(error.to_string()))?;
        for warning in mda.warnings().into_iter().filter(|_| self.warns) {
            self.parts.reporter.say(Event::Warning(warning));
        }
        Ok(mda)
    }

    fn smtp(
        &self,
        from: &config::DeliveryConfig,
        smtp: &config::SmtpConfig,
    ) -> Result<Smtp, WiringError> {
        let connector = self.connector(from, &smtp.tls)?;
        let login = smtp.login.clone().map(|login| {
            let environment = self.parts.environment.clone();
            Arc::new(ConfiguredLogin { login, environment }) as Arc<dyn RelayLogin>
        });
        Ok(Smtp::new(SmtpSettings {
            host: smtp.host.clone(),
            port: smtp.port,
            tls: smtp.tls.mode,
            connector,
            login,
            helo: smtp
                .helo
                .clone()
                .unwrap_or_else(|| self.parts.own_host.clone()),
            reports: smtp.reports,
            timeout: smtp.timeout,
            parallel: from.parallel,
        }))
    }

    fn lmtp(
        &self,
        from: &config::DeliveryConfig,
        lmtp: &config::LmtpConfig,
    ) -> Result<Lmtp, WiringError> {
        Ok(Lmtp::new(LmtpSettings {
            address: lmtp.address.clone(),
            tls: lmtp.tls.mode,
            connector: self.connector(from, &lmtp.tls)?,
            helo: self.parts.own_host.clone(),
            timeout: lmtp.timeout,
            parallel: from.parallel,
            recipients_max: lmtp.recipients_max,
        }))
    }

    fn connector(
        &self,
        from: &config::DeliveryConfig,
        tls: &TlsPolicy,
    ) -> Result<Connector, WiringError> {
        Connector::new(tls, &self.parts.roots).map_err(|source| WiringError::Tls {
            what: format!("delivery.{}", from.name),
            source,
        })
    }

    fn assign(
        &self,
        config: &Config,
        account: &config::Account,
        (deliveries, filters): (&BTreeMap<String, Wired>, &WiredFilters),
    ) -> Result<Assignment, WiringError> {
        let parts = &self.parts;
        let delivery = delivery(account, deliveries)?;
        let steps = account.filters.iter().filter_map(|name| filters.get(name));
        let delivery = steps.cloned().fold(delivery, Delivery::through);
        let connector =
            Connector::new(&account.tls, &parts.roots).map_err(|source| WiringError::Tls {
                what: format!("account.{}", account.name),
                source,
            })?;
        let connect = Server {
            host: account.host.clone(),
            port: account.port,
            mode: account.tls.mode,
            connector,
        };
        let with = Collaborators {
            connect: Arc::new(connect),
            seen: parts.seen.account(&account.name),
            owners: Arc::new(OnlyOwner::new(parts.seen.clone())),
            delivery,
            quarantine: parts.quarantine.clone(),
            spool: parts.spool.clone(),
            clock: parts.clock.clone(),
            reporter: parts.reporter.clone(),
            stop: parts.stop.clone(),
        };
        let used = |name: &String| config.deliveries.get(name);
        let used: Vec<_> = account.destinations().map(used).collect();
        let filters = account.filters.iter().map(|name| config.filters.get(name));
        let filters: Vec<_> = filters.collect();
        let visit = Configured {
            account: account.clone(),
            settings: format!("{account:?} {used:?} {filters:?}"),
            own_host: parts.own_host.clone(),
            unrecorded_max: config.max_unrecorded,
            forget_after_seconds: config.forget_after.as_secs(),
            environment: parts.environment.clone(),
        };
        Ok(Assignment {
            account: account.name.clone(),
            host: account.host.clone(),
            poll_every: account.poll_every,
            visit: Arc::new(visit),
            with,
        })
    }
}

/// What is wrong with a delivery of `type = "own"` that the program does not bring.
pub fn no_own_sink(name: &str) -> String {
    format!(
        "delivery {name} has type = \"own\", but this program has no destination of its own with \
         that name: use another type, or run the program that has it"
    )
}

/// The destinations of an account's messages.
fn delivery(
    account: &config::Account,
    deliveries: &BTreeMap<String, Wired>,
) -> Result<Delivery, WiringError> {
    let no_delivery = |name: &str, words: &str| WiringError::Delivery {
        name: name.to_owned(),
        words: format!("account {} {words}", account.name),
    };
    let destination = |name: &String| {
        let Wired { from, destination } = deliveries
            .get(name)
            .ok_or_else(|| no_delivery(name, "delivers there, but no such delivery exists"))?;
        let sender = account.sender.as_ref().unwrap_or(&from.sender).clone();
        let top = TopLines::new(from.received, &from.add_header, &account.host);
        let destination = destination.clone().with_sender(sender).with_top(top);
        Ok::<_, WiringError>((destination, from.best_effort))
    };
    let mut delivery: Option<Delivery> = None;
    for name in &account.deliveries {
        let (destination, best_effort) = destination(name)?;
        let destination = destination.with_best_effort(best_effort);
        delivery = Some(match delivery {
            None => Delivery::to(destination),
            Some(others) => others.and(destination),
        });
    }
    let delivery = delivery.ok_or_else(|| no_delivery("NAME", "has no delivery"))?;
    Ok(match &account.fallback {
        Some(name) => delivery.or(destination(name)?.0),
        None => delivery,
    })
}

/// The configured login at a relay.
struct ConfiguredLogin {
    login: config::SmtpLogin,
    environment: Environment,
}

impl RelayLogin for ConfiguredLogin {
    fn login(&self) -> BoxFuture<'_, Result<(String, Secret), Refusal>> {
        Box::pin(async {
            let secret = secrets::read(&self.login.password, &self.environment)
                .await
                .map_err(|error| explain::no_relay_secret(&error))?;
            Ok((self.login.user.clone(), secret))
        })
    }
}
