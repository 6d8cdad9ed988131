//! `mailferry check --message`: who would get a message on disk, where, and why.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::cli::check::{destination_names, line, sender_words};
use crate::cli::exit::CommandFailure;
use crate::mail::text::Shown;
use crate::mail::{AccountName, limits};
use crate::operator::{CheckedMessage, Exit, MessageFate, Request};

/// The request about the message in a file, or on standard input for `-`.
///
/// # Errors
/// Exit 64 when it cannot be read.
pub(super) fn request(file: &Path, account: AccountName) -> Result<Request, CommandFailure> {
    let read = if file == Path::new("-") {
        head_of(io::stdin().lock())
    } else {
        File::open(file).and_then(head_of)
    };
    let (head, octets) = read.map_err(|error| {
        let words = format!("{} cannot be read: {error}", file.display());
        CommandFailure::said(Exit::Usage, words)
    })?;
    Ok(Request::CheckMessage {
        account,
        head,
        octets,
    })
}

/// The first octets of a message, as far as a header is read, and its size.
fn head_of(mut message: impl Read) -> io::Result<(Vec<u8>, u64)> {
    let mut head = Vec::new();
    let most = limits::HEADER_OCTETS_MAX as u64;
    let octets = message.by_ref().take(most).read_to_end(&mut head)? as u64;
    let rest = io::copy(&mut message, &mut io::sink())?;
    Ok((head, octets + rest))
}

/// Writes what would become of a message.
///
/// # Errors
/// Those of `out`.
pub(super) fn render(checked: &CheckedMessage, out: &mut dyn Write) -> io::Result<()> {
    line(out, "account", &checked.account)?;
    line(out, "octets", checked.octets)?;
    line(out, "sender", format!("<{}>", checked.sender))?;
    for looked_at in checked.looked_at.iter().flatten() {
        line(out, "looked at", looked_at)?;
    }
    let (recipients, why) = match &checked.fate {
        MessageFate::Offered {
            recipients,
            is_matched,
        } => {
            let why = match (is_matched, &checked.looked_at) {
                (true, _) => "named in its header",
                (false, Some(_)) => "not matched, so the recipient of the account",
                (false, None) => "the recipient of the account",
            };
            (recipients, why)
        }
        MessageFate::NoRecipient => {
            let why = "goes to the quarantine: no recipient is found, and `unmatched` says so";
            return line(out, "message", why);
        }
        MessageFate::Loops(fields) => {
            let why = format!("goes to the quarantine: it has {fields} Received fields, a loop");
            return line(out, "message", why);
        }
        MessageFate::TooLarge(most) => {
            let why = format!("stays on the server: it is larger than {most} octets");
            return line(out, "message", why);
        }
    };
    for recipient in recipients {
        line(
            out,
            "recipient",
            format!("{} ({why})", Shown::new(recipient)),
        )?;
    }
    if !checked.filters.is_empty() {
        line(out, "filter", checked.filters.join(", then "))?;
    }
    line(out, "delivery", destination_names(&checked.destinations))?;
    let told = checked.destinations.iter().chain(&checked.fallback);
    line(out, "told sender", sender_words(told))?;
    if let Some(fallback) = &checked.fallback {
        line(out, "fallback", &fallback.name)?;
    }
    Ok(())
}
