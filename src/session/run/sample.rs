//! Searches for a new count on a server that shows no heads.

use crate::mail::DAY_SECONDS;
use crate::seen::{AccountState, Known};
use crate::session::judge::compared_too::compare_too;
use crate::session::judge::disposition::{Circumstances, Disposition, Plan, Skip};
use crate::session::run::inspect::{Inspection, is_settled};

impl Inspection<'_> {
    /// On a server without TOP that counts its unique-ids, compares the two smallest known messages
    /// by digest, once a day, in a session that is about to delete.
    pub(in crate::session) fn sample_by_digest(
        &self,
        state: &mut AccountState,
        circumstances: &Circumstances,
        plan: &mut Plan,
    ) {
        let now = circumstances.now;
        let is_early = state
            .names
            .sampled
            .is_some_and(|at| at.is_within(DAY_SECONDS, now));
        let retrieves = |one: &Disposition| matches!(one, Disposition::Retrieve(_));
        let deletes = !plan.deletes.is_empty()
            || (circumstances.retention.deletes() && plan.dispositions.iter().any(retrieves));
        if !circumstances.names.are_counted
            || circumstances.names.heads_work
            || is_early
            || !deletes
        {
            return;
        }
        let is_sure = |at: &u32| {
            let one = plan.dispositions.get(*at as usize);
            matches!(one, Some(Disposition::Skip(Skip::Seen | Skip::Quarantined)))
        };
        let mut smallest: Vec<(u64, u32)> = Vec::new();
        for group in self.listing.groups() {
            let entry = |at: u32| self.listing.get(at as usize);
            let first = group.first().and_then(|at| entry(*at));
            let mut known = first.map(|first| self.records.of(first.unique_id));
            let has_digest = |known: Known<'_>| known.digest.is_some() && is_settled(&known.record);
            if known.as_mut().is_some_and(|known| known.any(has_digest)) {
                let sure = group.iter().copied().filter(is_sure);
                smallest.extend(
                    sure.filter_map(|at| Some((entry(at)?.octets.unwrap_or(u64::MAX), at))),
                );
            }
        }
        smallest.sort_unstable();
        smallest.truncate(2);
        // A message that was compared within the day is not retrieved again.
        smallest.retain(|(_, at)| {
            let entry = self.listing.get(*at as usize);
            let mut known = entry.map(|entry| self.records.of(entry.unique_id));
            let is_recent = |known: Known<'_>| {
                let compared = known.record.notes.compared;
                compared.is_some_and(|compared| compared.at.is_within(DAY_SECONDS, now))
            };
            !known.as_mut().is_some_and(|known| known.any(is_recent))
        });
        let smallest = smallest.into_iter().map(|(_, at)| at);
        if compare_too(plan, self.listing, circumstances, smallest) {
            state.names.sampled = Some(now);
        }
    }
}
