//! Reasons to leave a maildrop alone until the operator has looked at it.

use crate::mail::{FirstRun, Listing};
use crate::seen::{AccountState, Records};
use crate::session::SessionError;
use crate::session::judge::guard::{ComparedListings, Explained};
use crate::session::judge::{first_run, guard};
use crate::session::run::Session;

impl Session<'_> {
    /// Holds a maildrop that changed as a whole until the operator has confirmed it. Returns
    /// whether so many unknown unique-ids are listed that their messages may be old ones. `unknown`
    /// is their number.
    pub(super) fn guard(
        &self,
        (listing, unknown): (&Listing, usize),
        records: &Records,
        state: &mut AccountState,
        hides: bool,
    ) -> Result<bool, SessionError> {
        let explained = Explained::new(self.visit, state, hides, self.with.clock.now());
        // With few unknown messages, nearly always, the records need not be read.
        let is_flood = guard::is_flood(unknown);
        let compared = is_flood.then(|| guard::compare(listing, records, &explained));
        let is_flood = is_flood && !state.maildrop.adopted;
        match compared.and_then(ComparedListings::changed) {
            Some(whole) if !state.maildrop.adopted => return Err(whole.into_error(self.visit)),
            Some(_) => {}
            None => state.maildrop.adopted = false,
        }
        // Everything done since the last complete listing explains what is gone in the next one.
        let deletes_after = self.visit.retention.all_due_after_seconds();
        let before = state.deletes.after_seconds;
        state.deletes.after_seconds = match (before, deletes_after) {
            (Some(before), Some(now)) if !listing.complete => Some(before.min(now)),
            (before, None) if !listing.complete => before,
            (_, now) => now,
        };
        state.hiding.hid_retrieved = hides || (state.hiding.hid_retrieved && !listing.complete);
        Ok(is_flood)
    }

    /// Refuses an account whose maildrop has records under another name: the account was renamed,
    /// and is not new.
    pub(super) async fn refuse_a_new_name(
        &self,
        listing: &Listing,
        records: &Records,
        state: &AccountState,
    ) -> Result<(), SessionError> {
        let (visit, seen) = (self.visit, &self.with.seen);
        let first =
            records.tell_nothing() && state.pacing.last_success.is_none() && !listing.is_empty();
        if !first || visit.first_run == FirstRun::Skip {
            return Ok(());
        }
        match seen
            .known_as(&visit.host, visit.port, &visit.login.user)
            .await?
        {
            Some(other) => Err(first_run::renamed(visit, &other)),
            None => Ok(()),
        }
    }
}
