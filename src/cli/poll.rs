//! `mailferry poll`: the results of polls, one line each.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::cli::progress;
use crate::cli::seen::time;
use crate::mail::limits;
use crate::mail::text::Shown;
use crate::operator::{PollReport, PollWaiting};

/// Writes the result of one poll, and removes the progress line.
///
/// # Errors
/// Those of `out`.
pub(super) fn render(report: &PollReport, out: &mut dyn Write) -> io::Result<()> {
    progress::show("");
    writeln!(out, "{}", line(report))
}

/// One poll in one line for people.
fn line(polled: &PollReport) -> String {
    let counts = &polled.counts;
    let mut line = format!("{}: ", polled.account);
    if let Some(failure) = &polled.failure {
        let _ = write!(
            line,
            "failed ({}): {} [who must act: {}]; ",
            failure.code, failure.words, failure.who
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
        (counts.unconfirmed, "deletes unconfirmed"),
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
    if counts.undeleted > 0 {
        let why = polled.undeleted_why.as_deref().unwrap_or_default();
        let _ = write!(
            line,
            ", {} delivered and not deleted ({why})",
            counts.undeleted
        );
    }
    let left = counts.without_unique_id + counts.undeleted;
    let is_quiet = counts.retrieved == 0 && left == 0;
    if polled.stopped {
        line.push_str(", stopped before its end");
    } else if is_quiet && polled.failure.is_none() && polled.waiting.is_empty() {
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

/// Appends the messages that wait after the poll: how many, until when, why, and what to do about
/// those in the quarantine.
fn push_waiting(line: &mut String, polled: &PollReport) {
    let PollWaiting {
        deferred,
        next_try,
        codes,
        quarantined,
    } = &polled.waiting;
    if *deferred > 0 {
        let wait = if *deferred == 1 { "waits" } else { "wait" };
        let codes: Vec<String> = codes
            .iter()
            .take(limits::CODES_SHOWN_MAX)
            .map(|code| Shown::new(code).to_string())
            .collect();
        let _ = write!(line, ", {deferred} {wait}");
        if !codes.is_empty() {
            let _ = write!(line, " ({})", codes.join(", "));
        }
        let _ = match next_try {
            Some(next_try) => write!(line, ", next try not before {}", time(*next_try)),
            None => write!(line, ", next try at the next poll"),
        };
    }
    if *quarantined > 0 {
        let _ = write!(
            line,
            ", {quarantined} in the quarantine: see `mailferry quarantine list {}`",
            polled.account
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::{AccountName, Timestamp};
    use crate::operator::PollCounts;

    #[test]
    fn a_poll_reports_waiting_messages_and_the_quarantine() {
        let waiting = PollWaiting {
            deferred: 2,
            next_try: Some(Timestamp(0)),
            codes: ["mda_tempfail".to_owned()].into(),
            quarantined: 1,
        };
        let mut polled = PollReport {
            account: AccountName::new("work").unwrap(),
            counts: PollCounts::default(),
            undeleted_why: None,
            failure: None,
            stopped: false,
            waiting: PollWaiting::default(),
            duration: Duration::ZERO,
        };
        assert!(line(&polled).contains("nothing new"));
        polled.stopped = true;
        let said = line(&polled);
        assert!(
            said.contains("0 listed, stopped before its end ("),
            "{said}"
        );
        polled.stopped = false;
        polled.counts.unconfirmed = 2;
        assert!(line(&polled).contains("0 listed, 2 deletes unconfirmed"));
        polled.counts.unconfirmed = 0;
        polled.counts.undeleted = 5;
        polled.undeleted_why = Some("the server ignores deletes".to_owned());
        assert!(
            line(&polled)
                .contains("0 listed, 5 delivered and not deleted (the server ignores deletes) (")
        );
        polled.counts.undeleted = 0;
        polled.waiting = waiting;
        let said = line(&polled);
        assert!(
            said.contains(
                "0 listed, 2 wait (mda_tempfail), next try not before 1970-01-01T00:00:00Z, 1 in \
                 the quarantine: see `mailferry quarantine list work` ("
            ),
            "{said}"
        );
        polled.waiting.next_try = None;
        let said = line(&polled);
        assert!(
            said.contains("2 wait (mda_tempfail), next try at the next poll, 1 in"),
            "{said}"
        );
    }
}
