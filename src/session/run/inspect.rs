//! Requests heads before the plan is made: they show how far unique-ids prove anything here, and
//! which listed message is not the recorded one.

use std::collections::HashSet;
use std::iter;

use crate::mail::{DAY_SECONDS, Entry, Listing, Timestamp, limits};
use crate::seen::{AccountState, Change, Known, Record, RecordKey, Records, State};
use crate::session::judge::absence::ListingCursor;
use crate::session::judge::disposition::{Circumstances, Names, Plan};
use crate::session::judge::heads_said::{Head, Heads};
use crate::session::judge::marks_together::{MarksTogether, is_head_of, is_mark};
use crate::session::judge::plan::plan_with_heads;
use crate::session::judge::short::Short;
use crate::session::judge::{counters, made_names, new_count, session_limit};
use crate::session::long::long;
use crate::session::server::asking::Asking;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{Collaborators, SessionError, Visit};
use crate::telemetry::{Event, Quirk};

/// What to inspect, and for which session.
pub(in crate::session) struct Inspection<'a> {
    pub(in crate::session) visit: &'a Visit,
    pub(in crate::session) with: &'a Collaborators,
    pub(in crate::session) listing: &'a Listing,
    pub(in crate::session) records: &'a Records,
    /// What this session is for, if the server ends each one after a few commands.
    pub(in crate::session) short: Option<Short>,
}

