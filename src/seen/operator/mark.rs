//! The operator's order that messages count as seen, or as delivered.

use std::collections::BTreeSet;

use crate::mail::{AccountName, Entry, HeadDigest, Listing, Timestamp, UniqueId};
use crate::seen::{
    Change, Changed, Known, Marker, Notes, OperatorError, OperatorsWord, Record, RecordKey,
    Records, Seen, State, StoreError, Trust,
};

impl Seen {
    /// Marks messages as seen, or as delivered. Delivered messages do not change; messages with a
    /// copy in the quarantine change only if they are marked as delivered. A message that came
    /// shorter than announced may be deleted once it is marked as delivered.
    ///
    /// # Errors
    /// The errors of the store.
    pub async fn mark(
        &self,
        account: &AccountName,
        unique_ids: &[UniqueId],
        trust: Trust,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<Changed, OperatorError> {
        let records = self.records(account).await?;
        let mut changes = Vec::new();
        let mut counts = Changed::default();
        for id in unique_ids.iter().collect::<BTreeSet<_>>() {
            let marked = mark_one(&records, id, trust, now);
            if marked.is_empty() {
                counts.left += 1;
            } else {
                counts.changed += 1;
                changes.extend(marked);
            }
        }
        self.account(account).change(changes).await?;
        if trust == Trust::Delivered && counts.changed > 0 {
            self.are_listed_still(account).await?;
        }
        Ok(counts)
    }

    /// Marks all messages of a listing as seen, or as delivered. Delivered messages do not change,
    /// unless the listing makes them doubtful: then the operator's order settles the doubt as a
    /// mark, which is never deleted. Messages with a copy in the quarantine keep it. `heads` are
    /// those that the server showed, by position in the listing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn mark_listed(
        &self,
        account: &AccountName,
        (listing, heads): (&Listing, &[Option<HeadDigest>]),
        trust: Trust,
        now: Timestamp,
        _: &OperatorsWord,
    ) -> Result<Changed, OperatorError> {
        let records = self.records(account).await?;
        let mut changes = Vec::new();
        let mut counts = Changed::default();
        for group in listing.groups() {
            let entries: Vec<Entry<'_>> = group
                .iter()
                .filter_map(|at| listing.get(*at as usize))
                .collect();
            let head = match group {
                [at] => heads.get(*at as usize).copied().flatten(),
                // One record stands for all of them.
                _ => None,
            };
            let marked = mark_group(&records, (&entries, head), trust, now);
            if marked.is_empty() {
                counts.left += 1;
            } else {
                counts.changed += 1;
                changes.extend(marked);
            }
        }
        self.account(account).change(changes).await?;
        // The operator has acted, so a held account need not wait.
        let mut state = self.account_state(account).await?;
        if state.pacing.hold.take().is_some() {
            self.account(account).save_state(state).await?;
        }
        if trust == Trust::Delivered && counts.changed > 0 {
            self.are_listed_still(account).await?;
        }
        Ok(counts)
    }

    /// No session of ours retrieved the messages that the operator marks as delivered: a server
    /// that hides retrieved messages lists more only after they are retrieved.
    pub(in crate::seen) async fn are_listed_still(
        &self,
        account: &AccountName,
    ) -> Result<(), StoreError> {
        let mut state = self.account_state(account).await?;
        state.hiding.without_quit = true;
        self.account(account).save_state(state).await
    }
}

