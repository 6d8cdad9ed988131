//! Records of messages that the maildrop no longer has.

use std::collections::HashSet;

use crate::mail::{Listing, Timestamp, limits};
use crate::seen::{AccountState, DeletesCheck, Known, Records};
use crate::session::SessionError;
use crate::session::judge::absence::{AbsenceRules, is_open, notice};
use crate::session::judge::disposition::{Disposition, Plan, Skip};
use crate::session::judge::made_names;
use crate::session::judge::taken::{self, Allowance, DeletesOutcome, is_one_gone};
use crate::session::long::long;
use crate::session::run::hiding::Hides;
use crate::session::run::{Ended, Session};
use crate::session::server::listing::Listed;
use crate::session::transfer::findings::Findings;
use crate::session::transfer::orders::Transferred;

impl Session<'_> {
    /// Notes what the listing says about records.
    ///
    /// # Errors
    /// The errors of the store.
    pub(in crate::session) async fn notice_listed(
        &self,
        listed: &Listed,
        records: &Records,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let listing = &listed.listing;
        let would_show = |known: &Known<'_>| listing.complete || listed.lacks(known);
        self.notice(listing, records, would_show, now).await
    }

    /// On a server without unique-ids, notes what the messages that were retrieved say about
    /// records: the digests show which messages the listing contains, and what became of earlier
    /// deletes.
    ///
    /// # Errors
    /// The errors of the store.
    pub(in crate::session) async fn notice_identified(
        &self,
        (listed, plan, hides): (&Listed, &Plan, Hides),
        done: &Transferred,
        (state, deletes): (&mut AccountState, Allowance),
        now: Timestamp,
    ) -> Result<(), SessionError> {
        if listed.without_unique_ids.is_none() {
            return Ok(());
        }
        // Those of this session included: what it recorded must not be overwritten.
        let records = self.with.seen.records().await?;
        let unknown = Unidentified::of(&listed.listing, plan, &done.identified);
        let would_show = |known: &Known<'_>| unknown.would_be_among_the_identified(known);
        if !hides.parks() {
            self.notice_hidden(&done.identified, &records, &would_show, state)
                .await?;
        }
        let again = done.findings.found_again as usize;
        let outcome = DeletesOutcome {
            again,
            is_one_gone: is_one_gone(&done.identified, &records, would_show),
            are_all_gone: again == 0 && done.identified.len() == listed.listing.len(),
            is_at_once: false,
        };
        taken::learn(&mut state.deletes, deletes.attempted, outcome);
        self.notice(&done.identified, &records, would_show, now)
            .await
    }

    /// Which deletes this session may send. Without unique-ids the listing shows something about
    /// earlier ones only if it is empty, or if this session follows one to check its deletes.
    pub(in crate::session) fn begin_deletes(
        &self,
        (listed, plan): (&Listed, &Plan),
        records: &Records,
        state: &mut AccountState,
        now: Timestamp,
    ) -> Allowance {
        let listing = &listed.listing;
        let outcome = match &listed.without_unique_ids {
            Some(_) => self.check.and_then(|check| check.outcome(listing.len())),
            None => {
                let outcome = DeletesOutcome::of(listing, records, plan.listed_again);
                let lacks_one = || is_one_gone(listing, records, |known| listed.lacks(known));
                Some(DeletesOutcome {
                    is_one_gone: outcome.is_one_gone || lacks_one(),
                    ..outcome
                })
            }
        };
        taken::begin(&mut state.deletes, outcome, now)
    }

    async fn notice(
        &self,
        listing: &Listing,
        records: &Records,
        would_show: impl Fn(&Known<'_>) -> bool + Send,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let (visit, with) = (self.visit, self.with);
        let rules = AbsenceRules {
            retention: visit.retention,
            // A clock that is not trusted must not make records old enough to be forgotten.
            forget_after_seconds: if self.clock_trusted {
                visit.forget_after_seconds
            } else {
                u64::MAX
            },
            now,
            clock_trusted: self.clock_trusted,
        };
        let mut changes = notice(listing, records, would_show, rules);
        loop {
            let mut batch = records.batch();
            let some = changes.by_ref().take(limits::BATCH_CHANGES_MAX);
            long(listing.len() + records.len(), || batch.changes.extend(some));
            if batch.is_empty() {
                return Ok(());
            }
            with.seen.commit(batch, records).await?;
        }
    }
}

