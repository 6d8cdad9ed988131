//! Copies that are missing in the quarantine although records name them: the folder was lost or
//! cleaned up, or the records came from another state directory.

use crate::seen::{Change, Deferral, Known, Record, Records, State};
use crate::session::SessionError;
use crate::session::judge::absence::ListingCursor;
use crate::session::judge::made_names;
use crate::session::run::Session;
use crate::session::server::listing::Listed as ListedNow;
use crate::telemetry::{Event, WarningEvent};

impl Session<'_> {
    /// Has the listed messages retrieved again whose copy in the quarantine is missing: there is
    /// nothing else left to offer. A message that is not listed keeps its record, which shows that
    /// it is missing.
    ///
    /// # Errors
    /// The errors of the store.
    pub(in crate::session) async fn miss_copies(
        &self,
        listed: &ListedNow,
        records: &mut Records,
    ) -> Result<(), SessionError> {
        if !records.unsettled().any(|record| record.kept().is_some()) {
            return Ok(());
        }
        let seen = &self.with.seen;
        let mut batch = records.batch();
        for known in listed_copies(listed, records) {
            let Some(file) = known.record.kept() else {
                continue;
            };
            // A folder that cannot be read now proves nothing.
            if let Ok(false) = self.with.quarantine.has(file).await {
                let warning = WarningEvent::CopyMissing { file };
                self.with.reporter.say(Event::Warning(warning));
                let (key, record) = known.into_pair();
                let open = self.without_copy(record);
                batch.changes.push(Change::Put(key, open));
            }
        }
        if !batch.is_empty() {
            seen.commit(batch, records).await?;
            *records = seen.records().await?;
        }
        Ok(())
    }

    /// The record of a message that is to be retrieved at once. Targets that have accepted it are
    /// not asked again; those that refused it are.
    fn without_copy(&self, record: Record) -> Record {
        let before = match &record.state {
            State::Deferred(deferral) => deferral.clone(),
            _ => Deferral::default(),
        };
        let deferral = Deferral {
            next_try: self.with.clock.now(),
            code: MISSING.to_owned(),
            targets: record.targets().without_refusals(),
            parked: None,
            ..before
        };
        Record {
            state: State::Deferred(deferral),
            ..record
        }
    }
}

/// The records of listed messages that name a copy.
fn listed_copies<'r>(listed: &ListedNow, records: &'r Records) -> Vec<Known<'r>> {
    let mut names = ListingCursor::new(&listed.listing);
    let has_copy = |known: &Known<'_>| {
        let record = &known.record;
        let is_listed = names.positions(known.unique_id).is_some();
        // A unique-id made by mailferry is in no listing: the last complete one showed whether its
        // message exists.
        let is_made_here = made_names::is_made_here(known.unique_id);
        let is_there = is_listed || (is_made_here && record.absent_since.is_none());
        record.kept().is_some() && !record.notes.displaced && is_there
    };
    records.iter().filter(has_copy).collect()
}
/// The code of a missing copy.
const MISSING: &str = "quarantine_missing";
