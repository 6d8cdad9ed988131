//! The end of a transfer.

use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{WhoActs, limits};
use crate::seen::RecordKey;
use crate::session::SessionError;
use crate::session::judge::disposition::{Disposition, Skip};
use crate::session::server::maildrop::{Blamed, OpenMaildrop};
use crate::session::transfer::Transfer;
use crate::session::transfer::orders::{Lost, Transferred};

impl Transfer<'_> {
    /// Ends without QUIT: requested messages do not come any more, retrieved ones are processed to
    /// the end.
    pub(in crate::session) fn hang_up(&mut self) {
        self.maildrop = None;
        self.nothing_more();
    }

    /// Handles a lost connection. If the server ended it, messages that came whole are processed.
    pub(in crate::session) fn lose(&mut self, error: SessionError) {
        let maildrop = self.maildrop.as_ref();
        if error.is_file_size()
            && let Some(at) = maildrop.and_then(OpenMaildrop::inside)
        {
            return self.too_large_for_a_file(at, &error);
        }
        // A full disk of ours says nothing about the message that was under way.
        let Some(maildrop) = maildrop.filter(|_| error.who_acts() == WhoActs::Server) else {
            self.hang_up();
            return self.fail(error);
        };
        let is_broken = matches!(error, SessionError::Remote(_));
        // A doubtful message may contain the replies that are missing now.
        let is_in_doubt = self.doubts.is_any_unsettled();
        let blamed = match self.doubts.to_blame() {
            // If that message ended too early, the rest of it was read as an unreadable reply.
            Some(at) if is_broken || self.doubts.alone().is_some() => Some(Blamed::Coming { at }),
            // The next session, which does not pipeline, shows whose answer it was.
            _ if maildrop.is_pipelining() && (is_broken || is_in_doubt) => None,
            _ => maildrop.to_blame(&error),
        };
        // If sizes are estimates, a missing reply may have been read as part of another.
        let is_missing = self.doubts.are_sizes_estimates() && maildrop.is_busy();
        let out_of_step =
            maildrop.is_out_of_step(&error) || (is_in_doubt && maildrop.is_pipelining());
        if !(is_broken || maildrop.is_pipelining() && (out_of_step || is_missing)) {
            self.ledger.prove();
        }
        let mut lost = Lost {
            out_of_step,
            after: maildrop.lost_after(&error),
            ..Lost::default()
        };
        let maildrop = self.maildrop.as_ref();
        let were_sent = maildrop.is_some_and(OpenMaildrop::has_written_deletes);
        match blamed {
            Some(Blamed::Coming { at } | Blamed::Settled { at }) => lost.at = Some(at),
            Some(Blamed::Delete(delete)) if were_sent => lost.delete = Some(delete),
            Some(Blamed::Command(command)) => lost.command = Some(command),
            // A delete that was never sent is not to blame.
            Some(Blamed::Delete(_)) | None => {}
        }
        if let Some(Blamed::Coming { at }) = blamed {
            self.strike(at);
        }
        self.withdraw_note();
        self.hang_up();
        self.phase.drain(error, Some(lost));
    }

    /// Requests and offers nothing more; the connection stays for QUIT.
    pub(in crate::session) fn fail(&mut self, error: SessionError) {
        self.outbox.halt();
        self.nothing_more();
        self.phase.fail(error);
    }

    /// Retrieves nothing more; retrieved messages are processed, because they are not at fault.
    pub(in crate::session) fn ask_no_more(&mut self, error: SessionError) {
        self.ask_for_none_of_the_rest();
        self.phase.drain(error, None);
    }

    pub(in crate::session) fn ask_for_none_of_the_rest(&mut self) {
        self.window.forget();
    }

    /// Requests nothing more of what waits.
    pub(in crate::session) fn nothing_more(&mut self) {
        self.window.close();
        self.doubts.drop_all();
        self.deletes.gather_no_more();
    }

    pub(in crate::session) fn stop(&mut self) {
        self.phase.stop();
        self.outbox.halt();
        self.nothing_more();
    }

    /// Drops offers that are still under way, which counts as refused. Accepted messages are still
    /// recorded, and QUIT is sent if no message is under way.
    pub(in crate::session) fn drop_offers(&mut self) {
        self.stop();
        // A known answer need not be asked for again.
        while let Some(answered) = self.outbox.next_now() {
            self.take_answer(answered);
        }
        let patience = Duration::from_secs(limits::GOODBYE_SECONDS);
        self.phase.stop_by(Instant::now() + patience);
        self.outbox.drop_all();
        if self
            .maildrop
            .as_ref()
            .is_some_and(OpenMaildrop::is_retrieving)
        {
            self.maildrop = None;
        }
    }

    /// The result of the transfer at its end.
    pub(in crate::session) fn into_transferred(mut self) -> Transferred {
        let skipped = |why: Skip| {
            let all = self.orders.plan.dispositions.iter();
            all.filter(|one| **one == Disposition::Skip(why)).count() as u64
        };
        let (left, names_wait) = (skipped(Skip::LimitReached), skipped(Skip::Unstable));
        let unfinished =
            self.window.is_unfinished() || self.deletes.is_any_due() || self.orders.plan.heads_left;
        let is_long = self.answers.counts().retrieved >= limits::SESSION_MESSAGES_MAX
            && !self.orders.with.stop.place.give_way.is_cancelled();
        let again = self.phase.may_come_again()
            && (self.phase.is_resuming()
                || (unfinished && (self.orders.visit.commit_every.is_some() || is_long)));
        let mut counts = self.answers.counts();
        counts.listed = self.orders.listing.len() as u64;
        counts.left = left + self.window.left_by_server();
        counts.names_wait = names_wait;
        let over_budget = self.may_go_on() && self.orders.budget.is_spent();
        if self.window.is_quota_reached() || over_budget {
            counts.left += self.window.waiting() as u64;
        }
        let gone = self
            .maildrop
            .as_ref()
            .map(|maildrop| maildrop.gone().to_vec());
        let stopped = self.phase.is_told();
        let (error, lost) = self.phase.into_end();
        let deletes_noted = self.deletes.noted();
        let were_deletes_given = self.deletes.are_sent();
        let beside = self.deletes.take_beside();
        let (deletes_sent, deletes_refused) = self.deletes.into_sent();
        let records = self.orders.records;
        let asked = |key: &RecordKey| records.get(key).and_then(|record| record.notes.asked);
        let was_asked = |key: &&RecordKey| asked(key).is_some();
        let deletes_again = deletes_sent.iter().filter(was_asked).count();
        Transferred {
            lost,
            gone: gone.unwrap_or_default(),
            maildrop: self.maildrop,
            counts,
            findings: self.identities.findings(),
            deletes_noted,
            beside,
            deletes_sent,
            were_deletes_given,
            deletes_again,
            deletes_refused,
            sizes: self.doubts.into_sizes(),
            retrieved: self.ledger.take_retrieved(),
            error,
            stopped,
            again,
            unasked: self.window.waiting() > 0,
            outgrown: self.ledger.take_outgrown(),
            postponed: self.ledger.take_postponed(),
            all_settled: self.ledger.is_all_settled(),
            allowance: self.window.allowance(),
            left: self.window.has_left(),
            identified: self.ledger.into_identified(self.orders.listing.complete),
        }
    }
}
