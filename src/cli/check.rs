//! `mailferry check`: the resulting settings, and whether the files, users and programs in them
//! exist.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use crate::mail::text::{Shown, show_period};
use crate::mail::{LoginMethod, Retention, RetrievalOrder, TlsMode};
use crate::operator::{
    Checked, CheckedAccount, CheckedDelivery, CheckedDestination, CheckedEnvelope, CheckedFilter,
    CheckedKind, CheckedPassword, CheckedServer,
};

/// Writes one part of the resulting settings as lines.
///
/// # Errors
/// Those of `out`.
pub(super) fn render(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    match checked {
        Checked::Whole {
            file,
            state_dir,
            state_dir_exists,
            sessions_max,
            sessions_per_host_max,
        } => {
            line(out, "configuration", file)?;
            let there = if *state_dir_exists {
                ""
            } else {
                ", not there yet"
            };
            line(out, "state", format!("{state_dir}{there}"))?;
            let sessions =
                format!("at most {sessions_max} at a time, {sessions_per_host_max} to one host");
            line(out, "sessions", sessions)
        }
        Checked::Account(account) => render_account(account, out),
        Checked::Delivery(delivery) => render_delivery(delivery, out),
        Checked::Filter(filter) => render_filter(filter, out),
        Checked::Findings {
            accounts,
            disabled,
            deliveries,
            warnings,
            problems,
        } => {
            writeln!(out)?;
            for warning in warnings {
                writeln!(out, "warning: {warning}")?;
            }
            for problem in problems {
                writeln!(out, "error: {problem}")?;
            }
            let disabled = match disabled {
                0 => String::new(),
                disabled => format!(" ({disabled} disabled)"),
            };
            writeln!(
                out,
                "{}{disabled}, {}: {}, {}",
                Tally(*accounts, "account"),
                Tally(*deliveries, "delivery"),
                Tally(problems.len(), "error"),
                Tally(warnings.len(), "warning"),
            )
        }
    }
}

fn render_account(account: &CheckedAccount, out: &mut dyn Write) -> io::Result<()> {
    let off = if account.enabled {
        ""
    } else {
        " (not enabled)"
    };
    writeln!(out, "\naccount {}{off}", account.name)?;
    line(out, "  server", server(&account.server))?;
    let user = Shown::new(&account.user);
    line(out, "  user", format!("{user}, {}", login(account.login)))?;
    line(out, "  password", password(&account.password))?;
    let names = destination_names(&account.destinations);
    let recipient = &account.recipient;
    if !account.filters.is_empty() {
        line(out, "  filter", account.filters.join(", then "))?;
    }
    match &account.envelope {
        Some(envelope) => {
            line(out, "  delivery", names)?;
            line(out, "  recipients", recipients(envelope, recipient))?;
        }
        None => line(out, "  delivery", format!("{names}, for {recipient}"))?,
    }
    let told = account.destinations.iter().chain(&account.fallback);
    line(out, "  sender", sender_words(told))?;
    if let Some(fallback) = &account.fallback {
        line(out, "  fallback", &fallback.name)?;
    }
    line(out, "  retention", retention(account.retention))?;
    line(
        out,
        "  polled",
        format!(
            "every {}, {}",
            Span(account.poll_every),
            order(account.order)
        ),
    )?;
    line(out, "  limits", limits(account))
}

fn render_delivery(delivery: &CheckedDelivery, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\ndelivery {}", delivery.name)?;
    match &delivery.kind {
        CheckedKind::Mda {
            command,
            user,
            timeout,
        } => {
            render_program(command, user.as_deref(), *timeout, out)?;
        }
        CheckedKind::Smtp {
            server: relay,
            login,
        } => {
            line(out, "  server", server(relay))?;
            if let Some((user, secret)) = login {
                line(out, "  user", Shown::new(user))?;
                line(out, "  password", password(secret))?;
            }
        }
        CheckedKind::Lmtp { server: lmtp } => line(out, "  LMTP server", server(lmtp))?,
        CheckedKind::LmtpSocket { path } => line(out, "  LMTP socket", path)?,
        CheckedKind::Own => return line(out, "  destination", "of this program itself"),
        CheckedKind::Maildir {
            path,
            folder,
            mode,
            user,
        } => {
            line(out, "  folder", path)?;
            if let Some(folder) = folder {
                line(out, "  mailbox", Shown::new(folder))?;
            }
            if *mode != 0o600 {
                line(out, "  mode", format!("{mode:04o}"))?;
            }
            if let Some(user) = user {
                line(out, "  as user", Shown::new(user))?;
            }
            return Ok(());
        }
    }
    let order = if delivery.parallel == 1 {
        ", in order"
    } else {
        ""
    };
    let count = Tally(delivery.parallel, "message");
    line(out, "  at a time", format!("{count}{order}"))
}

