//! Whether a server hides retrieved messages after QUIT, although it does not announce that.

use crate::mail::{Entry, Listing, Retention, Timestamp, limits};
use crate::seen::{AccountState, Known, Record, Records, State};
use crate::session::SessionError;
use crate::session::judge::absence::{ListingCursor, is_open};
use crate::session::judge::disposition::{Disposition, Plan, Skip};
use crate::session::judge::made_names;
use crate::session::run::Session;
use crate::session::run::inspect::is_settled;
use crate::session::server::listing::Listed as ListedNow;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::transfer::findings::Findings;
use crate::telemetry::{Event, Quirk};

/// Whether a server hides retrieved messages after QUIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Hides {
    /// It does not, as far as is known.
    No,
    /// Messages are gone, and may be listed under other unique-ids. Only their digests show that,
    /// so until then nothing is left to QUIT that no destination accepted.
    Perhaps {
        /// How many of those that are gone no destination accepted.
        messages: usize,
        /// How many messages with unknown unique-ids are listed beside as many as are gone.
        others: usize,
    },
    /// It does.
    Yes,
}

impl Hides {
    /// Whether that is known.
    pub(in crate::session) fn is_known(self) -> bool {
        self == Self::Yes
    }

    /// Whether a message that no destination accepted must be parked before QUIT.
    pub(in crate::session) fn parks(self) -> bool {
        self != Self::No
    }
}

