//! Lists a maildrop for the operator, with the heads of its messages.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{HeadDigest, Listing, limits};
use crate::seen::Trust;
use crate::session::errand::pause;
use crate::session::run::moved;
use crate::session::server::asking::Asking;
use crate::session::server::listing;
use crate::session::{Collaborators, SessionError, Visit};

/// What a server lists, and the digests of the heads that it showed, by position.
#[derive(Clone, Debug)]
pub struct ListedHeads {
    /// The listing.
    pub listing: Arc<Listing>,
    /// The heads; `None` where the server showed none, or was not asked.
    pub heads: Vec<Option<HeadDigest>>,
}

/// Logs in, lists the maildrop and quits: nothing is retrieved, and nothing changes on the server.
/// After that the account's records are those of this maildrop.
///
/// A server may give other messages the unique-ids of those that an operator marks. So the heads of
/// all are asked for before messages count as delivered, and those of the oldest and newest before
/// they count as seen. A server without TOP shows none.
///
/// # Errors
/// Why it failed, and who must act.
pub async fn list_for(
    visit: &Visit,
    with: &Collaborators,
    trust: Trust,
) -> Result<ListedHeads, SessionError> {
    with.check(visit)?;
    let mut maildrop = pause::enter(visit, with).await?;
    let listed = listing::list(&mut maildrop, &with.stop.place).await?;
    moved::settle(visit, with, &mut maildrop, &listed).await?;
    let count = u32::try_from(listed.listing.len()).unwrap_or(u32::MAX);
    let wanted: Vec<u32> = match trust {
        Trust::Delivered => (0..count).collect(),
        Trust::Seen if count > 1 => vec![0, count - 1],
        Trust::Seen => (0..count).collect(),
    };
    let mut heads = vec![None; listed.listing.len()];
    let end = Instant::now() + Duration::from_secs(limits::SESSION_SECONDS_MAX);
    let mut asking = Asking::new(&mut maildrop, &with.stop, end);
    for some in wanted.chunks(asking.at_once()) {
        if asking.is_over() || asking.is_late() {
            break;
        }
        let shown = asking.heads(&listed.listing, some).await;
        let mut is_shown = false;
        for (at, head) in some.iter().zip(shown.into_iter().flatten()) {
            is_shown |= head.is_some();
            if let Some(place) = heads.get_mut(*at as usize) {
                *place = head.map(|digests| digests.parted);
            }
        }
        if !is_shown {
            break;
        }
    }
    if !asking.is_cut() {
        maildrop.quit().await;
    }
    let listing = listed.with_unique_ids()?;
    Ok(ListedHeads { listing, heads })
}