impl Inspection<'_> {
    /// Makes the plan of one session. Requests heads if they decide something, and makes durable
    /// what they show, however the session ends. Messages for whose heads there is no time are left
    /// for the next session.
    ///
    /// # Errors
    /// The errors of the store.
    pub(in crate::session) async fn plan(
        &self,
        asking: &mut Asking<'_>,
        state: &mut AccountState,
        circumstances: Circumstances,
    ) -> Result<Plan, SessionError> {
        let mut circumstances = circumstances;
        circumstances.names = self.long(|| self.names(asking.maildrop, state, circumstances.now));
        let (mut heads, mut noted) = (Heads::default(), HashSet::new());
        let heads_work = circumstances.names.heads_work;
        let with_work = |short: Short| {
            let mut heads = Heads::default();
            if heads_work {
                heads.end();
            }
            short.with_work(&self.sketch(&circumstances, &heads), heads_work)
        };
        let short = self.short.map(with_work);
        if circumstances.names.are_counted {
            let samples = short.is_none_or(Short::samples);
            self.look_for_a_new_count(asking, state, (&mut circumstances, samples), &mut heads)
                .await?;
        }
        let samples = heads.count();
        let leaves_heads = short.is_some_and(|short| !short.asks_heads());
        if leaves_heads && circumstances.names.heads_work {
            heads.end();
        }
        let mut plan = self.sketch(&circumstances, &heads);
        if !plan.void_marks.is_empty() {
            circumstances.names.marks = self.marks_together(asking, state, &mut heads).await;
            plan = self.sketch(&circumstances, &heads);
        }
        let mut heads_left = false;
        // A head that was requested is not requested again, so this ends.
        while !plan.wants_heads.is_empty() {
            let mut wanted = std::mem::take(&mut plan.wants_heads);
            // A sample may be all that a delete needs.
            let enough = plan.deletes.len().saturating_sub(wanted.len());
            let asked = heads.count().saturating_sub(samples).max(enough);
            let is_cut = self.cut(&mut wanted, asked, state, circumstances.now);
            heads_left |= is_cut;
            // If messages are to be retrieved, they wait no longer than the session's time for
            // heads.
            let is_patient = plan.retrievals.is_empty();
            self.ask(asking, state, &wanted, &mut heads, is_patient)
                .await;
            if is_cut {
                heads.end();
            }
            plan = self.sketch(&circumstances, &heads);
            self.make_durable(&plan, &mut noted, &circumstances).await?;
        }
        plan.heads_left = heads_left || (short.is_some() && plan.heads_later);
        self.say_displaced(&plan);
        self.long(|| self.sample_by_digest(state, &circumstances, &heads, &mut plan));
        self.make_durable(&plan, &mut noted, &circumstances).await?;
        if let Some(short) = short.filter(|_| !circumstances.pops) {
            short.cut(&mut plan, heads.count());
        }
        Ok(plan)
    }

    /// Leaves heads to another session if the server ends sessions early, and so many are known.
    /// Returns whether it did.
    fn cut(
        &self,
        wanted: &mut Vec<u32>,
        asked: usize,
        state: &AccountState,
        now: Timestamp,
    ) -> bool {
        let most = session_limit::most(&state.odd, now);
        let Some(most) = most.filter(|_| self.visit.retention.deletes()) else {
            return false;
        };
        let before = wanted.len();
        wanted.truncate((most as usize).saturating_sub(asked));
        wanted.len() < before
    }

    fn sketch(&self, circumstances: &Circumstances, heads: &Heads) -> Plan {
        self.long(|| plan_with_heads(self.listing, self.records, circumstances, heads))
    }

    fn long<T>(&self, work: impl FnOnce() -> T) -> T {
        long(self.listing.len() + self.records.len(), work)
    }

    /// How far unique-ids prove anything here.
    pub(in crate::session) fn names(
        &self,
        maildrop: &OpenMaildrop,
        state: &AccountState,
        now: Timestamp,
    ) -> Names {
        let day_ago =
            |time: Option<Timestamp>| time.is_none_or(|time| !time.is_within(DAY_SECONDS, now));
        let unreliable = state.names.heads_unreliable;
        let deletes_ignored = state.deletes.found_again >= limits::DELETES_FOUND_AGAIN_MAX;
        let unknown_wait = state.names.are_unstable(now)
            && self.visit.retention != crate::mail::Retention::Delete
            && state.names.wait(now);
        let goes_through = state.names.are_unstable(now) && !unknown_wait && self.is_any_unknown();
        Names {
            are_counted: !self.records.is_empty() && self.are_counted(),
            began_again: state.names.began_again,
            heads_work: maildrop.may_show_heads()
                && unreliable
                    .is_none_or(|time| !time.is_within(limits::HEADS_UNRELIABLE_SECONDS, now)),
            unknown_wait,
            gone_through: goes_through
                .then(|| state.names.changed_until(now))
                .flatten(),
            deletes_ignored,
            one_delete: deletes_ignored && day_ago(state.deletes.lone),
            sizes_left_out: maildrop.left_out.list,
            marks: MarksTogether::default(),
        }
    }

    /// Whether a unique-id is listed that has no record.
    fn is_any_unknown(&self) -> bool {
        let mut next = 0;
        self.listing.groups().any(|group| {
            let entry = group.first().and_then(|at| self.listing.get(*at as usize));
            let range = entry.map(|entry| self.records.range_from(next, entry.unique_id));
            next = range.as_ref().map_or(next, |range| range.end);
            range.is_some_and(|range| range.is_empty())
        })
    }

    fn are_counted(&self) -> bool {
        let count = self.listing.len();
        let listed = (0..count).filter_map(|at| Some(self.listing.get(at)?.unique_id));
        // A unique-id made by mailferry shows nothing about those of the server.
        let recorded = self.records.unique_ids();
        let recorded = recorded.filter(|name| !made_names::is_made_here(name));
        counters::are_counted(listed.chain(recorded))
    }

    /// Whether the server began to count again: the head of the oldest or newest known message is
    /// that of another message, or an unknown unique-id is smaller than an earlier one.
    async fn look_for_a_new_count(
        &self,
        asking: &mut Asking<'_>,
        state: &mut AccountState,
        (circumstances, samples): (&mut Circumstances, bool),
        heads: &mut Heads,
    ) -> Result<(), SessionError> {
        let mut began_again = self.long(|| self.has_smaller_unknown(state.names.began_again));
        if circumstances.names.heads_work && samples {
            let samples = self.long(|| self.samples());
            let positions: Vec<u32> = samples.iter().map(|(at, _)| *at).collect();
            self.ask(asking, state, &positions, heads, false).await;
            began_again |= samples.iter().any(|(at, known)| {
                let Head::Shown(digests) = heads.get(*at) else {
                    return false;
                };
                // One message may have two records: as it was, and as the server sends it since.
                let records = self.records.of(known.unique_id);
                let mut known = records.filter_map(|known| known.record.head);
                // With its Message-ID, Date and From it is the same message, rewritten.
                let is_same =
                    |head| digests.are_like(head) || digests.have_origin_of(head) == Some(true);
                !known.any(is_same)
            });
        }
        if circumstances.names.heads_work && samples && !began_again {
            self.note_heads_of_marks(asking, state).await?;
        }
        if began_again {
            let (before, now) = (state.names.began_again, circumstances.now);
            let at = self.long(|| new_count::begins(before, self.records, now, now));
            circumstances.names.began_again = Some(at);
            self.note_began_again(state, at).await?;
        }
        Ok(())
    }

    /// Marks and confirmations of the operator have no head. The oldest and the newest get the one
    /// that is listed now, so that a new count is noticed later; but not one from before a new
    /// count, because that may be the head of another message.
    async fn note_heads_of_marks(
        &self,
        asking: &mut Asking<'_>,
        state: &mut AccountState,
    ) -> Result<(), SessionError> {
        let is_listed_mark = |entry: &Entry<'_>, known: &Known<'_>| {
            let is_sure = !new_count::is_before(&known.record, state.names.began_again);
            is_mark(known) && is_sure && known.record.octets == entry.octets
        };
        let headless = self
            .long(|| self.ends(is_listed_mark))
            .into_iter()
            .flatten();
        let headless: Vec<_> = headless
            .filter(|(_, known)| known.record.head.is_none())
            .collect();
        let positions: Vec<u32> = headless.iter().map(|(at, _)| *at).collect();
        let mut heads = Heads::default();
        self.ask(asking, state, &positions, &mut heads, false).await;
        let mut batch = self.records.batch();
        for (at, known) in headless {
            let (key, record) = known.into_pair();
            let head = match heads.get(at) {
                Head::Shown(digests) => Some(digests.parted),
                Head::NotAsked | Head::Later | Head::Refused => None,
            };
            let put = Change::Put(key, Record { head, ..record });
            batch.changes.extend(head.is_some().then_some(put));
        }
        Ok(self.with.seen.commit(batch, self.records).await?)
    }

    /// What all marks show together. The heads of the oldest and the newest are recorded.
    async fn marks_together(
        &self,
        asking: &mut Asking<'_>,
        state: &mut AccountState,
        heads: &mut Heads,
    ) -> MarksTogether {
        let has_head = |known: &Known<'_>| is_mark(known) && known.record.head.is_some();
        let ends = self.long(|| self.ends(|_, known| has_head(known)));
        let ends: Vec<_> = ends.into_iter().flatten().collect();
        let positions: Vec<u32> = ends.iter().map(|(at, _)| *at).collect();
        self.ask(asking, state, &positions, heads, false).await;
        let said = ends.iter().map(|(at, mark)| match heads.get(*at) {
            Head::Shown(digests) => is_head_of(&digests, &mark.record),
            Head::NotAsked | Head::Later | Head::Refused => None,
        });
        let said: Vec<Option<bool>> = said.collect();
        self.long(|| MarksTogether::of(self.listing, self.records, &said))
    }

    /// Notes that the count began again. The doubt must outlive this session: it is settled message
    /// by message.
    async fn note_began_again(
        &self,
        state: &mut AccountState,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        state.names.began_again = Some(now);
        Ok(self.with.seen.save_state(state.clone()).await?)
    }

    /// The oldest and the newest message that is listed alone under its unique-id and has a record
    /// for which `which` is true. A server may list very many messages under one unique-id, so
    /// records are read only for one that is listed once.
    fn ends(
        &self,
        which: impl Fn(&Entry<'_>, &Known<'_>) -> bool,
    ) -> [Option<(u32, Known<'_>)>; 2] {
        let found = |at: u32| {
            let entry = self.listing.get(at as usize)?;
            if self.listing.positions(entry.unique_id).len() != 1 {
                return None;
            }
            let mut known = self.records.of(entry.unique_id);
            known
                .find(|known| which(&entry, known))
                .map(|known| (at, known))
        };
        let count = u32::try_from(self.listing.len()).unwrap_or(u32::MAX);
        [(0..count).find_map(found), (0..count).rev().find_map(found)]
    }

    /// The oldest and the newest listed message whose head is known, by position.
    pub(in crate::session) fn samples(&self) -> Vec<(u32, Known<'_>)> {
        let [oldest, newest] = self.ends(|_, known| {
            known.record.head.is_some()
                && !known.record.notes.displaced
                && (is_settled(&known.record) || known.digest.is_some())
        });
        let one = oldest.as_ref().map(|(at, _)| *at) == newest.as_ref().map(|(at, _)| *at);
        oldest.into_iter().chain(newest.filter(|_| !one)).collect()
    }

    /// Whether an unknown unique-id is smaller than the greatest recorded one since the count last
    /// began again.
    fn has_smaller_unknown(&self, since: Option<Timestamp>) -> bool {
        let counts = |known: &Known<'_>| match &known.record.state {
            State::Delivered { at } | State::Marked { at, .. } | State::Quarantined { at, .. } => {
                let mut times = iter::once(*at).chain(new_count::times_of_notes(known));
                since.is_none_or(|since| times.any(|at| at >= since))
            }
            State::Deferred(_) | State::Oversized { .. } => since.is_none(),
        };
        let recorded = self.records.iter().filter(counts);
        let Some(greatest) = recorded
            .map(|known| known.unique_id)
            .filter(|name| !made_names::is_made_here(name))
            .max_by(|a, b| counters::compare(a, b))
        else {
            return false;
        };
        let mut listed = ListingCursor::new(self.listing);
        let known_groups: Vec<&[u32]> = {
            // The messages of a unique-id with many records are looked up once.
            let mut last = None;
            let names = self.records.unique_ids();
            let names = names.filter(|name| last.replace(*name) != Some(*name));
            names.filter_map(|name| listed.positions(name)).collect()
        };
        let mut is_known = vec![false; self.listing.len()];
        for at in known_groups.into_iter().flatten() {
            if let Some(slot) = is_known.get_mut(*at as usize) {
                *slot = true;
            }
        }
        // Unique-ids that do not increase along the listing are no counters, and a known one after
        // it shows that the count continued.
        let (mut last, mut smaller) = (None, false);
        for (entry, is_known) in self.listing.iter().zip(is_known) {
            if is_known {
                let name = entry.unique_id;
                if last.is_some_and(|last| counters::compare(last, name).is_gt()) {
                    return false;
                }
                last = Some(name);
                smaller &= counters::is_smaller(name, greatest);
            } else {
                smaller |= counters::is_smaller(entry.unique_id, greatest);
            }
        }
        smaller
    }

    fn say_displaced(&self, plan: &Plan) {
        if plan.displaced.is_empty() {
            return;
        }
        self.with.reporter.say(Event::Quirk {
            account: &self.visit.account,
            quirk: Quirk::UniqueIdsUsedAgain {
                messages: plan.displaced.len(),
            },
        });
    }

    /// Records the new results of heads, so that they are requested once.
    async fn make_durable(
        &self,
        plan: &Plan,
        noted: &mut HashSet<RecordKey>,
        circumstances: &Circumstances,
    ) -> Result<(), SessionError> {
        let answered = plan
            .answered
            .iter()
            .map(|(key, octets)| (key, Some(octets)));
        let displaced = plan.displaced.iter().map(|key| (key, None));
        let Circumstances { names, now, .. } = *circumstances;
        let noted_at = new_count::noted_at(names.began_again, now);
        let mut changes = Vec::new();
        for (key, answer) in answered.chain(displaced) {
            let Some(mut record) = self.records.get(key).filter(|_| !noted.contains(key)) else {
                continue;
            };
            match answer {
                Some(octets) => {
                    record.octets = octets.or(record.octets);
                    record.absent_since = None;
                    record.notes = record.notes.found_by_head(noted_at);
                }
                None => {
                    record.notes.displaced = true;
                    record.absent_since = record.absent_since.or(Some(now));
                }
            }
            noted.insert(key.clone());
            changes.push(Change::Put(key.clone(), record));
        }
        for changes in changes.chunks(limits::BATCH_CHANGES_MAX) {
            let mut batch = self.records.batch();
            batch.changes = changes.to_vec();
            self.with.seen.commit(batch, self.records).await?;
        }
        Ok(())
    }
}

/// Whether the message was retrieved whole, or is marked.
pub(in crate::session) fn is_settled(record: &Record) -> bool {
    match &record.state {
        State::Delivered { .. } | State::Quarantined { .. } | State::Marked { .. } => true,
        State::Deferred(deferral) => deferral.parked.is_some(),
        State::Oversized { .. } => false,
    }
}

impl OpenMaildrop {
    /// Whether TOP may be sent: the server announces it, or announces nothing at all.
    fn may_show_heads(&self) -> bool {
        let capabilities = self.client.capabilities();
        capabilities.top || !capabilities.announced
    }
}
