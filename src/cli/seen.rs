//! `mailferry seen`: the records of seen messages.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::cli::args;
use crate::cli::exit::CommandFailure;
use crate::mail::text::Shown;
use crate::mail::{Percent, Timestamp, UniqueId};
use crate::operator::{Changes, Exit, RecordState, SeenRecord, SeenRequest, SeenResponse, Which};

/// Converts the command to a request.
///
/// # Errors
/// Exit 64 for an invalid unique-id, and for a file that cannot be read.
pub(super) fn request(command: args::SeenCommand) -> Result<SeenRequest, CommandFailure> {
    Ok(match command {
        args::SeenCommand::List { account } => SeenRequest::List { account },
        args::SeenCommand::Forget {
            account,
            which,
            force,
        } => SeenRequest::Forget {
            account,
            which: match which {
                args::WhichArguments { all: true, .. } => Which::All,
                args::WhichArguments { unique_ids, .. } => Which::These(read_ids(&unique_ids)?),
            },
            force,
        },
        args::SeenCommand::Mark(mark) if mark.which.all_listed => SeenRequest::MarkListed {
            account: mark.account,
            as_delivered: mark.as_delivered,
        },
        args::SeenCommand::Mark(mark) => SeenRequest::Mark {
            account: mark.account,
            unique_ids: read_ids(&mark.which.unique_ids)?,
            as_delivered: mark.as_delivered,
            force: mark.force,
        },
        args::SeenCommand::Adopt {
            account,
            as_delivered,
            rest_is_new,
        } => SeenRequest::Adopt {
            account,
            as_delivered,
            rest_is_new,
        },
        args::SeenCommand::Export { account } => SeenRequest::Export { account },
        args::SeenCommand::Import { file, as_delivered } => SeenRequest::Import {
            text: read_export(&file)?,
            as_delivered,
        },
        args::SeenCommand::Rename {
            host: Some(host), ..
        } => SeenRequest::SameMaildropsOf { host },
        args::SeenCommand::Rename {
            old: Some(account),
            same_maildrop: true,
            ..
        } => SeenRequest::SameMaildrop { account },
        args::SeenCommand::Rename {
            old: Some(old),
            new: Some(new),
            ..
        } => SeenRequest::Rename { old, new },
        args::SeenCommand::Rename { .. } => {
            return Err(CommandFailure::said(
                Exit::Usage,
                "give the old name and the new one",
            ));
        }
    })
}

/// Writes one response as lines.
///
/// # Errors
/// Those of `out`.
pub(super) fn render(response: &SeenResponse, out: &mut dyn Write) -> io::Result<()> {
    match response {
        SeenResponse::Record(record) => writeln!(out, "{}", line(record)),
        SeenResponse::Forgotten { records: count } => {
            writeln!(out, "{} forgotten", records(*count))
        }
        SeenResponse::Marked(counts) => said(out, "marked", "unchanged", *counts),
        SeenResponse::Adopted {
            listed,
            known,
            found,
            left,
        } => writeln!(
            out,
            "{} listed: {known} known, {found} found to be delivered before, {left} new or to be \
             compared at the next poll",
            messages(*listed)
        ),
        SeenResponse::Exported(line) => writeln!(out, "{line}"),
        SeenResponse::Imported(counts) => said(out, "imported", "already recorded", *counts),
        SeenResponse::CopiesMissing { copies, folder } => writeln!(
            out,
            "{} named in the records, but not in the quarantine {}: copy them there from the old \
             state directory; at the next poll those that are still on the server are retrieved \
             again",
            match copies {
                1 => "1 copy is".to_owned(),
                _ => format!("{copies} copies are"),
            },
            Shown::new(folder.as_os_str().as_encoded_bytes()),
        ),
        SeenResponse::Renamed {
            records: count,
            old,
            new,
        } => writeln!(out, "{} moved from {old} to {new}", records(*count)),
        SeenResponse::TakesOver { account } => {
            writeln!(
                out,
                "{account}: its records move to the new maildrop at its next poll"
            )
        }
        SeenResponse::NoneOfHost { host } => writeln!(
            out,
            "no account has records of a maildrop \
            at {host}"
        ),
    }
}

