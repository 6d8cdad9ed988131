//! `mailferry check`: what the configuration means, and whether what it names is there.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};

use crate::cli::{Exit, Failure, Process, check_files};
use crate::config::{
    self, Account, Config, Delivery, DeliveryKind, Environment, SecretSource, System,
};
use crate::mail::text::Shown;
use crate::mail::{LoginMethod, Retention, TlsMode, TlsPolicy};
use crate::net::Roots;
use crate::secrets;
use crate::sink::mda::script_with_crlf;

/// Checks the configuration at `path` and writes to `out` what follows from it.
///
/// # Errors
/// What is wrong with the configuration, or that `out` takes no more.
pub(super) fn check(path: &Path, process: &Process, out: &mut dyn Write) -> Result<Exit, Failure> {
    let environment = &process.environment;
    let config = config::load(path, environment)?;
    let mut checker = Checker {
        out,
        environment,
        roots: Roots::new(process.roots.clone()),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    checker.head(path, &config)?;
    for account in config.accounts.values() {
        checker.account(account)?;
    }
    for delivery in config.deliveries.values() {
        checker.delivery(delivery)?;
    }
    writeln!(checker.out)?;
    let warnings = config.warnings(&System::look(environment, &config.state_dir));
    let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    warnings.append(&mut checker.warnings);
    for warning in &warnings {
        writeln!(checker.out, "warning: {warning}")?;
    }
    for problem in &checker.problems {
        writeln!(checker.out, "error: {problem}")?;
    }
    let disabled = config
        .accounts
        .values()
        .filter(|account| !account.enabled)
        .count();
    writeln!(
        checker.out,
        "{}{}, {}: {}, {}",
        Count(config.accounts.len(), "account"),
        if disabled == 0 {
            String::new()
        } else {
            format!(" ({disabled} disabled)")
        },
        Count(config.deliveries.len(), "delivery"),
        Count(checker.problems.len(), "error"),
        Count(warnings.len(), "warning"),
    )?;
    Ok(if checker.problems.is_empty() {
        Exit::Done
    } else {
        Exit::Config
    })
}

struct Checker<'a> {
    out: &'a mut dyn Write,
    environment: &'a Environment,
    roots: Roots,
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Checker<'_> {
    fn head(&mut self, path: &Path, config: &Config) -> io::Result<()> {
        self.line("configuration", path.display())?;
        let there = if config.state_dir.exists() {
            ""
        } else {
            ", not there yet"
        };
        self.line("state", format!("{}{there}", config.state_dir.display()))?;
        let problems = check_files::problems_of_state(config, self.environment);
        self.problems.extend(problems);
        let (total, host) = (config.max_sessions, config.max_sessions_per_host);
        self.line(
            "sessions",
            format!("at most {total} at a time, {host} to one host"),
        )
    }

    fn account(&mut self, account: &Account) -> io::Result<()> {
        let off = if account.enabled {
            ""
        } else {
            " (not enabled)"
        };
        let title = format!("account {}", account.name);
        let earlier = (self.problems.len(), self.warnings.len());
        writeln!(self.out, "\n{title}{off}")?;
        self.line(
            "  server",
            server(&account.host, account.port, &account.tls),
        )?;
        self.line(
            "  user",
            format!("{}, {}", Shown::new(&account.user), login(account.auth)),
        )?;
        self.secret(&title, &account.password)?;
        self.line(
            "  delivery",
            format!("{}, for {}", account.delivery, account.recipient),
        )?;
        self.line("  retention", retention(account.retention))?;
        self.line("  polled", format!("every {}", Span(account.poll_every)))?;
        self.line("  limits", limits(account))?;
        self.tls_files(&title, &account.tls);
        if !account.enabled {
            // What an account lacks that is not polled hurts nobody yet.
            self.problems.truncate(earlier.0);
            self.warnings.truncate(earlier.1);
        }
        Ok(())
    }

    fn delivery(&mut self, delivery: &Delivery) -> io::Result<()> {
        let title = format!("delivery {}", delivery.name);
        writeln!(self.out, "\n{title}")?;
        match &delivery.kind {
            DeliveryKind::Mda(mda) => {
                let words: Vec<_> = mda
                    .command
                    .iter()
                    .map(|word| Shown::new(word).to_string())
                    .collect();
                self.line("  command", words.join(" "))?;
                if let Some(user) = &mda.user {
                    self.line("  as user", Shown::new(user))?;
                }
                self.line("  time-out", Span(mda.timeout))?;
                self.program(&title, mda.command.first().map_or("", String::as_str));
            }
            DeliveryKind::Smtp(smtp) => {
                self.line("  server", server(&smtp.host, smtp.port, &smtp.tls))?;
                if let Some(login) = &smtp.login {
                    self.line("  user", Shown::new(&login.user))?;
                    self.secret(&title, &login.password)?;
                }
                self.tls_files(&title, &smtp.tls);
            }
            DeliveryKind::Maildir(maildir) => {
                self.line("  folder", maildir.path.display())?;
                if let Some(user) = &maildir.user {
                    self.line("  as user", Shown::new(user))?;
                }
            }
        }
        let problems = check_files::problems_of_delivery(&title, delivery);
        self.problems.extend(problems);
        self.warnings
            .extend(check_files::warning_of_delivery(&title, delivery));
        if matches!(delivery.kind, DeliveryKind::Maildir(_)) {
            return Ok(());
        }
        let order = if delivery.parallel == 1 {
            ", in order"
        } else {
            ""
        };
        self.line(
            "  at a time",
            format!("{}{order}", Count(delivery.parallel, "message")),
        )
    }

    /// Where a password is kept, and whether it can be had; never the password.
    fn secret(&mut self, title: &str, source: &SecretSource) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let outcome = match runtime.block_on(secrets::read(source, self.environment)) {
            Ok(secret) => {
                if secret.has_byte_order_mark() {
                    self.warnings.push(format!(
                        "{title}: the password from {source} begins with a byte order mark (EF BB BF), which some editors put \
                         before a text: save it without"
                    ));
                }
                "can be read"
            }
            Err(error) => {
                self.problems.push(format!("{title}: {error}"));
                "cannot be read"
            }
        };
        let warning = check_files::warning_of_secret(title, source, self.environment);
        self.warnings.extend(warning);
        self.line("  password", format!("********, from {source}: {outcome}"))
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

    fn line(&mut self, name: &str, value: impl fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{name:<13} {value}")
    }
}

