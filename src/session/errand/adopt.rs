//! Finds messages again by size and header after their maildrop changed as a whole, without
//! retrieving them.
//!
//! A found message counts as marked: it is neither retrieved nor deleted, because a header does not
//! prove that the message was delivered.

use std::collections::{BTreeMap, HashMap};

use crate::mail::{HeadDigest, HeadDigests, Listing, PollLimits, Timestamp, limits};
use crate::seen::{
    Batch, Change, Marker, Notes, OperatorsWord, Record, RecordKey, Records, State, Trust,
};
use crate::session::errand::fetched::Fetched;
use crate::session::errand::pause;
use crate::session::judge::disposition::{Circumstances, Disposition, Names, Why};
use crate::session::judge::plan::plan;
use crate::session::judge::quota::comparing;
use crate::session::run::moved;
use crate::session::server::listing;
use crate::session::{Collaborators, Counts, SessionError, Visit};

/// The result of an adoption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages listed.
    pub listed: u64,
    /// Messages that were known without doubt.
    pub known: u64,
    /// Messages that were found to be known ones; they are left on the server from now on.
    pub found: u64,
    /// Messages that will be retrieved, as new or to be compared.
    pub left: u64,
}

/// What to do with messages that cannot be distinguished from known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Change nothing, and return an error that explains it.
    Ask,
    /// They are new: the operator has confirmed it.
    New,
}

/// Logs in, lists, and looks at the header of every message that is unknown or doubtful. Messages
/// that were known before are marked as seen, or stay delivered if `trust` is [`Trust::Delivered`];
/// the next poll retrieves the others.
///
/// # Errors
/// The errors of a session and of the store. After an error nothing is changed, or a part that the
/// same command completes.
pub async fn adopt(
    visit: &Visit,
    with: &Collaborators,
    trust: Trust,
    rest: Rest,
    word: &OperatorsWord,
) -> Result<Adopted, SessionError> {
    with.check(visit)?;
    let mut maildrop = pause::enter(visit, with).await?;
    let listed = listing::list(&mut maildrop, &with.stop.place).await?;
    moved::settle(visit, with, &mut maildrop, &listed).await?;
    let listed = listed.with_unique_ids()?;
    let now = with.clock.now();
    let records = with.seen.records().await?;
    let open = open(visit, &listed, &records, now);
    let mut search = Search::new(&listed, &records, &open, trust, now);
    // QUIT would hide the messages that an earlier session retrieved; TOP hides nothing.
    let was_seen_to = with.seen.state().await?.hiding.hides_retrieved;
    let may_retrieve = !(visit.hides_retrieved || maildrop.hides_retrieved() || was_seen_to);
    for window in open.chunks(limits::HEADS_AT_ONCE_MAX) {
        let heads = maildrop.heads(&listed, window).await?;
        for (at, head) in window.iter().zip(heads) {
            search.unheard += u64::from(head.is_none());
            if let Some(head) = head
                && !search.settle_by_header(*at as usize, head)
                && may_retrieve
                && search.resembles(*at as usize, head)
            {
                let came = maildrop
                    .digest_at(&listed, *at as usize, visit, with)
                    .await?;
                let found = match came {
                    Fetched::Digest(digest) => Some(digest),
                    Fetched::Refused(_) => None,
                    Fetched::TooLarge => {
                        return Err(SessionError::Closed(
                            "because a message was larger than LIST said",
                        ));
                    }
                };
                search.settle_by_digest(*at as usize, found);
            }
        }
    }
    if rest == Rest::Ask && search.is_blind(open.len()) {
        maildrop.quit().await;
        return Err(search.cannot_compare(visit, open.len()));
    }
    let found = search.found;
    commit(visit, with, &records, search.into_changes(), word).await?;
    maildrop.quit().await;
    let count = |count: usize| count as u64;
    Ok(Adopted {
        listed: count(listed.len()),
        known: count(listed.len() - open.len()),
        found,
        left: count(open.len()) - found,
    })
}

/// Positions of the messages that a poll without limits would retrieve as new or doubtful.
fn open(visit: &Visit, listing: &Listing, records: &Records, now: Timestamp) -> Vec<u32> {
    let limits = PollLimits {
        messages_max: None,
        octets_max: None,
        ..visit.limits
    };
    let circumstances = Circumstances {
        retention: visit.retention,
        order: visit.order,
        limits,
        comparing: comparing(limits, &Counts::default()),
        now,
        clock_trusted: true,
        pops: false,
        names: Names::default(),
        leaves_out_struck: false,
        retry_first: false,
    };
    let plan = plan(listing, records, &circumstances);
    let is_open = |(at, disposition): (u32, &Disposition)| match disposition {
        Disposition::Retrieve(Why::New | Why::Doubt) => Some(at),
        _ => None,
    };
    (0..).zip(&plan.dispositions).filter_map(is_open).collect()
}