/// Who gets the messages of an account whose messages say it.
fn recipients(envelope: &CheckedEnvelope, account: &str) -> String {
    let mut text = match &envelope.fields[..] {
        [] => "by `for` of Received".to_owned(),
        names => format!("by {}", names.join(", ")),
    };
    if !envelope.trusted.is_empty() {
        text.push_str(&format!("; trusted {}", envelope.trusted.join(", ")));
    }
    if let Some(lines) = envelope.map_lines {
        text.push_str(&format!("; {}", Tally(lines, "line of the map")));
    }
    match envelope.quarantines {
        true => text.push_str("; others to the quarantine"),
        false => text.push_str(&format!("; others for {account}")),
    }
    text
}

/// The names of destinations.
pub(super) fn destination_names(destinations: &[CheckedDestination]) -> String {
    let names = destinations.iter().map(|one| match one.best_effort {
        true => format!("{} (best effort)", one.name),
        false => one.name.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn render_filter(filter: &CheckedFilter, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nfilter {}", filter.name)?;
    let user = filter.user.as_deref();
    render_program(&filter.command, user, filter.timeout, out)?;
    if filter.replaces {
        line(out, "  output", "replaces the message")?;
    }
    line(out, "  at a time", Tally(filter.parallel, "message"))
}

fn render_program(
    command: &[String],
    user: Option<&str>,
    timeout: Duration,
    out: &mut dyn Write,
) -> io::Result<()> {
    let words = command.iter().map(|word| Shown::new(word).to_string());
    line(out, "  command", words.collect::<Vec<_>>().join(" "))?;
    if let Some(user) = user {
        line(out, "  as user", Shown::new(user))?;
    }
    line(out, "  time-out", Span(timeout))
}

pub(super) fn line(out: &mut dyn Write, name: &str, value: impl fmt::Display) -> io::Result<()> {
    writeln!(out, "{name:<13} {value}")
}

fn password(password: &CheckedPassword) -> String {
    let outcome = if password.can_be_read {
        "can be read"
    } else {
        "cannot be read"
    };
    format!("********, from {}: {outcome}", password.source)
}

fn server(server: &CheckedServer) -> String {
    let how = match server.tls {
        TlsMode::Implicit => "TLS from the first octet",
        TlsMode::StartTls => "TLS after STARTTLS, required",
        TlsMode::None => "no TLS",
    };
    let mut text = format!("{}, port {}, {how}", server.host, server.port);
    if server.is_pinned {
        text.push_str(", pinned certificate");
    }
    if server.certificate_name != server.host {
        text.push_str(&format!(", certificate for {}", server.certificate_name));
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
        Retention::DeleteWhen(reasons) => {
            let age = |seconds| format!("{} after delivery", Span(Duration::from_secs(seconds)));
            let newest = |count| format!("once {count} newer ones are there");
            let size = |octets| format!("once delivered if larger than {octets} octets");
            let all = [
                reasons.after_seconds.map(age),
                reasons.newest.map(newest),
                reasons.octets_max.map(size),
            ];
            let all: Vec<String> = all.into_iter().flatten().collect();
            format!("deleted from the server {}", all.join(", or "))
        }
    }
}

fn order(order: RetrievalOrder) -> &'static str {
    match order {
        RetrievalOrder::Oldest => "oldest messages first",
        RetrievalOrder::Newest => "newest messages first",
        RetrievalOrder::SmallFirst => "small messages first",
    }
}

/// The envelope sender that the destinations are told, once if it is the same for all.
pub(super) fn sender_words<'a>(told: impl Iterator<Item = &'a CheckedDestination>) -> String {
    let words = |one: &CheckedDestination| match one.sender.as_str() {
        "keep" => "that of each message".to_owned(),
        "null" => "none (<>)".to_owned(),
        address => Shown::new(address).to_string(),
    };
    let all: Vec<&CheckedDestination> = told.collect();
    match all[..] {
        [first, ref others @ ..] if others.iter().all(|one| one.sender == first.sender) => {
            words(first)
        }
        _ => {
            let of_each = all
                .iter()
                .map(|one| format!("{}: {}", one.name, words(one)));
            of_each.collect::<Vec<_>>().join("; ")
        }
    }
}

fn limits(account: &CheckedAccount) -> String {
    let mut text = format!("messages up to {}", Size(account.message_octets_max));
    if let Some(most) = account.messages_max {
        text.push_str(&format!(", {most} messages a poll"));
    }
    if let Some(most) = account.octets_max {
        text.push_str(&format!(", {} a poll", Size(most)));
    }
    if let Some(most) = account.commit_every {
        text.push_str(&format!(", a new session after {most} deletes"));
    }
    text
}

/// A number of things.
struct Tally(usize, &'static str);

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (1, thing) => write!(f, "1 {thing}"),
            (0, thing) if thing == "error" || thing == "warning" => write!(f, "no {thing}s"),
            (n, "delivery") => write!(f, "{n} deliveries"),
            (n, "line of the map") => write!(f, "{n} lines of the map"),
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
        write!(f, "{}", show_period(self.0))
    }
}
