//! Searches for a new count where no heads show it.

use crate::mail::{DAY_SECONDS, Timestamp};
use crate::seen::{AccountState, Known, State};
use crate::session::judge::compared_too::compare_too;
use crate::session::judge::disposition::{Circumstances, Disposition, Plan, Skip};
use crate::session::judge::heads_said::{Head, Heads};
use crate::session::run::inspect::{Inspection, is_settled};

impl Inspection<'_> {
    /// On a server that counts its unique-ids, compares messages by digest whose heads cannot show
    /// that it began again: the oldest and the newest one, if they have no Message-ID and Date, as
    /// rarely as any message is compared. Without TOP it compares the two smallest known ones, once
    /// a day, in a session that is about to delete.
    pub(in crate::session) fn sample_by_digest(
        &self,
        state: &mut AccountState,
        circumstances: &Circumstances,
        heads: &Heads,
        plan: &mut Plan,
    ) {
        let now = circumstances.now;
        if circumstances.names.are_counted && circumstances.names.heads_work {
            let unproven = self.unproven_samples(heads, plan, now);
            compare_too(plan, self.listing, circumstances, unproven);
            return;
        }
        let is_early = state
            .names
            .sampled
            .is_some_and(|at| at.is_within(DAY_SECONDS, now));
        let retrieves = |one: &Disposition| matches!(one, Disposition::Retrieve(_));
        let deletes = !plan.deletes.is_empty()
            || (circumstances.retention.deletes() && plan.dispositions.iter().any(retrieves));
        if !circumstances.names.are_counted || is_early || !deletes {
            return;
        }
        let is_sure = |at: &u32| is_sure(plan, *at);
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

    /// The oldest and the newest known message, if they have no Message-ID and Date: a device may
    /// send the same head each time. Those that were retrieved within the last day are left out.
    fn unproven_samples(&self, heads: &Heads, plan: &Plan, now: Timestamp) -> Vec<u32> {
        // A comparison may be noted with the second after a new count.
        let is_recent = |at: Timestamp| now.since(at) < DAY_SECONDS && at.since(now) < DAY_SECONDS;
        let is_due = |known: &Known<'_>| match (known.record.notes.compared, &known.record.state) {
            (Some(compared), _) => compared.is_due(now) && !is_recent(compared.at),
            (None, State::Delivered { at } | State::Quarantined { at, .. }) => !is_recent(*at),
            (None, _) => true,
        };
        let samples = self.samples().into_iter();
        let unproven = samples.filter(|(at, known)| {
            let has_origin = matches!(
                heads.get(*at),
                Head::Shown(digests) if digests.parted.has_origin()
            );
            !has_origin && known.digest.is_some() && is_sure(plan, *at) && is_due(known)
        });
        unproven.map(|(at, _)| at).collect()
    }
}

/// Whether a message is left because it is known, and nothing is in doubt.
fn is_sure(plan: &Plan, at: u32) -> bool {
    let one = plan.dispositions.get(at as usize);
    matches!(one, Some(Disposition::Skip(Skip::Seen | Skip::Quarantined)))
}