impl Session<'_> {
    /// Warns if a server that hides retrieved messages lists only messages that are never
    /// retrieved: it lists no others until they are.
    pub(super) fn say_if_blocked(&self, plan: &Plan) {
        let is_left = |one: &&Disposition| {
            matches!(one, Disposition::Skip(Skip::Marked | Skip::TooLarge { .. }))
        };
        let left = plan.dispositions.iter().filter(is_left).count();
        if left >= limits::BLOCKED_LISTING_MESSAGES_MIN && left == plan.dispositions.len() {
            self.with.reporter.say(Event::Quirk {
                account: &self.visit.account,
                quirk: Quirk::ListingBlocked { messages: left },
            });
        }
    }

    /// Stores whether a session may end without QUIT, so that it is known even after a crash: the
    /// server then lists again the messages that it would have hidden.
    pub(super) async fn note_retrieved_without_quit(
        &self,
        state: &mut AccountState,
        retrieved: bool,
    ) -> Result<(), SessionError> {
        if state.hiding.without_quit != retrieved {
            state.hiding.without_quit = retrieved;
            state.hiding.retrieved_since = retrieved.then(|| self.with.clock.now());
            self.with.seen.save_state(state.clone()).await?;
        }
        Ok(())
    }

    /// Whether the server hides retrieved messages: it announces that, is known for it, or was
    /// observed to do it. An observation is recorded at once, because the same listing notes as
    /// gone the messages that show it.
    ///
    /// # Errors
    /// The store fails.
    pub(in crate::session) async fn hides(
        &self,
        maildrop: &OpenMaildrop,
        listed: &ListedNow,
        records: &Records,
        state: &mut AccountState,
    ) -> Result<Hides, SessionError> {
        if self.visit.hides_retrieved || maildrop.hides_retrieved() {
            state.hiding.shows_retrieved |= !state.hiding.without_quit
                && listed.without_unique_ids.is_none()
                && lists_retrieved(&listed.listing, records, was_there);
            return Ok(Hides::Yes);
        }
        if state.hiding.hides_retrieved {
            return self.hides_still(listed, records, state).await;
        }
        if listed.without_unique_ids.is_some() {
            return Ok(Hides::No);
        }
        let listing = &listed.listing;
        let would_show = |known: &Known<'_>| {
            (listing.complete && !made_names::is_made_here(known.unique_id)) || listed.lacks(known)
        };
        let since = state.hiding.suspected_since;
        let hidden = hidden(listing, records, would_show, self.gone_min(), since);
        match hidden {
            Hidden::None => {
                state.hiding.suspected_since = None;
                Ok(Hides::No)
            }
            Hidden::Seen { messages } => {
                self.note_hiding(state, messages).await?;
                Ok(Hides::Yes)
            }
            Hidden::Renamed { messages, others } => {
                if since.is_none() {
                    // The same listing notes as gone the messages that raise the suspicion.
                    state.hiding.suspected_since = Some(self.with.clock.now());
                    self.with.seen.save_state(state.clone()).await?;
                }
                Ok(Hides::Perhaps { messages, others })
            }
        }
    }

    /// Settles the suspicion of a session with the digests of what it retrieved: if all that are
    /// gone were listed under other unique-ids, only so many could be others. Returns whether the
    /// server hides retrieved messages. Called before QUIT, which must not follow a crash here.
    ///
    /// # Errors
    /// The store fails.
    pub(super) async fn settle_hiding(
        &self,
        hides: Hides,
        found: Findings,
        state: &mut AccountState,
        begun: Timestamp,
    ) -> Result<bool, SessionError> {
        let Hides::Perhaps { messages, others } = hides else {
            return Ok(hides.is_known());
        };
        if found.unexplained <= others as u64 || found.renamed >= found.unexplained {
            return Ok(false);
        }
        // What this session retrieved may be listed again until its QUIT is confirmed.
        state.hiding.without_quit = true;
        state.hiding.retrieved_since = Some(begun);
        self.note_hiding(state, messages).await?;
        Ok(true)
    }

    /// Notes whether the messages that were retrieved show that a server without unique-ids hides
    /// retrieved messages. `would_show` says whether they would include the message of a record.
    ///
    /// # Errors
    /// The store fails.
    pub(in crate::session) async fn notice_hidden(
        &self,
        listing: &Listing,
        records: &Records,
        would_show: &(dyn Fn(&Known<'_>) -> bool + Sync),
        state: &mut AccountState,
    ) -> Result<(), SessionError> {
        let hidden = hidden(listing, records, would_show, self.gone_min(), None);
        match hidden {
            // The digests are the unique-ids, so no message can have another one.
            Hidden::Seen { messages } | Hidden::Renamed { messages, .. }
                if !state.hiding.hides_retrieved =>
            {
                self.note_hiding(state, messages).await
            }
            _ => Ok(()),
        }
    }

    /// How many retrieved messages are gone at least if the server hides them. If all delivered
    /// messages are deleted, no others can be seen to be gone.
    fn gone_min(&self) -> usize {
        if self.visit.retention == Retention::Delete {
            1
        } else {
            limits::HIDDEN_MESSAGES_MIN
        }
    }

    async fn note_hiding(
        &self,
        state: &mut AccountState,
        messages: usize,
    ) -> Result<(), SessionError> {
        state.hiding.suspected_since = None;
        state.hiding.hides_retrieved = true;
        state.hiding.hides_since = Some(self.with.clock.now());
        self.with.seen.save_state(state.clone()).await?;
        self.with.reporter.say(Event::Quirk {
            account: &self.visit.account,
            quirk: Quirk::RetrievedMailHidden { messages },
        });
        Ok(())
    }

    /// Whether a server that was observed to hide retrieved messages still does. One that lists
    /// messages which were retrieved since, in a session with a confirmed QUIT, hides nothing:
    /// another program had deleted the missing ones.
    async fn hides_still(
        &self,
        listed: &ListedNow,
        records: &Records,
        state: &mut AccountState,
    ) -> Result<Hides, SessionError> {
        let since = *state
            .hiding
            .hides_since
            .get_or_insert(self.with.clock.now());
        let is_since =
            |record: &Record| matches!(record.state, State::Delivered { at } if at > since);
        if state.hiding.without_quit || !lists_retrieved(&listed.listing, records, is_since) {
            return Ok(Hides::Yes);
        }
        state.hiding.hides_retrieved = false;
        state.hiding.hides_since = None;
        let account = &self.visit.account;
        self.with.seen.save_state(state.clone()).await?;
        self.with.reporter.say(Event::Quirk {
            account,
            quirk: Quirk::RetrievedMailListed,
        });
        Ok(Hides::No)
    }
}

/// Whether a message with such a record is listed that was retrieved whole.
fn lists_retrieved(listing: &Listing, records: &Records, which: impl Fn(&Record) -> bool) -> bool {
    let mut listed = ListingCursor::new(listing);
    records.iter().any(|known| {
        let (record, notes) = (&known.record, &known.record.notes);
        let is_retrieved =
            which(record) && known.digest.is_some() && notes.asked.is_none() && !notes.displaced;
        let positions = listed.positions(known.unique_id).unwrap_or_default();
        let is_it = |at: &u32| {
            let entry = listing.get(*at as usize);
            entry.is_some_and(|entry| entry.octets.is_none() || entry.octets == record.octets)
        };
        is_retrieved && positions.iter().any(is_it)
    })
}

/// Whether the message was listed by the last session, too, as far as is known.
fn was_there(record: &Record) -> bool {
    is_settled(record) && record.absent_since.is_none()
}

/// What a listing shows about messages that no destination accepted, that have no copy here, and
/// that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    /// None is, or another program deleted them: most messages ever retrieved are still listed, or
    /// few are gone.
    None,
    /// So many are hidden.
    Seen { messages: usize },
    /// The same, but all that are gone may be listed under other unique-ids, with so many others.
    Renamed { messages: usize, others: usize },
}