fn server(host: &str, port: u16, tls: &TlsPolicy) -> String {
    let how = match tls.mode {
        TlsMode::Implicit => "TLS from the first octet",
        TlsMode::StartTls => "TLS after STARTTLS, required",
        TlsMode::None => "no TLS",
    };
    let mut text = format!("{host}, port {port}, {how}");
    if !tls.fingerprints.is_empty() {
        text.push_str(", pinned certificate");
    }
    if let Some(name) = tls.server_name.as_ref().filter(|name| *name != host) {
        text.push_str(&format!(", certificate for {name}"));
    }
    text
}

fn login(auth: LoginMethod) -> &'static str {
    match auth {
        LoginMethod::Auto => "logged in by SASL PLAIN or USER and PASS",
        LoginMethod::UserPass => "logged in by USER and PASS",
        LoginMethod::Plain => "logged in by SASL PLAIN",
        LoginMethod::Apop => "logged in by APOP",
    }
}

fn retention(retention: Retention) -> String {
    match retention {
        Retention::Keep => "everything stays on the server".to_owned(),
        Retention::Delete => "deleted from the server once delivered".to_owned(),
        Retention::DeleteAfter { seconds } => {
            format!(
                "deleted from the server {} after delivery",
                Span(Duration::from_secs(seconds))
            )
        }
    }
}

fn limits(account: &Account) -> String {
    let limits = account.limits;
    let mut text = format!("messages up to {}", Size(limits.message_octets_max));
    if let Some(most) = limits.messages_max {
        text.push_str(&format!(", {most} messages a poll"));
    }
    if let Some(most) = limits.octets_max {
        text.push_str(&format!(", {} a poll", Size(most)));
    }
    if let Some(most) = account.commit_every {
        text.push_str(&format!(", a new session after {most} deletes"));
    }
    text
}

/// A number of things.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (1, thing) => write!(f, "1 {thing}"),
            (0, thing) if thing == "error" || thing == "warning" => write!(f, "no {thing}s"),
            (n, "delivery") => write!(f, "{n} deliveries"),
            (n, thing) => write!(f, "{n} {thing}s"),
        }
    }
}

/// A size as operators write it.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(unit, _)| self.0.is_multiple_of(*unit)) {
            Some((unit, name)) if self.0 > 0 => write!(f, "{}{name}", self.0 / unit),
            _ => write!(f, "{} octets", self.0),
        }
    }
}

/// A length of time as operators write it.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", config::show_period(self.0))
    }
}
