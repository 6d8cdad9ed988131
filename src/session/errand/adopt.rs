//! Finding messages again after their maildrop changed as a whole: by size and header, without
//! retrieving them.
//!
//! What is found counts as marked: it is neither retrieved nor deleted, because a header proves no
//! delivery.

use std::collections::{BTreeMap, HashMap};

use crate::mail::{HeadDigest, HeadDigests, Listing, PollLimits, Timestamp};
use crate::seen::{
    Batch, Change, Marker, Notes, OperatorsWord, Record, RecordKey, Records, State, Trust,
};
use crate::session::errand::fetched::Fetched;
use crate::session::errand::pause;
use crate::session::judge::plan::{Circumstances, Disposition, Names, Why, plan};
use crate::session::judge::quota::comparing;
use crate::session::run::moved;
use crate::session::server::heads::HEADERS_AT_ONCE;
use crate::session::server::listing;
use crate::session::{Collaborators, Counts, SessionError, Visit};

/// What came of looking at a maildrop anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages listed.
    pub listed: u64,
    /// Messages that were known, and beyond doubt.
    pub known: u64,
    /// Messages found to be ones that were in hand before; they are left as they are from now on.
    pub found: u64,
    /// Messages that will be retrieved, as new or to be compared.
    pub left: u64,
}

/// What to do with messages that cannot be told from ones that were in hand before or were marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Change nothing and say so.
    Ask,
    /// They are new, on the operator's word.
    New,
}

/// Logs in, lists, and looks at the header of every message that is unknown or doubtful. Messages
/// that were in hand before are marked as seen, or stay delivered where `trust` is
/// [`Trust::Delivered`]; the others go through at the next poll.
///
/// # Errors
/// What ends a session, and the store. Nothing is changed then, or a part that the same command completes.
pub async fn adopt(
    visit: &Visit,
    with: &Collaborators,
    trust: Trust,
    rest: Rest,
    word: &OperatorsWord,
) -> Result<Adopted, SessionError> {
    let mut maildrop = pause::enter(visit, with).await?;
    let listed = listing::list(&mut maildrop, &with.stop.place).await?;
    moved::settle(visit, with, &mut maildrop, &listed).await?;
    let listed = listed.with_unique_ids()?;
    let now = with.clock.now();
    let records = with.seen.records(&visit.account).await?;
    let open = open(visit, &listed, &records, now);
    let mut search = Search::new(&listed, &records, &open, trust, now);
    // QUIT would hide what was retrieved; TOP hides nothing.
    let was_seen_to = with
        .seen
        .account_state(&visit.account)
        .await?
        .hides_retrieved;
    let may_retrieve = !(visit.hides_retrieved || maildrop.hides_retrieved() || was_seen_to);
    for window in open.chunks(HEADERS_AT_ONCE) {
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
                        return Err(SessionError::Lost {
                            during: "because a message was larger than LIST said",
                        });
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
        limits,
        comparing: comparing(limits, &Counts::default()),
        now,
        clock_trusted: true,
        pops: false,
        names: Names::default(),
        leaves_out_struck: false,
    };
    let plan = plan(listing, records, &circumstances);
    let is_open = |(at, disposition): (u32, &Disposition)| match disposition {
        Disposition::Retrieve(Why::New | Why::Doubt) => Some(at),
        _ => None,
    };
    (0..).zip(&plan.dispositions).filter_map(is_open).collect()
}

/// The search for what was in hand before among what is listed now.
struct Search<'a> {
    listing: &'a Listing,
    records: &'a Records,
    trust: Trust,
    now: Timestamp,
    /// Records of messages that were in hand and are listed no more, by header, with how many
    /// copies are still to be found.
    candidates: HashMap<HeadDigest, Vec<(RecordKey, Record, u32)>>,
    changes: BTreeMap<RecordKey, Change>,
    /// How often each message was found.
    taken: HashMap<RecordKey, u32>,
    /// Messages that were known when they were last listed, and have no header to be found by.
    headless: u64,
    /// Messages whose header the server would not show.
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
            // What is listed and beyond doubt is where it was. What is doubtful may be elsewhere: a
            // server that numbers its messages anew gives each the name of another.
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
            if record.head.is_none()
                && record.absent_since.is_none()
                && (is_marked || is_settled(&record))
            {
                headless += u64::from(record.copies.max(1));
            }
            // The operator has seen that it is gone.
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

    /// Whether what was not found may be among what could not be compared.
    fn is_blind(&self, open: usize) -> bool {
        self.found < open as u64 && !self.records.is_empty() && self.headless + self.unheard > 0
    }

    /// Letting the rest through could deliver it again, and that is for the operator to say.
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

    /// Finds the message by header and size, or by header alone behind the unique-id that it had
    /// before.
    fn settle_by_header(&mut self, at: usize, head: HeadDigests) -> bool {
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

    /// Whether a message with this header was in hand, of another size: servers count line ends
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

    /// The message at this position is the one of this record.
    fn take(&mut self, at: usize, old: &RecordKey, record: &Record) {
        let Some(entry) = self.listing.get(at) else {
            return;
        };
        self.found += 1;
        let key = RecordKey::new(entry.unique_id(), old.digest);
        // Equal messages that have one copy in the quarantine and are listed under one name have
        // one record.
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
            // The copy has one record already; this is an equal message, as settled as that.
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
        // A copy in the quarantine has one record, under the name that the server uses now.
        if record.kept().is_some() && *old != key {
            let forget = Change::Forget(old.clone());
            self.changes.insert(old.clone(), forget);
        }
        // A mark covers what is there now and nothing that comes; a record of what was in hand
        // covers what it did before.
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
            // A header tells nothing of the rest: what forbids or delays a delete stays.
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
        // What was found elsewhere has its record there, and is looked for no more.
        for (old, _, left) in self.candidates.values().flatten() {
            if *left == 0 && !self.taken.contains_key(old) {
                self.changes
                    .insert(old.clone(), Change::Forget(old.clone()));
            }
        }
        // A copy must have a record at every instant: the new ones first, and only then the old
        // ones go.
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

/// Whether the message was in hand whole, and needs no further offer of the server's copy.
fn is_settled(record: &Record) -> bool {
    match &record.state {
        State::Delivered { .. } | State::Quarantined { .. } => true,
        State::Deferred(deferral) => deferral.parked.is_some(),
        State::Marked { .. } | State::Oversized { .. } => false,
    }
}

/// Makes the changes durable, and lets through what was not found.
async fn commit(
    visit: &Visit,
    with: &Collaborators,
    records: &Records,
    changes: Vec<Change>,
    word: &OperatorsWord,
) -> Result<(), SessionError> {
    for changes in changes.chunks(CHANGES_AT_ONCE) {
        let batch = Batch {
            changes: changes.to_vec(),
            ..Batch::new(records.account())
        };
        with.seen.import(batch, word).await?;
    }
    let mut state = with.seen.account_state(&visit.account).await?;
    state.adopted = true;
    // The operator has said what the messages of this maildrop are.
    state.set_maildrop(&visit.maildrop());
    // No session of ours has retrieved what was found where it is now.
    state.retrieved_without_quit = true;
    state.hold = None;
    Ok(with.seen.save_state(&visit.account, state).await?)
}

/// Changes in one batch: a batch is in memory whole.
const CHANGES_AT_ONCE: usize = 1_000;
