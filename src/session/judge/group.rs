//! Decides about the listed messages of one unique-id. Pure.
//!
//! Most unique-ids stand for one message and one record. If there are several, they are decided
//! together: no listing shows which number is which message.

mod doubt;
mod due;
mod large;
mod open;
mod shown;
mod void;

use crate::mail::{Entry, HeadDigest};
use crate::seen::{Known, Recorded, Records, State};
use crate::session::judge::alike::KnownOctets;
use crate::session::judge::disposition::{Circumstances, Disposition, Plan, Skip, Why};
use crate::session::judge::heads_said::Heads;
use crate::session::judge::marks::{are_rewritten, copies, covered};
use shown::Said;

/// The entries of one unique-id, and what is known about them.
pub(in crate::session) struct Deciding<'a> {
    /// The positions of the entries in the listing.
    pub(in crate::session) positions: &'a [u32],
    /// How many messages are listed after the last of them.
    pub(in crate::session) newer: usize,
    pub(in crate::session) entries: &'a [Entry<'a>],
    pub(in crate::session) known: &'a [Known<'a>],
    pub(in crate::session) records: &'a Records,
    pub(in crate::session) circumstances: &'a Circumstances,
    pub(in crate::session) heads: &'a Heads,
}

impl<'a> Deciding<'a> {
    /// Decides about all entries of one unique-id, and proves the deletes.
    pub(in crate::session) fn decide(&self, decided: &mut Vec<Disposition>, plan: &mut Plan) {
        // A mark covers the oldest entries: it was made before newer ones arrived.
        let marks = || {
            let is_mark = |known: &&Known<'_>| matches!(known.record.state, State::Marked { .. });
            self.known.iter().filter(is_mark)
        };
        let marked = marks()
            .map(|known| u64::from(known.record.copies))
            .sum::<u64>();
        let mut marked = usize::try_from(marked)
            .unwrap_or(usize::MAX)
            .min(self.entries.len());
        if marked == 1
            && let ([entry], [at]) = (self.entries, self.positions)
            && let Some(mark) = marks().next()
            && self.is_void(mark, entry, *at, plan)
        {
            plan.void_marks.push(mark.key());
            marked = 0;
        }
        let known = self.without_void_word(plan);
        let group = |positions: &[u32], entries: &[Entry<'_>], decided: &mut _, plan: &mut _| {
            let group = Group {
                // No listing shows which number is the marked one, which is never deleted.
                may_delete: marked == 0,
                positions,
                newer: self.newer,
                entries,
                known,
                records: self.records,
                circumstances: self.circumstances,
                heads: self.heads,
            };
            group.decide(decided, plan);
        };
        if marked == 0 {
            return group(self.positions, self.entries, decided, plan);
        }
        // A single one that is not void covers its message, whatever size was listed since.
        let covered = if marked == 1 && self.entries.len() == 1 {
            vec![true]
        } else {
            covered(self.entries, marks())
        };
        let listed = self.positions.iter().zip(self.entries).zip(&covered);
        let rest = listed.filter(|(_, is_covered)| !**is_covered);
        let (positions, entries): (Vec<u32>, Vec<Entry<'_>>) =
            rest.map(|((at, entry), _)| (*at, *entry)).unzip();
        let mut of_rest = Vec::with_capacity(entries.len());
        if !entries.is_empty() {
            group(&positions, &entries, &mut of_rest, plan);
        }
        let mut of_rest = of_rest.into_iter();
        // A server that hides retrieved mail lists newer mail only after the messages that it has
        // sent.
        let of_marked = if self.circumstances.pops && are_rewritten(marks()) {
            Disposition::Retrieve(Why::Pop)
        } else {
            Disposition::Skip(Skip::Marked)
        };
        decided.extend(covered.into_iter().map(|is_covered| {
            let of_rest = if is_covered { None } else { of_rest.next() };
            of_rest.unwrap_or(of_marked)
        }));
    }
}

/// The entries of one unique-id that no mark covers, with their records.
struct Group<'a> {
    may_delete: bool,
    positions: &'a [u32],
    newer: usize,
    entries: &'a [Entry<'a>],
    known: &'a [Known<'a>],
    records: &'a Records,
    circumstances: &'a Circumstances,
    heads: &'a Heads,
}

