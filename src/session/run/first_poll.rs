//! The first poll of an account marks what it must not retrieve.

use crate::mail::{Listing, Timestamp, limits};
use crate::seen::{AccountState, Records};
use crate::session::SessionError;
use crate::session::judge::first_run::marks;
use crate::session::run::Session;
use crate::telemetry::{AccountEvent, Event};

impl Session<'_> {
    /// Marks all listed messages as seen. If that takes several commits, the state says so until
    /// the last of them: a poll after half of the marks would retrieve the other half.
    pub(in crate::session) async fn mark_all(
        &self,
        listing: &Listing,
        records: &Records,
        state: &mut AccountState,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let (visit, with) = (self.visit, self.with);
        let mut marks = marks(listing, records, now).peekable();
        loop {
            let mut batch = records.batch();
            let some = marks.by_ref().take(limits::BATCH_CHANGES_MAX);
            batch.changes.extend(some);
            let is_last = marks.peek().is_none();
            if state.names.marking == is_last {
                state.names.marking = !is_last;
                batch.state = Some(state.clone());
            }
            with.seen.commit(batch, records).await?;
            if is_last {
                break;
            }
        }
        with.reporter.say(Event::Account {
            account: &visit.account,
            event: AccountEvent::MarkedFirstRun {
                messages: listing.len() as u64,
            },
        });
        Ok(())
    }
}
