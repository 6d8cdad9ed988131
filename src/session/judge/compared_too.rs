//! Messages that are compared without a doubt about them. Pure.

use crate::mail::Listing;
use crate::session::judge::disposition::{Circumstances, Disposition, Plan, Skip, Why};
use crate::session::judge::quota::Quota;

/// Adds retrievals of messages to compare, as far as the limits of retrievals and comparisons
/// allow. Returns whether there are any.
pub(in crate::session) fn compare_too(
    plan: &mut Plan,
    listing: &Listing,
    circumstances: &Circumstances,
    wanted: impl IntoIterator<Item = u32>,
) -> bool {
    let octets = |at: u32| {
        let entry = listing.get(at as usize);
        entry.and_then(|entry| entry.octets).unwrap_or(0)
    };
    let mut all = Quota::new(circumstances.limits);
    let mut doubts = Quota::new(circumstances.comparing);
    for at in &plan.retrievals {
        let one = plan.dispositions.get(*at as usize);
        all.take(octets(*at));
        if one == Some(&Disposition::Retrieve(Why::Doubt)) {
            doubts.take(octets(*at));
        }
    }
    // A message that did not fit is not overtaken.
    let is_full = plan
        .dispositions
        .contains(&Disposition::Skip(Skip::LimitReached));
    let before = plan.retrievals.len();
    for at in wanted {
        if is_full || !doubts.take(octets(at)) || !all.take(octets(at)) {
            break;
        }
        if let Some(slot) = plan.dispositions.get_mut(at as usize) {
            *slot = Disposition::Retrieve(Why::Doubt);
            plan.retrievals.push(at);
        }
    }
    plan.retrievals.len() > before
}
