//! Whether an account is configured for another maildrop than the one that its records are of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{FirstRun, HeadDigest, HeadDigests, Listing, Maildrop, limits};
use crate::seen::{AccountState, Records};
use crate::session::judge::absence::ListingCursor;
use crate::session::judge::guard::Explained;
use crate::session::judge::{counters, first_run, made_names};
use crate::session::long::long;
use crate::session::server::asking::Asking;
use crate::session::server::listing::Listed as ListedNow;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{Collaborators, SessionError, Visit};
use crate::telemetry::{AfterMove, Event, Quirk};

/// Makes sure that the records are those of the visited maildrop.
pub(in crate::session) struct Settling<'a> {
    pub(in crate::session) visit: &'a Visit,
    pub(in crate::session) with: &'a Collaborators,
}

/// Does the same for a command of the operator that has listed a maildrop: its changes apply to the
/// records of this one.
///
/// # Errors
/// The errors of a session, and of the store.
pub(in crate::session) async fn settle(
    visit: &Visit,
    with: &Collaborators,
    maildrop: &mut OpenMaildrop,
    listed: &ListedNow,
) -> Result<(), SessionError> {
    let seen = &with.seen;
    let mut records = seen.records().await?;
    let mut state = seen.state().await?;
    let deadline = Instant::now() + Duration::from_secs(limits::SESSION_SECONDS_MAX);
    let mut asking = Asking::new(maildrop, &with.stop, deadline);
    let settling = Settling { visit, with };
    settling
        .settle(&mut asking, listed, &mut records, &mut state)
        .await?;
    if asking.goes_on()? {
        Ok(())
    } else {
        Err(SessionError::Closed("because it was asked to stop"))
    }
}

impl Settling<'_> {
    /// Makes sure that the records are those of the listed maildrop, and that this is stored. If
    /// the connection was closed meanwhile, nothing is decided.
    ///
    /// # Errors
    /// The errors of the store.
    pub(in crate::session) async fn settle(
        &self,
        asking: &mut Asking<'_>,
        listed: &ListedNow,
        records: &mut Records,
        state: &mut AccountState,
    ) -> Result<(), SessionError> {
        let (visit, seen) = (self.visit, &self.with.seen);
        let here = visit.maildrop();
        if state.maildrop.host.is_empty() {
            // Records from before maildrops were noted get that of the first login.
            state.set_maildrop(&here);
            return self.note_maildrop(state).await;
        }
        if state.names.same_maildrop {
            // If it was confirmed before the first login there, it means this change, and no
            // earlier one.
            if state.maildrop() == here {
                seen.take_over(state).await?;
                *records = seen.records().await?;
                state.names.came_from = None;
            }
            state.names.same_maildrop = false;
            state.set_maildrop(&here);
            return self.note_maildrop(state).await;
        }
        if state.maildrop() == here {
            if state.names.moving {
                *state = seen.complete_move(state.clone()).await?;
                *records = seen.records().await?;
            }
            return Ok(());
        }
        let before = state.maildrop();
        let is_same = before.user() == here.user()
            && before.host() != here.host()
            && listed.without_unique_ids.is_none()
            && !state.names.moving
            && self.is_same(asking, &listed.listing, records, state).await;
        if asking.is_cut() {
            return Ok(());
        }
        if is_same {
            state.set_maildrop(&here);
            self.note_maildrop(state).await?;
            self.say_moved(&before, AfterMove::Same);
            return Ok(());
        }
        self.refuse_that_of_another(&before, &here, state).await?;
        let (last_login, delay) = (
            state.pacing.last_login,
            asking.maildrop.login_delay_seconds(),
        );
        let (now, owner) = (self.with.clock.now(), visit.owner(&self.with.delivery));
        let is_for_owner = state.tells_of(&owner).is_some();
        let copies = records.unsettled().filter(|one| one.kept().is_some());
        let copies = copies.count();
        *state = seen.change_maildrop(&here, &owner, now).await?;
        state.pacing.last_login = last_login;
        state.pacing.login_delay_seconds = delay;
        *records = seen.records().await?;
        let after = if is_for_owner {
            AfterMove::NewUnlessDelivered
        } else {
            AfterMove::New { copies }
        };
        self.say_moved(&before, after);
        Ok(())
    }

    /// Refuses the maildrop of which another account has the records, unless this one has used it
    /// before: all of its messages would be delivered again. The records stay where they are, so
    /// that they can be renamed.
    async fn refuse_that_of_another(
        &self,
        before: &Maildrop,
        here: &Maildrop,
        state: &AccountState,
    ) -> Result<(), SessionError> {
        let (visit, seen) = (self.visit, &self.with.seen);
        if visit.first_run == FirstRun::Skip || state.names.moving {
            return Ok(());
        }
        if seen.has_aside(here).await? {
            return Ok(());
        }
        let user = &visit.login.user;
        let other = seen.known_as(&visit.host, visit.port, user);
        match other.await? {
            Some(other) => Err(first_run::swapped(visit, &other, before)),
            None => Ok(()),
        }
    }

    fn say_moved(&self, before: &Maildrop, after: AfterMove) {
        self.with.reporter.say(Event::Quirk {
            account: &self.visit.account,
            quirk: Quirk::MaildropChanged {
                user: before.user(),
                host: before.host(),
                after,
            },
        });
    }

    /// Stores the maildrop before anything is retrieved, so that an account that is renamed in its
    /// first session is recognised.
    async fn note_maildrop(&self, state: &AccountState) -> Result<(), SessionError> {
        Ok(self.with.seen.save_state(state.clone()).await?)
    }

    /// Whether another host lists the recorded maildrop: nearly all unique-ids with their octets,
    /// and the heads of the oldest, the newest and some others. These few heads are requested
    /// however long that takes, because nothing can continue without an answer.
    async fn is_same(
        &self,
        asking: &mut Asking<'_>,
        listing: &Listing,
        records: &Records,
        state: &AccountState,
    ) -> bool {
        let explained = Explained::new(self.visit, state, false, self.with.clock.now());
        let entries = listing.len() + records.len();
        let chosen = long(entries, || to_compare(listing, records, &explained));
        let is_alike = |((_, known), head): (&(u32, HeadDigest), Option<HeadDigests>)| {
            head.is_some_and(|head| head.are_like(*known))
        };
        for chosen in chosen.chunks(asking.at_once()) {
            let positions: Vec<u32> = chosen.iter().map(|(at, _)| *at).collect();
            let heads = asking.heads(listing, &positions).await.unwrap_or_default();
            if heads.len() < chosen.len() || !chosen.iter().zip(heads).all(is_alike) {
                return false;
            }
        }
        !chosen.is_empty()
    }
}