/// The search for known messages in the present listing.
struct Search<'a> {
    listing: &'a Listing,
    records: &'a Records,
    trust: Trust,
    now: Timestamp,
    /// Records of known messages that are not listed any more, by header, with the number of copies
    /// that are still to be found.
    candidates: HashMap<HeadDigest, Vec<(RecordKey, Record, u32)>>,
    changes: BTreeMap<RecordKey, Change>,
    /// How often each message was found.
    taken: HashMap<RecordKey, u32>,
    /// Messages that were known when they were last listed, but have no header digest.
    headless: u64,
    /// Messages whose header the server did not show.
    unheard: u64,
    found: u64,
}

impl<'a> Search<'a> {
    fn new(
        listing: &'a Listing,
        records: &'a Records,
        open: &[u32],
        trust: Trust,
        now: Timestamp,
    ) -> Self {
        let mut candidates: HashMap<_, Vec<_>> = HashMap::new();
        let mut changes = BTreeMap::new();
        let mut headless = 0;
        for known in records.iter() {
            // A message that is listed without doubt did not move. A doubtful one may be elsewhere:
            // a server that numbers its messages again gives each the unique-id of another.
            let positions = listing.positions(known.unique_id);
            if positions.iter().any(|at| open.binary_search(at).is_err()) {
                continue;
            }
            let is_listed = !positions.is_empty();
            let (key, record) = known.into_pair();
            if let (Some(head), true) = (record.head, is_settled(&record)) {
                let candidate = (key.clone(), record.clone(), record.copies.max(1));
                candidates.entry(head).or_default().push(candidate);
            }
            let is_marked = matches!(record.state, State::Marked { .. });
            // Without a digest, only a head with Message-ID and Date can show that it is the same.
            let cannot_be_compared = match record.head {
                None => true,
                Some(head) => key.digest.is_none() && !head.has_origin(),
            };
            if cannot_be_compared
                && record.absent_since.is_none()
                && (is_marked || is_settled(&record))
            {
                headless += u64::from(record.copies.max(1));
            }
            // The operator has seen that the message is gone.
            if record.absent_since.is_none() && listing.complete && !is_listed {
                let absent_since = Some(now);
                let gone = Record {
                    absent_since,
                    ..record
                };
                changes.insert(key.clone(), Change::Put(key, gone));
            }
        }
        Self {
            listing,
            records,
            trust,
            now,
            candidates,
            changes,
            taken: HashMap::new(),
            headless,
            unheard: 0,
            found: 0,
        }
    }

    /// Whether a message that was not found may be one of those that could not be compared.
    fn is_blind(&self, open: usize) -> bool {
        self.found < open as u64 && !self.records.is_empty() && self.headless + self.unheard > 0
    }

    /// The error when messages cannot be compared: retrieving the rest could deliver it again, so
    /// the operator must decide.
    fn cannot_compare(&self, visit: &Visit, open: usize) -> SessionError {
        let account = &visit.account;
        let Self {
            found,
            headless,
            unheard,
            ..
        } = self;
        SessionError::Account {
            code: "adopt_cannot_compare",
            words: format!(
                "{found} of {open} unknown messages were recognised by their header. The others \
                 may be new, or may be among the {headless} messages that are recorded without a \
                 header; the server showed no header of {unheard}. Nothing was changed"
            ),
            hint: format!(
                "Run `mailferry seen adopt {account} --rest-is-new` to treat those that were not \
                 recognised as new; or `mailferry seen mark {account} --all-listed` to skip all \
                 messages that are listed now"
            ),
        }
    }

    /// Finds the message by header and size, or by header alone if it has the unique-id that it had
    /// before. A header without Message-ID and Date proves nothing: mail of a device may have the
    /// same one each time.
    fn settle_by_header(&mut self, at: usize, head: HeadDigests) -> bool {
        if !head.parted.has_origin() {
            return false;
        }
        let Some(entry) = self.listing.get(at) else {
            return false;
        };
        let mut own = self.records.of(entry.unique_id);
        let found = own.find(|own| {
            own.record.head.is_some_and(|of| head.are_like(of)) && is_settled(&own.record)
        });
        if let Some(found) = found {
            let (key, record) = found.into_pair();
            let of_it = record.head.and_then(|head| self.candidates.get_mut(&head));
            let candidates = of_it.into_iter().flatten();
            for candidate in candidates.filter(|candidate| candidate.0 == key) {
                candidate.2 = candidate.2.saturating_sub(1);
            }
            self.take(at, &key, &record);
            return true;
        }
        let alike = |record: &Record| entry.octets.is_some() && record.octets == entry.octets;
        let found = [head.parted, head.whole].into_iter().find_map(|head| {
            let found = self
                .candidates
                .get_mut(&head)?
                .iter_mut()
                .find(|(_, record, copies)| *copies > 0 && alike(record))?;
            found.2 -= 1;
            Some((found.0.clone(), found.1.clone()))
        });
        found.is_some_and(|(key, record)| {
            self.take(at, &key, &record);
            true
        })
    }

