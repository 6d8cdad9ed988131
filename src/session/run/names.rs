//! What a session learns about the unique-ids of a server, and what follows from it.

use crate::mail::{Listing, Retention, Timestamp, limits};
use crate::seen::{AccountState, Elsewhere, Records};
use crate::session::judge::disposition::{Disposition, Plan, Skip, Why};
use crate::session::judge::made_names;
use crate::session::judge::new_count;
use crate::session::judge::taken;
use crate::session::run::{Ended, Session};
use crate::session::transfer::findings::Findings;
use crate::session::{Denial, SessionError};
use crate::telemetry::{DeleteQuirk, Event, Quirk};

impl Session<'_> {
    /// Accepts a server without UIDL only if everything is deleted, and only if it never had UIDL.
    pub(in crate::session) fn accept_no_unique_ids(
        &self,
        state: &mut AccountState,
        records: &Records,
        words: &str,
        announced: bool,
    ) -> Result<(), SessionError> {
        let had_unique_ids = state.names.had_unique_ids
            || made_names::has_unique_ids(records, state.pacing.last_success.is_some());
        // A server that announces UIDL and refuses it may have a temporary fault; after some
        // refusals it counts as one without UIDL.
        let for_now = announced && state.names.uidl_refusals < limits::UIDL_REFUSALS_MAX;
        state.names.uidl_refusals = state.names.uidl_refusals.saturating_add(1);
        if had_unique_ids || for_now {
            let why = if had_unique_ids {
                "it worked before"
            } else {
                "CAPA names it"
            };
            let words = format!("UIDL was refused, although {why}: {words}");
            return Err(SessionError::Refused {
                denial: Denial::Uidl,
                command: "UIDL",
                words,
                wait_seconds: None,
            });
        }
        if self.visit.retention == Retention::Delete {
            return Ok(());
        }
        Err(SessionError::Account {
            code: "no_unique_ids",
            words: format!(
                "the server gives no unique-ids (UIDL: {words}), so mailferry cannot tell new \
                 messages from delivered ones"
            ),
            hint:
                "Set retention = \"delete\" for this account, or ask the server's operator for UIDL"
                    .to_owned(),
        })
    }

    /// Accepts a maildrop whose unique-ids change all the time: its messages are recognised by
    /// digest. If everything is deleted that costs nothing; else it is done only for a small
    /// maildrop.
    pub(in crate::session) fn accept_unstable_names(
        &self,
        listing: &Listing,
        state: &AccountState,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        if !state.names.are_unstable(now) || self.visit.retention == Retention::Delete {
            return Ok(());
        }
        let sizes = listing.iter().filter_map(|entry| entry.octets);
        let octets = sizes.fold(0, u64::saturating_add);
        if listing.len() <= limits::UNSTABLE_MESSAGES_MAX && octets <= limits::UNSTABLE_OCTETS_MAX {
            return Ok(());
        }
        Err(SessionError::Account {
            code: "unique_ids_unstable",
            words: format!(
                "the server changes its unique-ids again and again, and its {} messages of \
                 {octets} octets are too many to be retrieved and compared each day",
                listing.len()
            ),
            hint: format!(
                "Set retention = \"delete\" for account {}, or ask the server's operator for \
                 stable unique-ids",
                self.visit.account
            ),
        })
    }

    /// Refuses a plan with too many void marks, which would retrieve a whole maildrop.
    pub(in crate::session) fn accept_void_marks(&self, plan: &Plan) -> Result<(), SessionError> {
        let void = plan.void_marks.len();
        if void <= limits::FIRST_RUN_MESSAGES_MAX {
            return Ok(());
        }
        let account = &self.visit.account;
        Err(SessionError::Account {
            code: "marks_void",
            words: format!(
                "{void} messages have unique-ids that are marked as seen or delivered, but another \
                 size or header: they are other messages. Nothing was retrieved"
            ),
            hint: format!(
                "Run `mailferry seen mark {account} --all-listed` to skip all messages that are \
                 listed now, or `mailferry seen forget {account} --all` and set first_run = \
                 \"all\" to retrieve everything"
            ),
        })
    }

    /// The records of the account's other maildrops that were made for its owner, if they may
    /// belong to messages to retrieve. After some time all moved messages have come, and those
    /// records are not read any more; they stay for the account's return.
    pub(in crate::session) async fn elsewhere(
        &self,
        state: &mut AccountState,
        plan: &Plan,
    ) -> Result<Vec<Elsewhere>, SessionError> {
        let may_be_known = |one: &Disposition| {
            matches!(
                one,
                Disposition::Retrieve(Why::New | Why::Changed | Why::Another | Why::Doubt)
            )
        };
        let Some(since) = state.names.elsewhere else {
            return Ok(Vec::new());
        };
        let now = self.with.clock.now();
        if since > now {
            // The time came from a wrong clock.
            state.names.elsewhere = Some(now);
        } else if now.since(since) >= limits::ELSEWHERE_SECONDS {
            state.names.elsewhere = None;
            return Ok(Vec::new());
        }
        if !plan.dispositions.iter().any(may_be_known) {
            return Ok(Vec::new());
        }
        let owner = self.visit.owner(&self.with.delivery);
        let records = self.with.seen.elsewhere(&owner);
        let records = records.await?;
        if records.is_empty() {
            state.names.elsewhere = None;
        }
        Ok(records)
    }

    /// Notes for the next session what the comparisons of this one showed.
    pub(in crate::session) fn learn_names(
        &self,
        found: &Findings,
        plan: &Plan,
        records: &Records,
        state: &mut AccountState,
        begun: Timestamp,
    ) {
        let now = self.with.clock.now();
        let names = &mut state.names;
        let was_unstable = names.are_unstable(now);
        // One message that comes back does not mean that unique-ids change, nor does the rest of an
        // earlier change: some of its messages have known ones. A limited poll retrieves only some.
        let listed = plan.dispositions.len();
        let is_new = |one: &&Disposition| **one == Disposition::Retrieve(Why::New);
        let some = match plan.unknown == listed {
            true => plan.dispositions.iter().filter(is_new).count(),
            false => listed,
        };
        if found.renamed > 0 && found.renamed * 2 >= some as u64 {
            names.note_renamed(now);
        }
        if names.are_unstable(now) {
            let are = |wanted: Disposition| plan.dispositions.contains(&wanted);
            let is_whole =
                are(Disposition::Retrieve(Why::New)) && !are(Disposition::Skip(Skip::LimitReached));
            names.gone_through = if is_whole {
                Some(now)
            } else {
                names.gone_through
            };
            if !was_unstable {
                self.say(Quirk::UniqueIdsUnstable);
            }
        }
        if found.there_at_once > 0 {
            let messages = found.there_at_once;
            self.say(Quirk::Deletes(DeleteQuirk::WithoutEffect { messages }));
        }
        if found.heads_differ {
            names.heads_unreliable = Some(now);
        }
        if found.began_again {
            // The records of this session were made after that.
            let at = Timestamp(begun.0.saturating_sub(1));
            let at = new_count::begins(names.began_again, records, at, now);
            names.began_again = Some(at);
        }
        if found.rewritten > 0 {
            self.say(Quirk::Rewritten {
                messages: found.rewritten,
            });
        }
    }

    /// Notes the result of a session's deletes: when they were noted, how many earlier ones were
    /// found again, and which were refused.
    pub(in crate::session) async fn learn_deletes(
        &self,
        state: &mut AccountState,
        (noted, found): (Option<Timestamp>, Findings),
        ended: &Ended,
    ) -> Result<(), SessionError> {
        let sent = ended.deletes_sent;
        let were_ignored = taken::are_ignored(&state.deletes);
        let now = self.with.clock.now();
        let sent_at = (sent, noted);
        let answer = ended.goodbye.answer;
        taken::end(&mut state.deletes, sent_at, answer, found.found_again, now);
        if let Some(noted) = noted.filter(|_| sent > 0 && ended.quit) {
            state.deletes.close_note(noted);
        }
        // Notes of older records are dropped, because the records are forgotten.
        let is_kept = |at: &Timestamp| now.since(*at) < self.visit.forget_after_seconds;
        state.deletes.retain_notes(is_kept);
        if taken::are_ignored(&state.deletes) && !were_ignored {
            self.say(Quirk::Deletes(DeleteQuirk::Ignored));
        }
        self.note_refused(state, noted, ended).await
    }

    fn say(&self, quirk: Quirk<'_>) {
        self.with.reporter.say(Event::Quirk {
            account: &self.visit.account,
            quirk,
        });
    }
}