/// The changes that mark all messages listed under one unique-id; empty if none is needed.
fn mark_group(
    records: &Records,
    (entries, head): (&[Entry<'_>], Option<HeadDigest>),
    trust: Trust,
    now: Timestamp,
) -> Vec<Change> {
    let Some(first) = entries.first() else {
        return Vec::new();
    };
    let known: Vec<_> = records.of(first.unique_id).map(Known::into_pair).collect();
    let copies = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    if needs_no_mark(&known, entries, trust) {
        return Vec::new();
    }
    let kept = |record: &Record| record.kept().is_some();
    // Messages with a copy keep their own key; one mark covers everything else.
    let mut changes: Vec<Change> = known
        .iter()
        .map(|(key, record)| {
            let as_listed = Record {
                octets: first.octets.or(record.octets),
                absent_since: None,
                ..record.clone()
            };
            if kept(record) {
                Change::Put(key.clone(), as_listed)
            } else {
                Change::Forget(key.clone())
            }
        })
        .collect();
    let with_copy: u32 = known
        .iter()
        .filter(|(_, record)| kept(record))
        .map(|(_, record)| record.copies)
        .sum();
    if copies > with_copy {
        let state = match trust {
            Trust::Delivered => State::Delivered { at: now },
            Trust::Seen => State::Marked {
                at: now,
                by: Marker::Operator,
            },
        };
        // If the sizes differ, none of them is the size of all.
        let alike = entries.iter().all(|entry| entry.octets == first.octets);
        let record = Record {
            octets: first.octets.filter(|_| alike),
            copies: copies - with_copy,
            absent_since: None,
            head,
            state,
            notes: Notes::default(),
        };
        changes.push(Change::Put(RecordKey::new(first.unique_id(), None), record));
    }
    changes
}

/// Whether every message listed under one unique-id is already handled without doubt.
fn needs_no_mark(known: &[(RecordKey, Record)], entries: &[Entry<'_>], trust: Trust) -> bool {
    let settled = |record: &Record| match &record.state {
        State::Delivered { .. } | State::Quarantined { .. } => true,
        State::Marked { .. } => trust == Trust::Seen,
        State::Deferred(_) => record.kept().is_some(),
        State::Oversized { .. } => false,
    };
    let beyond_doubt = |record: &Record| {
        let sized = |entry: &Entry<'_>| {
            entry.octets.is_none() || record.octets.is_none() || entry.octets == record.octets
        };
        record.absent_since.is_none() && entries.iter().all(sized)
    };
    let covered: usize = known.iter().map(|(_, record)| record.copies as usize).sum();
    covered >= entries.len()
        && known
            .iter()
            .all(|(_, record)| settled(record) && beyond_doubt(record))
}

/// The changes that mark one message; empty if none is needed.
fn mark_one(records: &Records, id: &UniqueId, trust: Trust, now: Timestamp) -> Vec<Change> {
    let known: Vec<_> = records.of(id.as_bytes()).map(Known::into_pair).collect();
    let settled = |record: &Record| match (&record.state, trust) {
        (State::Delivered { .. }, Trust::Delivered) => !record.notes.octets_differ,
        (State::Delivered { .. }, Trust::Seen) => true,
        (_, Trust::Delivered) => false,
        (State::Marked { .. } | State::Quarantined { .. }, Trust::Seen) => true,
        (State::Deferred(deferral), Trust::Seen) => deferral.parked.is_some(),
        (State::Oversized { .. }, Trust::Seen) => false,
    };
    if !known.is_empty() && known.iter().all(|(_, record)| settled(record)) {
        return Vec::new();
    }
    let state = match trust {
        Trust::Delivered => State::Delivered { at: now },
        Trust::Seen => State::Marked {
            at: now,
            by: Marker::Operator,
        },
    };
    let fresh = |octets, copies| Record {
        octets,
        copies,
        absent_since: None,
        head: None,
        state: state.clone(),
        notes: Notes::default(),
    };
    if known.is_empty() {
        let key = RecordKey::new(id.clone(), None);
        return vec![Change::Put(key, fresh(None, 1))];
    }
    let marked = |record: &Record| match record.state {
        State::Delivered { .. } => Record {
            notes: record.notes.accepted(),
            ..record.clone()
        },
        _ => fresh(record.octets, record.copies),
    };
    let open = known.iter().filter(|(_, record)| !settled(record));
    open.map(|(key, record)| Change::Put(key.clone(), marked(record)))
        .collect()
}
