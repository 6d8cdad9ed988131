//! Checks a configuration: the resulting settings, and whether the files, users and programs in
//! them exist.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::agent::wiring::no_own_sink;
use crate::config::{
    Account, Config, DeliveryConfig, DeliveryKind, Environment, FilterConfig, SecretSource, System,
};
use crate::mail::text::Shown;
use crate::mail::{
    EnvelopeRules, EnvelopeSource, RecipientMap, Sender, SenderChoice, ServerAddress, TlsPolicy,
    Unmatched,
};
use crate::net::Roots;
use crate::operator::{
    Answer, Checked, CheckedAccount, CheckedDelivery, CheckedDestination, CheckedEnvelope,
    CheckedFilter, CheckedKind, CheckedPassword, CheckedServer, Failure, Operator, check_files,
    check_maildirs,
};
use crate::secrets;
use crate::sink::mda::script_with_crlf;

impl Operator {
    pub(super) async fn answer_check(&self, answer: &Answer) -> Result<(), Failure> {
        let (config, process) = (&self.setup.config, &self.setup.process);
        let environment = &process.environment;
        let mut checker = Checker {
            environment,
            roots: Roots::new(process.roots.clone()),
            own_sinks: self.sinks.keys().cloned().collect(),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let file = self.setup.path.display().to_string();
        answer.say(checker.whole(file, config)).await?;
        for account in config.accounts.values() {
            answer.say(checker.account(account, config).await).await?;
        }
        for delivery in config.deliveries.values() {
            answer.say(checker.delivery(delivery, config).await).await?;
        }
        for filter in config.filters.values() {
            answer.say(checker.filter(filter)).await?;
        }
        let warnings = config.warnings(&System::look(environment, &config.state_dir));
        let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        warnings.append(&mut checker.warnings);
        let disabled = config.accounts.values().filter(|account| !account.enabled);
        let findings = Checked::Findings {
            accounts: config.accounts.len(),
            disabled: disabled.count(),
            deliveries: config.deliveries.len(),
            warnings,
            problems: checker.problems,
        };
        answer.say(findings).await
    }
}

/// Collects problems and warnings while going through the configuration.
struct Checker<'a> {
    environment: &'a Environment,
    roots: Roots,
    own_sinks: BTreeSet<String>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Checker<'_> {
    fn whole(&mut self, file: String, config: &Config) -> Checked {
        let problems = check_files::problems_of_state(config, self.environment);
        self.problems.extend(problems);
        Checked::Whole {
            file,
            state_dir: config.state_dir.display().to_string(),
            state_dir_exists: config.state_dir.exists(),
            sessions_max: config.max_sessions,
            sessions_per_host_max: config.max_sessions_per_host,
        }
    }

    async fn account(&mut self, account: &Account, config: &Config) -> Checked {
        let title = format!("account {}", account.name);
        let earlier = (self.problems.len(), self.warnings.len());
        let password = self.password(&title, &account.password).await;
        self.tls_files(&title, &account.tls);
        if !account.enabled {
            // An account that is not polled needs nothing yet.
            self.problems.truncate(earlier.0);
            self.warnings.truncate(earlier.1);
        }
        let limits = account.limits;
        let (names, fallback) = (account.deliveries.iter(), account.fallback.as_ref());
        Checked::Account(Box::new(CheckedAccount {
            name: account.name.clone(),
            enabled: account.enabled,
            server: server(&account.host, account.port, &account.tls),
            user: account.user.clone(),
            login: account.auth,
            password,
            destinations: names
                .filter_map(|name| destination(account, name, config))
                .collect(),
            fallback: fallback.and_then(|name| destination(account, name, config)),
            filters: account.filters.clone(),
            recipient: account.recipient.to_string(),
            envelope: account.envelope.as_deref().map(envelope),
            retention: account.retention,
            order: account.order,
            poll_every: account.poll_every,
            message_octets_max: limits.message_octets_max,
            messages_max: limits.messages_max,
            octets_max: limits.octets_max,
            commit_every: account.commit_every,
        }))
    }