    /// Whether a known message of another size has this header: servers count line ends
    /// differently.
    fn resembles(&self, at: usize, head: HeadDigests) -> bool {
        let is_left = |head: &HeadDigest| {
            let candidates = self.candidates.get(head);
            candidates.is_some_and(|all| all.iter().any(|(_, _, copies)| *copies > 0))
        };
        self.listing.get(at).is_some() && [head.parted, head.whole].iter().any(is_left)
    }

    fn settle_by_digest(&mut self, at: usize, digest: Option<crate::mail::Digest>) {
        let found = self
            .candidates
            .values_mut()
            .flatten()
            .find(|(key, _, copies)| *copies > 0 && digest.is_some() && key.digest == digest);
        let Some((key, record, copies)) = found else {
            return;
        };
        *copies -= 1;
        let (key, record) = (key.clone(), record.clone());
        self.take(at, &key, &record);
    }

    /// Notes that the message at this position is the one of this record.
    fn take(&mut self, at: usize, old: &RecordKey, record: &Record) {
        let Some(entry) = self.listing.get(at) else {
            return;
        };
        self.found += 1;
        let key = RecordKey::new(entry.unique_id(), old.digest);
        // Equal messages that have one copy in the quarantine and one unique-id have one record.
        if let Some(Change::Put(_, known)) = self.changes.get_mut(&key)
            && *old != key
            && known.kept().is_some()
        {
            known.copies = known.copies.saturating_add(1);
            return;
        }
        let taken = self.taken.entry(key.clone()).or_default();
        *taken += 1;
        let taken = *taken;
        let state = match (&record.state, self.trust) {
            // The copy has one record already; this is an equal message, and needs nothing more
            // either.
            _ if record.kept().is_some() && self.changes.get(old).is_some_and(is_forget) => {
                State::Marked {
                    at: self.now,
                    by: Marker::Adopt,
                }
            }
            (State::Delivered { at }, Trust::Seen) => State::Marked {
                at: *at,
                by: Marker::Adopt,
            },
            (state, _) => state.clone(),
        };
        // A copy in the quarantine has one record, under the unique-id that the server uses now.
        if record.kept().is_some() && *old != key {
            let forget = Change::Forget(old.clone());
            self.changes.insert(old.clone(), forget);
        }
        // A mark covers the messages that are listed now, and none that arrives later; the record
        // of a retrieved message covers as many copies as before.
        let copies = match &state {
            State::Marked { .. } => taken,
            _ if *old == key => record.copies.max(taken),
            _ => taken,
        };
        let record = Record {
            octets: entry.octets.or(record.octets),
            copies,
            absent_since: None,
            state,
            // A header says nothing about the body: notes that forbid or delay a delete stay.
            notes: Notes {
                octets_differ: record.notes.octets_differ,
                octets_accepted: record.notes.octets_accepted,
                by_head: record.notes.by_head,
                out_of_step: record.notes.out_of_step,
                ..Notes::default()
            },
            ..record.clone()
        };
        self.changes.insert(key.clone(), Change::Put(key, record));
    }

    fn into_changes(mut self) -> Vec<Change> {
        // A message that was found elsewhere has its record there; it is not searched for any more.
        for (old, _, left) in self.candidates.values().flatten() {
            if *left == 0 && !self.taken.contains_key(old) {
                self.changes
                    .insert(old.clone(), Change::Forget(old.clone()));
            }
        }
        // A copy must have a record at every instant: the new records are written first, and only
        // then the old ones are removed.
        let (puts, forgets): (Vec<_>, Vec<_>) = self
            .changes
            .into_values()
            .partition(|change| matches!(change, Change::Put(..)));
        puts.into_iter().chain(forgets).collect()
    }
}

fn is_forget(change: &Change) -> bool {
    matches!(change, Change::Forget(_))
}

/// Whether the message was retrieved whole, and the server's copy need not be offered again.
fn is_settled(record: &Record) -> bool {
    match &record.state {
        State::Delivered { .. } | State::Quarantined { .. } => true,
        State::Deferred(deferral) => deferral.parked.is_some(),
        State::Marked { .. } | State::Oversized { .. } => false,
    }
}

/// Makes the changes durable, and lets the next poll retrieve the messages that were not found.
async fn commit(
    visit: &Visit,
    with: &Collaborators,
    records: &Records,
    changes: Vec<Change>,
    word: &OperatorsWord,
) -> Result<(), SessionError> {
    for changes in changes.chunks(limits::BATCH_CHANGES_MAX) {
        let batch = Batch {
            changes: changes.to_vec(),
            ..records.batch()
        };
        with.seen.import(batch, word).await?;
    }
    let mut state = with.seen.state().await?;
    state.maildrop.adopted = true;
    // The operator has confirmed what the messages of this maildrop are.
    state.set_maildrop(&visit.maildrop());
    // No session of ours has retrieved the found messages from this maildrop.
    state.hiding.without_quit = true;
    state.pacing.hold = None;
    Ok(with.seen.save_state(state).await?)
}