/// One record as `key=value` words, with the unique-id in the form that commands accept.
fn line(record: &SeenRecord) -> String {
    let state = record.state.as_str();
    let mut line = format!(
        "unique_id={} state={state}",
        Percent(record.unique_id.as_bytes())
    );
    let _ = match &record.state {
        RecordState::Delivered { at } => write!(line, " at={}", time(*at)),
        RecordState::Marked { at, by } => write!(line, " at={} by={by}", time(*at)),
        RecordState::Oversized { at, octets } => {
            write!(line, " at={} octets_at_least={octets}", time(*at))
        }
        RecordState::Quarantined { at, file, code } => {
            write!(
                line,
                " at={} code={} file={}",
                time(*at),
                Shown::new(code),
                Shown::new(file)
            )
        }
        RecordState::Deferred {
            code,
            tries,
            strikes,
            next_try,
        } => {
            let next = time(*next_try);
            write!(
                line,
                " code={} tries={tries} strikes={strikes} next_try={next}",
                Shown::new(code)
            )
        }
    };
    if let Some(octets) = record.octets {
        let _ = write!(line, " octets={octets}");
    }
    if record.copies != 1 {
        let _ = write!(line, " copies={}", record.copies);
    }
    if let Some(since) = record.absent_since {
        let _ = write!(line, " absent_since={}", time(since));
    }
    if let Some(digest) = record.digest {
        let _ = write!(line, " digest={digest}");
    }
    line
}

/// A time as `2026-11-24T12:00:00Z`.
pub(super) fn time(at: Timestamp) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at.0));
    // A time beyond year 9999 has no such form; then the number of seconds is shown.
    let shown = time
        .filter(|_| at.0 < 253_402_300_800)
        .map(humantime::format_rfc3339_seconds);
    shown.map_or_else(|| at.0.to_string(), |shown| shown.to_string())
}

fn read_ids<S: AsRef<OsStr>>(given: &[S]) -> Result<Vec<UniqueId>, CommandFailure> {
    given.iter().map(|id| read_id(id.as_ref())).collect()
}

/// Reads a unique-id as `seen list` prints it: `%XX` is an octet, everything else stands for
/// itself.
fn read_id(given: &OsStr) -> Result<UniqueId, CommandFailure> {
    let wrong = |why: &str| {
        let sentence = format!(
            "\"{}\" is no unique-id: {why}",
            Shown::new(given.as_bytes())
        );
        CommandFailure::said(Exit::Usage, sentence)
    };
    let octets = match given.to_str() {
        Some(text) => Percent::decode(text).ok_or_else(|| {
            wrong("two hexadecimal digits must follow a %; write a % itself as %25")
        })?,
        None => given.as_bytes().to_vec(),
    };
    UniqueId::new(&octets).map_err(|error| wrong(&error.to_string()))
}

fn read_export(file: &Path) -> Result<String, CommandFailure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(file)
    };
    read.map_err(|error| {
        CommandFailure::said(
            Exit::Usage,
            format!("{} cannot be read: {error}", file.display()),
        )
    })
}

fn said(out: &mut dyn Write, done: &str, left: &str, counts: Changes) -> io::Result<()> {
    match counts.left {
        0 => writeln!(out, "{} {done}", records(counts.changed)),
        n => writeln!(out, "{} {done}, {n} {left}", records(counts.changed)),
    }
}

fn messages(count: u64) -> String {
    format!("{count} message{}", if count == 1 { "" } else { "s" })
}

fn records(count: u64) -> String {
    format!("{count} record{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_unique_id_that_is_listed_can_be_given_back() {
        for octets in [
            &b"000001a2"[..],
            b"with blank",
            b"\xE4\x9b",
            b"100%",
            b"-all",
            b"<a@b>",
            b"\x1b]0;x\x07",
        ] {
            let word = Percent(octets).to_string();
            let read =
                read_id(OsStr::new(&word)).unwrap_or_else(|failure| unreachable!("{failure}"));
            assert_eq!(read.as_bytes(), octets);
        }
        assert_eq!(
            read_id(OsStr::new("<a@b>")).ok().unwrap().as_bytes(),
            b"<a@b>",
            "typed as it is"
        );
        assert_eq!(
            read_id(OsStr::from_bytes(b"\xE4")).ok().unwrap().as_bytes(),
            b"\xE4"
        );
        assert!(read_id(OsStr::new("100%")).is_err());
        assert!(read_id(OsStr::new("")).is_err());
    }

    #[test]
    fn a_time_that_cannot_be_is_still_shown() {
        assert_eq!(time(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(time(Timestamp(u64::MAX)), u64::MAX.to_string());
    }
}