impl Group<'_> {
    /// Leaves oversized entries, and decides the others as if those did not exist, but deletes
    /// nothing then: a DELE is addressed by unique-id and could hit the oversized one.
    fn decide(&self, decided: &mut Vec<Disposition>, plan: &mut Plan) {
        let large = |entry: &Entry<'_>| self.is_listed_too_large(entry);
        if self.oversized().next().is_none() && !self.entries.iter().any(large) {
            // The usual case.
            let of_all = self.of_all(plan);
            let of_each = |at: &u32| self.of_one(of_all, *at, plan);
            decided.extend(self.positions.iter().map(of_each));
            return;
        }
        let large = self.too_large();
        let rest = self.entries.iter().zip(self.positions).zip(&large);
        let rest = rest.filter(|(_, large)| !**large);
        let (rest, positions): (Vec<Entry<'_>>, Vec<u32>) =
            rest.map(|((entry, at), _)| (*entry, *at)).unzip();
        let count = large.len() - rest.len();
        let of_rest = Group {
            may_delete: self.may_delete && count == 0,
            positions: &positions,
            entries: &rest,
            ..*self
        }
        .of_all(plan);
        let reported = self.oversized().any(|record| copies(record) >= count);
        let retrieves = matches!(of_rest, Disposition::Retrieve(_));
        let decide = |((entry, at), large): ((&Entry<'_>, &u32), bool)| {
            if large || (retrieves && self.is_listed_too_large(entry)) {
                Disposition::Skip(Skip::TooLarge { reported })
            } else {
                self.of_one(of_rest, *at, plan)
            }
        };
        let entries = self.entries.iter().zip(self.positions);
        decided.extend(entries.zip(large).map(decide));
    }

    /// Decides about one entry. If the heads show which entries are other messages, only those are
    /// retrieved: the known ones could use up the limits of each poll.
    fn of_one(&self, of_all: Disposition, at: u32, plan: &Plan) -> Disposition {
        let is_known = of_all == Disposition::Retrieve(Why::Changed) && !plan.unlike.contains(&at);
        match is_known {
            true if self.circumstances.pops && !self.must_stay() => Disposition::Retrieve(Why::Pop),
            true => Disposition::Skip(Skip::Seen),
            false => of_all,
        }
    }

    fn of_all(&self, plan: &mut Plan) -> Disposition {
        if self.entries.is_empty() {
            Disposition::Skip(Skip::Seen)
        } else if self.open().next().is_some() {
            self.of_open(plan)
        } else if self.settled().next().is_some() {
            self.of_settled(plan)
        } else if self.circumstances.names.unknown_wait {
            Disposition::Skip(Skip::Unstable)
        } else {
            Disposition::Retrieve(Why::New)
        }
    }

    /// Decides about a group whose messages were all retrieved whole and need no further offer: are
    /// they the listed messages?
    fn of_settled(&self, plan: &mut Plan) -> Disposition {
        // Hardly any poll requests heads.
        if !self.heads.is_empty() && self.said() == Said::Another {
            // It is the same message rewritten, unless it is retrieved and proves another.
            if self.is_of_known_origin() {
                return self.compare(plan);
            }
            let displaced = self.settled().filter(|_| self.entries.len() == 1);
            plan.displaced.extend(displaced.map(Known::key));
            plan.unlike.extend(self.unlike());
            // If one was not shown, it is unknown which of them are known.
            return Disposition::Retrieve(if self.are_all_shown() {
                Why::Changed
            } else {
                Why::Doubt
            });
        }
        let mut deletes = Vec::new();
        if !self.is_doubtful() {
            if self.may_be_whole_now() {
                return Disposition::Retrieve(Why::Doubt);
            }
            return match self.settle(&mut deletes) {
                Disposition::Delete => self.delete(deletes, plan),
                Disposition::Skip(Skip::Seen) if self.only_digests_allow_deletes() => {
                    self.compare(plan)
                }
                Disposition::Skip(_) if self.circumstances.pops && !self.must_stay() => {
                    Disposition::Retrieve(Why::Pop)
                }
                settled => settled,
            };
        }
        if self.was_asked() {
            plan.listed_again += self.entries.len();
        }
        let settled = self.settle(&mut deletes);
        match self.said() {
            // No head can prove it: the message itself does, and one command fewer is needed.
            Said::Later if settled == Disposition::Delete && self.only_comparison_proves() => {
                self.compare(plan)
            }
            Said::NotAsked => {
                plan.wants_heads.extend(self.positions);
                self.compare(plan)
            }
            // A delete waits for a comparison by digest.
            Said::Alike if settled != Disposition::Delete && self.head_is_proof() => {
                let octets = self.entries.first().and_then(|entry| entry.octets);
                plan.answered
                    .extend(self.settled().map(|known| (known.key(), octets)));
                settled
            }
            Said::Later => later(plan),
            _ => self.compare(plan),
        }
    }

    /// Whether the server must not remove a message, as it would after QUIT: it may have more of it
    /// than came.
    fn must_stay(&self) -> bool {
        let is_short = |known: &Known<'_>| known.record.notes.octets_differ;
        self.settled().any(is_short)
    }

    /// Whether to compare again a message that came too short: the rest may be there now.
    fn may_be_whole_now(&self) -> bool {
        let now = self.circumstances.now;
        let is_due = |known: &Known<'_>| {
            let compared = known.record.notes.compared;
            compared.is_none_or(|compared| compared.is_due(now))
        };
        let is_short = |known: &Known<'_>| {
            let is_delivered = matches!(known.record.state, State::Delivered { .. });
            is_delivered && known.record.notes.octets_differ
        };
        self.settled().any(is_short) && self.settled().all(is_due)
    }

    fn was_asked(&self) -> bool {
        self.settled()
            .any(|known| known.record.notes.asked.is_some())
    }

    /// Deletes messages that an earlier session retrieved, if their heads are alike. Without heads
    /// octets decide, but not on a server that counts its unique-ids, and not about mail of a
    /// device, which may have the same octets each time. Where the head identifies no message, only
    /// a comparison in the session that deletes it does: another message may have come since with
    /// the same unique-id, head and octets.
    fn delete(&self, deletes: Vec<Recorded>, plan: &mut Plan) -> Disposition {
        let by_head = self
            .settled()
            .any(|known| known.record.notes.by_head.is_some());
        let said = self.said();
        if said == Said::Later {
            return later(plan);
        }
        let may_delete = match said {
            _ if by_head => false,
            // Mail of a device may have the same head each time.
            Said::Alike if self.heads_have_origin() || self.are_confirmations() => true,
            Said::Alike => false,
            // No head can prove it: the message itself does, and one command fewer is needed.
            Said::NotAsked if self.only_comparison_proves() => false,
            Said::NotAsked => {
                // Until the heads are there, the plan is preliminary.
                plan.wants_heads.extend(self.positions);
                true
            }
            // The operator's confirmation needs no more, unless its head was noted: then the
            // message itself is compared with it. Another may have its unique-id and octets.
            _ if self.are_confirmations() => !self.is_any_head_noted(),
            _ if self.is_any_head_without_origin() => false,
            _ => !self.circumstances.names.are_counted && self.octets_are_alike(),
        };
        if may_delete {
            plan.deletes.extend(deletes);
            Disposition::Delete
        } else {
            self.compare(plan)
        }
    }

    /// Whether this is one message whose head does not identify it, and that may be retrieved to be
    /// compared.
    fn only_comparison_proves(&self) -> bool {
        let now = self.circumstances.now;
        let is_one = self.entries.len() == 1 && !self.are_confirmations();
        is_one
            && self.settled().all(|known| {
                let (head, compared) = (known.record.head, known.record.notes.compared);
                !head.is_some_and(HeadDigest::has_origin)
                    && compared.is_none_or(|compared| compared.is_due(now))
            })
    }

    /// Whether one of them is known to have no Message-ID and Date.
    fn is_any_head_without_origin(&self) -> bool {
        let mut heads = self.settled().filter_map(|known| known.record.head);
        heads.any(|head| matches!(head, HeadDigest::Parted { .. }) && !head.has_origin())
    }

    fn is_any_head_noted(&self) -> bool {
        self.settled().any(|known| known.record.head.is_some())
    }

    /// Whether only the operator's confirmation says that they were delivered.
    fn are_confirmations(&self) -> bool {
        self.settled().all(|known| known.digest.is_none())
    }

    /// Retrieves the message to compare it, unless that was done recently.
    fn compare(&self, plan: &mut Plan) -> Disposition {
        let now = self.circumstances.now;
        let is_due = |known: &Known<'_>| {
            let compared = known.record.notes.compared;
            compared.is_none_or(|compared| compared.is_due(now))
        };
        let names = &self.circumstances.names;
        let is_left = names.deletes_ignored
            && self.was_asked()
            && (!names.one_delete || std::mem::replace(&mut plan.one_delete_taken, true));
        if is_left || !self.settled().all(is_due) {
            return Disposition::Skip(Skip::Doubtful);
        }
        Disposition::Retrieve(Why::Doubt)
    }

    fn octets_are_alike(&self) -> bool {
        let known = KnownOctets::of(self.settled());
        self.entries.iter().all(|entry| known.has(entry.octets))
    }

    /// Records of settled messages that were retrieved whole: only digests distinguish them.
    fn settled(&self) -> impl Iterator<Item = &Known<'_>> {
        let named = self.known.iter().inspect(|_| steps::count());
        // Another message is listed under the unique-id of a displaced one.
        let named = named.filter(|known| !known.record.notes.displaced);
        named.filter(|known| match &known.record.state {
            State::Delivered { .. } | State::Quarantined { .. } => true,
            State::Deferred(deferral) => deferral.parked.is_some(),
            State::Marked { .. } | State::Oversized { .. } => false,
        })
    }
}

/// Leaves a message to a session that requests its head.
fn later(plan: &mut Plan) -> Disposition {
    plan.heads_later = true;
    Disposition::Skip(Skip::Doubtful)
}

/// Counts how many records were read, for tests.
mod steps {
    #[cfg(test)]
    thread_local! {
        static STEPS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    pub(in crate::session) fn count() {
        #[cfg(test)]
        STEPS.set(STEPS.get() + 1);
    }

    #[cfg(test)]
    pub(in crate::session) fn take() -> u64 {
        STEPS.take()
    }
}

#[cfg(test)]
#[path = "group_tests.rs"]
mod tests;