/// Positions of listed messages whose heads show whether the maildrop is the recorded one, with the
/// expected heads. Empty if unique-ids and octets already show that it is not, or prove nothing.
fn to_compare(
    listing: &Listing,
    records: &Records,
    explained: &Explained,
) -> Vec<(u32, HeadDigest)> {
    let count = listing.len();
    let names = (0..count).filter_map(|at| Some(listing.get(at)?.unique_id));
    let recorded = records.unique_ids();
    let recorded = recorded.filter(|name| !made_names::is_made_here(name));
    if counters::are_counted(names.chain(recorded)) {
        return Vec::new();
    }
    let mut listed = ListingCursor::new(listing);
    let (mut expected, mut found, mut heads) = (0_usize, 0_usize, Vec::new());
    // The first message of each size under the last unique-id: there may be many messages, and many
    // records.
    let (mut last, mut by_octets) = (None, BTreeMap::new());
    for known in records.iter().filter(|known| explained.expects(known)) {
        expected += 1;
        if last.replace(known.unique_id) != Some(known.unique_id) {
            let positions = listed.positions(known.unique_id).unwrap_or_default();
            let entries = positions.iter().rev();
            let entries = entries.filter_map(|at| Some((listing.get(*at as usize)?.octets, *at)));
            by_octets = entries.collect();
        }
        if let Some(at) = by_octets.get(&known.record.octets) {
            found += 1;
            heads.extend(known.record.head.map(|head| (*at, head)));
        }
    }
    if expected == 0 || found * 10 < expected * 9 {
        return Vec::new();
    }
    heads.sort_unstable();
    let mut chosen: BTreeSet<usize> = [0, heads.len().saturating_sub(1)].into();
    let wanted = heads.len().min(limits::HEADS_OF_MAILDROP_MAX + 2);
    while chosen.len() < wanted {
        chosen.insert(fastrand::usize(..heads.len()));
    }
    // Mail of a device may have the same head each time: at least one must have Message-ID and
    // Date.
    let has_origin = |at: &usize| heads.get(*at).is_some_and(|(_, head)| head.has_origin());
    if !chosen.iter().any(has_origin) {
        let Some(one) = (0..heads.len()).find(has_origin) else {
            return Vec::new();
        };
        chosen.insert(one);
    }
    let chosen = chosen.iter().filter_map(|at| heads.get(*at));
    chosen.copied().collect()
}
