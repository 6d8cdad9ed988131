//! Makes the plan of a session: compares the records with the listing, and retrieves nothing yet.

use crate::seen::{AccountState, Records};
use crate::session::judge::disposition::{Circumstances, Names, Plan};
use crate::session::judge::first_run::{self, first_poll};
use crate::session::judge::plan;
use crate::session::judge::quota::{comparing, remaining};
use crate::session::judge::struck;
use crate::session::long::long;
use crate::session::run::Session;
use crate::session::run::hiding::Hides;
use crate::session::run::inspect::Inspection;
use crate::session::run::moved::Settling;
use crate::session::server::asking::Asking;
use crate::session::server::listing::Listed;
use crate::session::{Counts, SessionError};

impl Session<'_> {
    /// The plan for the listed maildrop, and whether its server hides retrieved messages. `None`
    /// when mailferry is asked to stop meanwhile.
    ///
    /// # Errors
    /// The errors of a session, and of the store.
    pub(in crate::session) async fn look(
        &self,
        asking: &mut Asking<'_>,
        listed: &Listed,
        records: &mut Records,
        state: &mut AccountState,
        poll: &Counts,
    ) -> Result<Option<(Plan, Hides)>, SessionError> {
        let looked = self.settle_and_plan(asking, listed, records, state, poll);
        let looked = looked.await;
        if let Err(error) = &looked {
            let lost_after = asking.maildrop.lost_after(error);
            self.learn_end(lost_after, None, state);
        }
        looked
    }

    async fn settle_and_plan(
        &self,
        asking: &mut Asking<'_>,
        listed: &Listed,
        records: &mut Records,
        state: &mut AccountState,
        poll: &Counts,
    ) -> Result<Option<(Plan, Hides)>, SessionError> {
        let (visit, with) = (self.visit, self.with);
        let settling = Settling { visit, with };
        settling.settle(asking, listed, records, state).await?;
        if !asking.goes_on()? {
            return Ok(None);
        }
        let hides = self.hides(asking.maildrop, listed, records, state);
        let hides = hides.await?;
        self.miss_copies(listed, records).await?;
        let plan = self.plan(asking, listed, records, state, poll, hides.is_known());
        Ok(plan.await?.map(|plan| (plan, hides)))
    }

    async fn plan(
        &self,
        asking: &mut Asking<'_>,
        listed: &Listed,
        records: &mut Records,
        state: &mut AccountState,
        poll: &Counts,
        hides: bool,
    ) -> Result<Option<Plan>, SessionError> {
        let (visit, with) = (self.visit, self.with);
        let now = with.clock.now();
        let circumstances = Circumstances {
            retention: visit.retention,
            order: visit.order,
            limits: remaining(visit.limits, poll),
            comparing: comparing(visit.limits, poll),
            now,
            clock_trusted: self.clock_trusted,
            pops: hides && state.hiding.without_quit,
            leaves_out_struck: state.odd.leaves_out_struck,
            retry_first: !state.pacing.began_with_retry,
            names: Names::default(),
        };
        if let Some(words) = &listed.without_unique_ids {
            self.accept_no_unique_ids(state, records, words, listed.announced)?;
            let locate = || struck::located(&listed.listing, &state.odd.struck);
            state.odd.struck = long(listed.listing.len(), locate);
            first_run::without_unique_ids(visit.first_run, &listed.listing, records, state)?;
            let (listing, struck) = (&listed.listing, &state.odd.struck);
            let plan =
                || plan::plan_without_unique_ids(listing, &circumstances, self.outgrown, struck);
            return Ok(Some(long(listing.len(), plan)));
        }
        self.refuse_a_new_name(&listed.listing, records, state)
            .await?;
        let beside = if visit.serves_unnamed() {
            listed.unnamed.len()
        } else {
            0
        };
        if first_poll(visit.first_run, &listed.listing, beside, records, state)? {
            self.mark_all(&listed.listing, records, state, now).await?;
            *records = with.seen.records().await?;
        }
        self.accept_unstable_names(&listed.listing, state, now)?;
        let inspection = Inspection {
            visit,
            with,
            listing: &listed.listing,
            records,
            short: self.short,
        };
        let mut plan = inspection.plan(asking, state, circumstances).await?;
        if !asking.goes_on()? {
            return Ok(None);
        }
        self.accept_void_marks(&plan)?;
        state.pacing.note_turn(plan.retry_first);
        let entries = listed.listing.len() + records.len();
        let listing = (&*listed.listing, plan.unknown);
        plan.is_flood = long(entries, || self.guard(listing, records, state, hides))?;
        self.notice_listed(listed, records, now).await?;
        Ok(Some(plan))
    }
}
