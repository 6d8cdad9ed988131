//! What the end of a session means for the next one.

use std::collections::HashSet;

use crate::mail::{Entry, Timestamp, UniqueId, limits};
use crate::seen::{AccountState, Oddities, RecordKey};
use crate::session::SessionError;
use crate::session::judge::disposition::Plan;
use crate::session::judge::session_limit::{self, SessionEnd};
use crate::session::judge::{struck, struck_deletes, taken};
use crate::session::run::{Ended, Session};
use crate::session::server::listing::Listed;
use crate::session::server::maildrop::Deleting;
use crate::session::transfer::orders::Transferred;
use crate::telemetry::{DeleteQuirk, Event, Quirk, Undeleted, WhyUndeleted};

impl Session<'_> {
    /// Notes for the next session which message ended this one, and whether replies can be matched
    /// to commands. Called before all else that may fail, because the state is stored even then.
    pub(in crate::session) fn learn(
        &self,
        listed: &Listed,
        done: &Transferred,
        state: &mut AccountState,
    ) {
        if let Some(noted) = done.deletes_noted {
            // It holds until QUIT is answered, however this session ends.
            match done.were_deletes_given {
                true => state.deletes.open_note(noted),
                false => state.deletes.open_undone_note(noted),
            }
            state.deletes.note_beside(noted, done.beside.clone());
        }
        state.sizes = done.sizes.remembered();
        let odd = &mut state.odd;
        let blamed = done.lost.and_then(|lost| match lost.delete {
            Some(delete) => listed.entry(delete.number),
            None => listed.at(lost.at?),
        });
        if listed.without_unique_ids.is_some() || !listed.served.is_empty() {
            // A message that came whole is not at fault, unless the server sent more after it than
            // was requested.
            let struck: HashSet<u32> = odd.struck.iter().map(|one| one.number).collect();
            let came = done.identified.iter().map(|entry| entry.number);
            let came: HashSet<u32> = came.filter(|number| struck.contains(number)).collect();
            odd.struck.retain(|one| {
                blamed.is_some_and(|it| it.number == one.number) || !came.contains(&one.number)
            });
        }
        let is_lost = done.lost.is_some();
        odd.leaves_out_struck &= is_lost;
        if let (Some(lost), Some(entry)) = (done.lost, blamed) {
            self.strike_at(listed, entry, lost.delete, odd);
        }
        let until = self.with.clock.now().plus(limits::RETRIEVED_AGAIN_SECONDS);
        for entry in done
            .postponed
            .iter()
            .filter_map(|number| listed.entry(*number))
        {
            struck::postpone(&mut odd.struck, entry, until);
        }
        let command = done.lost.and_then(|lost| lost.command);
        if let (Some(command), Some(error)) = (command, &done.error) {
            self.strike(odd, command, &error.to_string());
        }
        if done.lost.is_some_and(|lost| lost.out_of_step) {
            self.serve_in_lock_step(state);
        }
    }

    /// Notes that the server ended the session at this message, or at its DELE.
    fn strike_at(
        &self,
        listed: &Listed,
        entry: Entry<'_>,
        delete: Option<Deleting>,
        odd: &mut Oddities,
    ) {
        let now = self.with.clock.now();
        odd.leaves_out_struck = true;
        if listed.is_nameless(entry.number) {
            struck::strike(&mut odd.struck, entry, now);
        } else if let Some(delete) = delete {
            let before = delete.before.and_then(|number| listed.entry(number));
            let before = before.map(|entry| entry.unique_id());
            let strikes = struck_deletes::strike(odd, &entry.unique_id(), before.as_ref(), now);
            self.say_struck(&entry.unique_id(), strikes);
            if struck_deletes::are_ignored(odd) {
                self.say_quirk(DeleteQuirk::EndSessions);
            }
        }
    }

    fn say_struck(&self, unique_id: &UniqueId, strikes: u32) {
        self.say_quirk(DeleteQuirk::Struck { unique_id, strikes });
    }

    fn say_quirk(&self, quirk: DeleteQuirk<'_>) {
        self.with.reporter.say(Event::Quirk {
            account: &self.visit.account,
            quirk: Quirk::Deletes(quirk),
        });
    }

    /// Withdraws the note of deletes of which no octet was written: the server cannot have accepted
    /// any. An error of the store ends the poll, unless another one has.
    pub(in crate::session) async fn withdraw_notes(&self, done: &mut Transferred) {
        let deletes = std::mem::take(&mut done.deletes_sent);
        let withdrawn = self.with.seen.withdraw_deletes(deletes);
        if let Err(error) = withdrawn.await {
            done.error.get_or_insert(error.into());
        }
    }

    /// Notes for the next sessions how this one ended: after how many answered commands about
    /// messages it was lost, or the server accepted QUIT.
    pub(in crate::session) fn learn_end(
        &self,
        lost_after: Option<u32>,
        quit_after: Option<u32>,
        state: &mut AccountState,
    ) {
        let end = match (lost_after, quit_after) {
            (Some(answered), _) => SessionEnd::Lost { answered },
            (None, Some(answered)) => SessionEnd::Quit { answered },
            (None, None) => SessionEnd::Other,
        };
        let has_one_a_poll = state.pacing.demands_pause();
        let now = self.with.clock.now();
        session_limit::note_end(&mut state.odd, end, has_one_a_poll, now);
    }

    /// Notes the refused deletes of a session apart from its others: QUIT confirms none of them.
    pub(in crate::session) async fn note_refused(
        &self,
        state: &mut AccountState,
        noted: Option<Timestamp>,
        ended: &Ended,
    ) -> Result<(), SessionError> {
        let refused = &ended.deletes_refused;
        let Some(noted) = noted.filter(|_| !refused.is_empty()) else {
            return Ok(());
        };
        // It is later than the note of the others, which it must not open again.
        let at = state
            .deletes
            .time_of_note(noted.plus(1), std::iter::empty());
        state.deletes.open_undone_note(at);
        let noted = self.with.seen.note_refused(refused.clone(), at, state);
        Ok(noted.await?)
    }

    /// Counts the messages that stay on the server although the account's retention deletes.
    pub(in crate::session) fn count_left(
        &self,
        (listed, plan): (&Listed, &Plan),
        ended: &mut Ended,
        gone: &[u32],
        state: &AccountState,
    ) {
        ended.counts.without_unique_id = listed.unnamed.left(gone, ended.quit);
        let gone_now = if ended.quit { ended.deletes_again } else { 0 };
        let messages = plan.listed_again.saturating_sub(gone_now) as u64;
        let why = if taken::are_ignored(&state.deletes) || struck_deletes::are_ignored(&state.odd) {
            WhyUndeleted::Ignored
        } else if state.deletes.open_notes.is_empty() {
            WhyUndeleted::ListedAgain
        } else {
            WhyUndeleted::Unconfirmed
        };
        let is_any = messages > 0 && self.visit.retention.deletes();
        ended.counts.undeleted = is_any.then_some(Undeleted { messages, why });
    }

    /// Notes from the answer to QUIT which deletes were accepted, which numbers messages have in
    /// the next session, or at which DELE the server ended the session.
    pub(in crate::session) fn learn_from_goodbye(
        &self,
        listed: &Listed,
        ended: &Ended,
        gone: &[u32],
        state: &mut AccountState,
    ) {
        if ended.quit {
            if ended.counts.deleted > 0 {
                struck_deletes::taken(&mut state.odd);
            }
            struck::move_up(&mut state.odd.struck, gone);
        } else if let Some(delete) = ended.goodbye.ended_by
            && let Some(entry) = listed.entry(delete.number)
        {
            self.strike_at(listed, entry, Some(delete), &mut state.odd);
        }
        if let Some(command) = ended.goodbye.ended_over {
            let why = "the server ended the session after its answer";
            self.strike(&mut state.odd, command, why);
        }
        if ended.goodbye.out_of_step {
            self.serve_in_lock_step(state);
        }
        let quit_after = ended.quit.then_some(ended.answered);
        self.learn_end(ended.lost_after, quit_after, state);
    }
}

/// Those of the deleted records that the server refused to delete, by unique-id.
pub(in crate::session) fn refused(
    mut deletes: Vec<RecordKey>,
    refused: Vec<UniqueId>,
) -> Vec<RecordKey> {
    let refused: HashSet<UniqueId> = refused.into_iter().collect();
    deletes.retain(|key| refused.contains(&key.unique_id));
    deletes
}