/// Whether retrieved messages are hidden. Those that are gone since a suspicion began count like
/// those that are gone now.
fn hidden(
    listing: &Listing,
    records: &Records,
    would_show: impl Fn(&Known<'_>) -> bool,
    gone_min: usize,
    suspected_since: Option<Timestamp>,
) -> Hidden {
    let is_late = |at: Timestamp| suspected_since.is_some_and(|since| at >= since);
    let was_there = |record: &Record| record.absent_since.is_none_or(is_late);
    let waits = |record: &Record| is_open(record) && was_there(record);
    if !records.unsettled().any(waits) {
        return Hidden::None;
    }
    let mut listed = ListingCursor::new(listing);
    let (mut hidden, mut gone, mut retrieved) = (0, 0, 0);
    let mut gone_now = Vec::new();
    for known in records.iter() {
        let (record, notes) = (&known.record, &known.record.notes);
        let is_there = listed.positions(known.unique_id).is_some();
        let was_listed = known.digest.is_some()
            && notes.asked.is_none()
            && !notes.displaced
            && would_show(&known);
        if was_listed {
            retrieved += 1;
            gone += usize::from(!is_there);
            hidden += usize::from(!is_there && waits(record));
        }
        if was_listed && !is_there && was_there(record) {
            gone_now.push(record.octets);
        }
    }
    let is_enough = gone >= gone_min && gone * 2 >= retrieved;
    if hidden == 0 || !is_enough {
        return Hidden::None;
    }
    match others_if_renamed(gone_now, listing, records) {
        Some(others) => Hidden::Renamed {
            messages: hidden,
            others,
        },
        None => Hidden::Seen { messages: hidden },
    }
}

/// If messages with these octets, which were listed until now, may be listed under other
/// unique-ids, how many others with unknown unique-ids are listed. They may be if there are
/// several, and as many new ones with the same octets.
fn others_if_renamed(
    mut gone: Vec<Option<u64>>,
    listing: &Listing,
    records: &Records,
) -> Option<usize> {
    if gone.len() < limits::HIDDEN_MESSAGES_MIN {
        return None;
    }
    let entries = (0..listing.len()).filter_map(|at| listing.get(at));
    let is_new = |entry: &Entry<'_>| records.of(entry.unique_id).next().is_none();
    let mut new: Vec<_> = entries.filter(is_new).map(|entry| entry.octets).collect();
    new.sort_unstable();
    gone.sort_unstable();
    let others = new.len().checked_sub(gone.len())?;
    let mut new = new.into_iter();
    // Both are sorted, so each search goes on after the last one.
    let are_there = gone.iter().all(|octets| new.any(|one| one == *octets));
    are_there.then_some(others)
}