impl Session<'_> {
    /// Has the next session check, on a server without unique-ids, whether the confirmed deletes of
    /// this one took effect: at once, or if that is not possible at the next poll. That is in doubt
    /// if it took messages for others with the bytes of deleted ones, or if earlier deletes were
    /// ignored.
    pub(in crate::session) fn check_deletes(
        &self,
        (listed, deletes): (&Listed, Allowance),
        ended: &mut Ended,
        (found, noted): (Findings, Option<Timestamp>),
        state: &mut AccountState,
    ) {
        let is_nameless = listed.without_unique_ids.is_some();
        let now_listed = listed.listing.len();
        let due = self.check.filter(|_| is_nameless);
        state.deletes.check = due.and_then(|due| due.left(now_listed, ended.identified));
        let is_in_doubt = found.sent_again > 0 || deletes.compared_only;
        let is_checkable = is_nameless
            && !self.check.is_some_and(|due| due.is_at_once)
            && ended.quit
            && ended.counts.deleted > 0;
        if let Some(noted) = noted.filter(|_| is_in_doubt && is_checkable) {
            ended.checks = ended.error.is_none() && !ended.stopped;
            state.deletes.check = Some(DeletesCheck {
                noted,
                listed: now_listed as u64,
                deleted: ended.counts.deleted,
                still: None,
            });
        }
    }
}

impl Listed {
    /// Whether LIST alone says that the message of a record is not there: it lists none. A server
    /// that refuses UIDL is not believed that about messages with unique-ids, because they would be
    /// doubtful when it lists them again. One that waits is retrieved again in any case.
    pub(in crate::session) fn lacks(&self, known: &Known<'_>) -> bool {
        self.is_empty_by_list
            && (made_names::is_made_here(known.unique_id) || is_open(&known.record))
    }
}

/// The messages of a listing without unique-ids that were not identified in a session.
struct Unidentified {
    /// Whether there are none.
    is_none: bool,
    /// Whether LIST is not known to contain all messages.
    is_cut: bool,
    /// Their sizes, without those of messages that are too large to be retrieved.
    octets: HashSet<Option<u64>>,
}

impl Unidentified {
    fn of(listing: &Listing, plan: &Plan, identified: &Listing) -> Self {
        let came: HashSet<u32> = identified.iter().map(|entry| entry.number).collect();
        let is_large = |one: &Disposition| matches!(one, Disposition::Skip(Skip::TooLarge { .. }));
        let listed = listing.iter().zip(&plan.dispositions);
        let rest = listed.filter(|(entry, _)| !came.contains(&entry.number));
        let rest = rest.filter(|(_, disposition)| !is_large(disposition));
        Self {
            is_none: identified.len() >= listing.len(),
            is_cut: !listing.complete,
            octets: rest.map(|(entry, _)| entry.octets).collect(),
        }
    }

    /// Whether the message of a record would have been identified if the server still had it,
    /// because no message that was left unidentified can be it. A message that waits was retrieved
    /// whole, so it is not too large now, and has its recorded size. A delivered message may be
    /// listed with another size, and would be doubtful.
    fn would_be_among_the_identified(&self, known: &Known<'_>) -> bool {
        let octets = known.record.octets;
        let has_its_size =
            || octets.is_none() || self.octets.contains(&None) || self.octets.contains(&octets);
        let is_other = self.octets.is_empty() || !has_its_size();
        !self.is_cut && (self.is_none || (is_open(&known.record) && is_other))
    }
}