    async fn delivery(&mut self, delivery: &DeliveryConfig, config: &Config) -> Checked {
        let title = format!("delivery {}", delivery.name);
        let kind = match &delivery.kind {
            DeliveryKind::Mda(mda) => {
                self.program(&title, mda.command.first().map_or("", String::as_str));
                CheckedKind::Mda {
                    command: mda.command.clone(),
                    user: mda.user.clone(),
                    timeout: mda.timeout,
                }
            }
            DeliveryKind::Smtp(smtp) => {
                let login = match &smtp.login {
                    Some(login) => {
                        let password = self.password(&title, &login.password).await;
                        Some((login.user.clone(), password))
                    }
                    None => None,
                };
                self.tls_files(&title, &smtp.tls);
                CheckedKind::Smtp {
                    server: server(&smtp.host, smtp.port, &smtp.tls),
                    login,
                }
            }
            DeliveryKind::Lmtp(lmtp) => {
                self.tls_files(&title, &lmtp.tls);
                match &lmtp.address {
                    ServerAddress::Tcp { host, port } => CheckedKind::Lmtp {
                        server: server(host, *port, &lmtp.tls),
                    },
                    ServerAddress::Socket(path) => CheckedKind::LmtpSocket {
                        path: path.display().to_string(),
                    },
                }
            }
            DeliveryKind::Own => {
                if !self.own_sinks.contains(&delivery.name) {
                    self.problems.push(no_own_sink(&delivery.name));
                }
                CheckedKind::Own
            }
            DeliveryKind::Maildir(maildir) => CheckedKind::Maildir {
                path: maildir.place.shown(),
                folder: maildir.place.folder().map(str::to_owned),
                mode: maildir.mode,
                user: maildir.user.clone(),
            },
        };
        let problem = check_files::problem_of_delivery(&title, delivery);
        self.problems.extend(problem);
        if let DeliveryKind::Maildir(maildir) = &delivery.kind {
            let accounts = config.accounts.values();
            let goes_there = |one: &&Account| one.destinations().any(|name| *name == delivery.name);
            let accounts = accounts.filter(|one| one.enabled).filter(goes_there);
            let found = check_maildirs::look(&title, maildir, accounts);
            self.problems.extend(found.problems);
            self.warnings.extend(found.warnings);
        }
        let warning = check_files::warning_of_delivery(&title, delivery);
        self.warnings.extend(warning);
        Checked::Delivery(CheckedDelivery {
            name: delivery.name.clone(),
            kind,
            parallel: delivery.parallel,
        })
    }

    fn filter(&mut self, filter: &FilterConfig) -> Checked {
        let title = format!("filter {}", filter.name);
        self.program(&title, filter.command.first().map_or("", String::as_str));
        let (user, group) = (filter.user.as_deref(), filter.group.as_deref());
        let problem = check_files::problem_of_user(&title, user, group);
        self.problems.extend(problem);
        Checked::Filter(CheckedFilter {
            name: filter.name.clone(),
            command: filter.command.clone(),
            user: filter.user.clone(),
            timeout: filter.timeout,
            parallel: filter.parallel,
            replaces: filter.replaces,
        })
    }

    /// The source of a password, and whether it can be read; never the password.
    async fn password(&mut self, title: &str, source: &SecretSource) -> CheckedPassword {
        let read = secrets::read(source, self.environment).await;
        let can_be_read = read.is_ok();
        match read {
            Ok(secret) if secret.has_byte_order_mark() => self.warnings.push(format!(
                "{title}: the password from {source} begins with a byte order mark (EF BB BF), \
                 which some editors add: save it without one"
            )),
            Ok(_) => {}
            Err(error) => self.problems.push(format!("{title}: {error}")),
        }
        let warning = check_files::warning_of_secret(title, source, self.environment);
        self.warnings.extend(warning);
        CheckedPassword {
            source: source.to_string(),
            can_be_read,
        }
    }

    fn tls_files(&mut self, title: &str, tls: &TlsPolicy) {
        let problem = check_files::problems_of_tls(title, tls, &self.roots);
        self.problems.extend(problem);
    }

    fn program(&mut self, title: &str, program: &str) {
        let executable = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        let found = if program.contains('/') {
            Some(Path::new(program).to_owned()).filter(|path| executable(path))
        } else {
            let folders = self.environment.get("PATH").unwrap_or_default();
            let mut paths = std::env::split_paths(folders).map(|folder| folder.join(program));
            paths.find(|path| executable(path))
        };
        match found {
            Some(path) => {
                let words = script_with_crlf(&path);
                let problem = words.map(|words| format!("{title}: {words}"));
                self.problems.extend(problem);
            }
            None => {
                let program = Shown::new(program);
                self.problems.push(format!(
                    "{title}: there is no program {program} that can be executed"
                ));
            }
        }
    }
}

/// How the header of a message says who gets it.
fn envelope(rules: &EnvelopeRules) -> CheckedEnvelope {
    CheckedEnvelope {
        fields: match &rules.source {
            EnvelopeSource::Fields { names, .. } => names.clone(),
            EnvelopeSource::ReceivedFor => Vec::new(),
        },
        trusted: rules.trusted.clone(),
        map_lines: rules.map.as_ref().map(RecipientMap::lines),
        quarantines: rules.unmatched == Unmatched::Quarantine,
    }
}

/// One destination of an account's messages.
pub(super) fn destination(
    account: &Account,
    name: &str,
    config: &Config,
) -> Option<CheckedDestination> {
    let delivery = config.deliveries.get(name)?;
    let sender = account.sender.as_ref().unwrap_or(&delivery.sender);
    let sender = match sender {
        SenderChoice::Keep => "keep".to_owned(),
        SenderChoice::Always(Sender::Null) => "null".to_owned(),
        SenderChoice::Always(Sender::Address(address)) => address.to_string(),
    };
    Some(CheckedDestination {
        name: name.to_owned(),
        sender,
        best_effort: delivery.best_effort,
    })
}

fn server(host: &str, port: u16, tls: &TlsPolicy) -> CheckedServer {
    CheckedServer {
        host: host.to_owned(),
        port,
        tls: tls.mode,
        is_pinned: !tls.fingerprints.is_empty(),
        certificate_name: tls.server_name.clone().unwrap_or_else(|| host.to_owned()),
    }
}
