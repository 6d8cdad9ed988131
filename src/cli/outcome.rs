//! What polls came to, as an exit code and as a line.

use std::fmt::Write as _;

use crate::agent::Polled;
use crate::cli::Exit;
use crate::cli::seen::time;
use crate::mail::text::Shown;
use crate::seen::Waiting;
use crate::session::WhoActs;

/// The worst of several polls.
pub(super) fn worst(polls: &[Polled]) -> Exit {
    polls.iter().map(exit).fold(Exit::Done, Exit::worst)
}

/// How one poll ended.
fn exit(polled: &Polled) -> Exit {
    let failure = match &polled.failure {
        Some((who, code, _)) => exit_for(*who, code),
        None if polled.stopped => Exit::TempFail,
        None => Exit::Done,
    };
    let quarantined = if polled.counts.quarantined.max(polled.waiting.quarantined) > 0 {
        Exit::Unavailable
    } else {
        Exit::Done
    };
    let deferred = if polled.counts.deferred.max(polled.waiting.deferred) > 0 {
        Exit::TempFail
    } else {
        Exit::Done
    };
    // They stay for ever, and only their server can name them.
    let unnamed = if polled.counts.without_unique_id > 0 {
        Exit::Unavailable
    } else {
        Exit::Done
    };
    failure.worst(quarantined).worst(unnamed).worst(deferred)
}

/// How a command ends when somebody must act.
pub(super) fn exit_for(who: WhoActs, code: &str) -> Exit {
    match who {
        // Nobody is asked for more than room, and it goes on by itself when there is some.
        _ if code.ends_with("_full") => Exit::TempFail,
        WhoActs::Account | WhoActs::Destination | WhoActs::Us => Exit::Unavailable,
        WhoActs::Store if code.starts_with("store_") => Exit::Config,
        WhoActs::Store | WhoActs::Server => Exit::TempFail,
    }
}

/// One poll in one line for people.
pub(super) fn line(polled: &Polled) -> String {
    let counts = &polled.counts;
    let mut line = format!("{}: ", polled.account);
    if let Some((who, code, words)) = &polled.failure {
        let _ = write!(
            line,
            "failed ({code}): {words} [who must act: {}]; ",
            who.as_str()
        );
    }
    let _ = write!(line, "{} listed", counts.listed);
    let facts = [
        (counts.delivered, "delivered"),
        (counts.recognised, "known already"),
        (counts.deferred, "deferred"),
        (counts.quarantined, "quarantined"),
        (counts.oversized, "too large"),
        (counts.deleted, "deleted"),
        (counts.left, "left for the next poll"),
        (
            counts.without_unique_id,
            "without unique-id, left on the server",
        ),
    ];
    for (count, what) in facts {
        if count > 0 {
            let _ = write!(line, ", {count} {what}");
        }
    }
    let is_quiet = counts.retrieved == 0 && counts.without_unique_id == 0;
    if is_quiet && polled.failure.is_none() && polled.waiting.is_empty() {
        line.push_str(", nothing new");
    }
    push_waiting(&mut line, polled);
    let _ = write!(
        line,
        " ({} octets in {:.1} s)",
        counts.octets,
        polled.duration.as_secs_f64()
    );
    line
}

/// What waits after the poll: how many messages, until when, why, and what to do about those in the quarantine.
fn push_waiting(line: &mut String, polled: &Polled) {
    let Waiting {
        deferred,
        next_try,
        codes,
        quarantined,
    } = &polled.waiting;
    if *deferred > 0 {
        let wait = if *deferred == 1 { "waits" } else { "wait" };
        let codes: Vec<String> = codes
            .iter()
            .take(CODES_SHOWN_MAX)
            .map(|code| Shown::new(code).to_string())
            .collect();
        let _ = write!(line, ", {deferred} {wait} ({})", codes.join(", "));
        if let Some(next_try) = next_try {
            let _ = write!(line, ", next try not before {}", time(*next_try));
        }
    }
    if *quarantined > 0 {
        let _ = write!(
            line,
            ", {quarantined} in the quarantine: see `mailferry quarantine list {}`",
            polled.account
        );
    }
}

/// Reasons in one line; people look at the first.
const CODES_SHOWN_MAX: usize = 3;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::{AccountName, Timestamp};
    use crate::session::Counts;

    fn polled(counts: Counts, failure: Option<(WhoActs, &'static str, String)>) -> Polled {
        Polled {
            account: AccountName::new("work").unwrap(),
            counts,
            failure,
            stopped: false,
            wait_seconds: 0,
            look_seconds: 0,
            waiting: Waiting::default(),
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn exit_codes_say_who_must_act() {
        let failed = |who, code| {
            worst(&[polled(Counts::default(), Some((who, code, String::new())))]).code()
        };
        assert_eq!(failed(WhoActs::Account, "auth_refused"), 69);
        assert_eq!(failed(WhoActs::Destination, "connect"), 69);
        assert_eq!(failed(WhoActs::Server, "connect"), 75);
        assert_eq!(failed(WhoActs::Store, "store_damaged"), 78);
        assert_eq!(failed(WhoActs::Store, "spool_disk"), 75);
        assert_eq!(failed(WhoActs::Store, "store_full"), 75);
        assert_eq!(failed(WhoActs::Destination, "maildir_full"), 75);
        let counts = |counts| worst(&[polled(counts, None)]).code();
        assert_eq!(
            counts(Counts {
                deferred: 1,
                ..Counts::default()
            }),
            75
        );
        assert_eq!(
            counts(Counts {
                quarantined: 1,
                deferred: 1,
                ..Counts::default()
            }),
            69
        );
        assert_eq!(
            counts(Counts {
                without_unique_id: 1,
                ..Counts::default()
            }),
            69
        );
        assert_eq!(
            counts(Counts {
                oversized: 1,
                delivered: 3,
                ..Counts::default()
            }),
            0
        );
    }

    #[test]
    fn a_poll_says_what_waits_and_what_is_in_the_quarantine() {
        let waiting = Waiting {
            deferred: 2,
            next_try: Some(Timestamp(0)),
            codes: ["mda_tempfail".to_owned()].into(),
            quarantined: 1,
        };
        let mut polled = polled(Counts::default(), None);
        assert!(line(&polled).contains("nothing new"));
        polled.waiting = waiting;
        let said = line(&polled);
        assert!(
            said.contains(
                "0 listed, 2 wait (mda_tempfail), next try not before 1970-01-01T00:00:00Z, 1 in the quarantine: \
                 see `mailferry quarantine list work` ("
            ),
            "{said}"
        );
        assert_eq!(worst(&[polled.clone()]).code(), 69);
        polled.waiting.quarantined = 0;
        assert_eq!(worst(&[polled]).code(), 75);
    }
}
