//! `mailferry poll --dry-run`: what polls would do, one line for each message and account.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::cli::seen::time;
use crate::mail::Percent;
use crate::mail::text::Shown;
use crate::operator::{DryRun, DryRunCounts, DryRunFate, DryRunMessage};

/// Writes one part of what a poll would do.
///
/// # Errors
/// Those of `out`.
pub(super) fn render(response: &DryRun, out: &mut dyn Write) -> io::Result<()> {
    match response {
        DryRun::Message(message) => writeln!(out, "{}", of_message(message)),
        DryRun::Account(counts) => writeln!(out, "{}", of_account(counts)),
    }
}

fn of_message(message: &DryRunMessage) -> String {
    let mut line = format!("account={} number={}", message.account, message.number);
    if let Some(unique_id) = &message.unique_id {
        let _ = write!(line, " unique_id={}", Percent(unique_id.as_bytes()));
    }
    if let Some(octets) = message.octets {
        let _ = write!(line, " octets={octets}");
    }
    let what = match message.fate {
        DryRunFate::New => "would be retrieved: it is new",
        DryRunFate::Retry => "would be retrieved: it is to be offered again",
        DryRunFate::Compared => {
            "would be compared, and delivered only if it is another message than the recorded one"
        }
        DryRunFate::Deleted => "would be deleted: it was delivered, and is due",
        DryRunFate::Delivered => "stays: it was delivered",
        DryRunFate::Marked => "stays: it is marked as seen",
        DryRunFate::Waits => "waits for its next try",
        DryRunFate::Quarantined => "stays: a copy is in the quarantine",
        DryRunFate::TooLarge => "stays: it is larger than max_message_size",
        DryRunFate::Doubtful => {
            "stays: it may be another message than the recorded one, and is compared later"
        }
        DryRunFate::LimitReached => "stays for a later poll: the limits of one poll are reached",
    };
    let _ = write!(line, " {what}");
    if message.then_deleted {
        line.push_str(", and deleted once delivered");
    }
    if let Some(next_try) = message.next_try {
        let _ = write!(line, ", not before {}", time(next_try));
    }
    line
}

fn of_account(counts: &DryRunCounts) -> String {
    let mut line = format!("{}: ", counts.account);
    if let Some(failure) = &counts.failure {
        let _ = write!(
            line,
            "a poll would fail ({}): {} [who must act: {}]",
            failure.code, failure.words, failure.who
        );
        return line;
    }
    let _ = write!(
        line,
        "{} listed, {} would be retrieved ({} octets), {} deleted",
        counts.listed, counts.retrieved, counts.octets, counts.deleted
    );
    if counts.without_unique_id > 0 {
        let count = counts.without_unique_id;
        let _ = write!(line, ", {count} without unique-id");
    }
    let recipient = counts.recipient.as_deref();
    let recipient = recipient.map_or_else(
        || "whom their header names".to_owned(),
        |one| Shown::new(one).to_string(),
    );
    if !counts.filters.is_empty() {
        let _ = write!(line, "; filter {}", counts.filters.join(", then "));
    }
    let _ = write!(
        line,
        "; delivery {} for {recipient}",
        counts.deliveries.join(", ")
    );
    if let Some(fallback) = &counts.fallback {
        let _ = write!(line, ", fallback {fallback}");
    }
    line
}
