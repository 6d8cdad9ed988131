//! Whether a server hides after QUIT what was retrieved, although it does not say so (design 1.4).

use crate::mail::Listing;
use crate::seen::{AccountState, Records, State};
use crate::session::SessionError;
use crate::session::judge::absence::Listed;
use crate::session::judge::made_names;
use crate::session::run::Session;
use crate::session::server::listing::Listed as ListedNow;
use crate::session::server::maildrop::Maildrop;
use crate::telemetry::Event;

impl Session<'_> {
    /// Whether the server hides what was retrieved: it says so, is known for it, or was seen to do
    /// it. That is written down when it is seen first, because what shows it is noted as gone by
    /// the same listing.
    ///
    /// # Errors
    /// The store fails.
    pub(in crate::session) async fn hides(
        &self,
        maildrop: &Maildrop,
        listed: &ListedNow,
        records: &Records,
        state: &mut AccountState,
    ) -> Result<bool, SessionError> {
        if self.visit.hides_retrieved || maildrop.hides_retrieved() || state.hides_retrieved {
            return Ok(true);
        }
        let hidden = hidden(&listed.listing, records);
        if hidden == 0 || listed.without_unique_ids.is_some() {
            return Ok(false);
        }
        state.hides_retrieved = true;
        let account = &self.visit.account;
        self.with.seen.save_state(account, state.clone()).await?;
        let detail = format!(
            "the server no longer lists {hidden} messages that were retrieved and wait for a \
             retry: it does not list retrieved messages again, or another program deleted them. If \
             the provider still has them, tell it to offer them again. From now on mailferry \
             stores a copy of each message that waits"
        );
        self.with.reporter.say(Event::Quirk {
            account: &self.visit.account,
            what: "retrieved_mail_hidden",
            detail: &detail,
        });
        Ok(true)
    }
}

/// How many messages are gone that were retrieved, that nobody took, and of which no copy is here.
/// None where most of what was retrieved is listed still: then another program deleted those few.
fn hidden(listing: &Listing, records: &Records) -> usize {
    let waits = |state: &State| matches!(state, State::Deferred(one) if one.parked.is_none());
    let mut unsettled = records.unsettled();
    if !listing.complete
        || !unsettled.any(|record| record.absent_since.is_none() && waits(&record.state))
    {
        return 0;
    }
    let mut listed = Listed::new(listing);
    let (mut hidden, mut gone, mut retrieved) = (0, 0, 0);
    for known in records.iter() {
        let (record, notes) = (&known.record, &known.record.notes);
        let is_there = listed.positions(known.unique_id).is_some();
        let was_listed = known.digest.is_some()
            && record.absent_since.is_none()
            && notes.asked.is_none()
            && !notes.displaced
            && !made_names::is_made_here(known.unique_id);
        if was_listed {
            retrieved += 1;
            gone += usize::from(!is_there);
            hidden += usize::from(!is_there && waits(&record.state));
        }
    }
    if gone * 2 >= retrieved { hidden } else { 0 }
}
