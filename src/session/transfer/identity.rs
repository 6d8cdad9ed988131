//! Finds out by digest which message arrived, before it is offered.

use crate::mail::{HeadDigest, limits};
use crate::seen::{Change, Notes, Record, RecordKey};
use crate::session::SessionError;
use crate::session::judge::arrival;
use crate::session::judge::arrival::Arrival;
use crate::session::judge::disposition::Why;
use crate::session::judge::guard;
use crate::session::long::long;
use crate::session::transfer::Transfer;
use crate::session::transfer::absent::{Absent, Renamed};
use crate::session::transfer::answer::Answered;
use crate::session::transfer::commits::Committed;
use crate::session::transfer::findings::Findings;
use crate::session::transfer::parcel::Parcel;
use crate::session::transfer::twins::Twins;
use crate::session::transfer::undecided::Undecided;
use crate::sink::Refusal;
use crate::telemetry::{Event, MessageEvent};

/// What is found out about retrieved messages.
#[derive(Default)]
pub(in crate::session) struct Identities<'a> {
    /// Records to find renamed messages in, once one was searched for.
    absent: Option<Absent<'a>>,
    twins: Twins,
    undecided: Undecided,
    findings: Findings,
}

impl Identities<'_> {
    /// The results of the comparisons.
    pub(in crate::session) fn findings(&self) -> Findings {
        self.findings
    }

    /// The results of the comparisons, to add to.
    pub(in crate::session) fn findings_mut(&mut self) -> &mut Findings {
        &mut self.findings
    }

    /// Notes a known message with other octets.
    pub(in crate::session) fn note_rewritten(&mut self) {
        self.findings.rewritten += 1;
    }

    /// Messages that may be known ones, rewritten.
    pub(in crate::session) fn undecided(&mut self) -> &mut Undecided {
        &mut self.undecided
    }

    /// The unique-ids with several listed messages whose records were read.
    pub(in crate::session) fn twins(&mut self) -> &mut Twins {
        &mut self.twins
    }

    /// How many messages of a record of this maildrop have another unique-id by now.
    pub(in crate::session) fn moved(&self, key: &RecordKey) -> u32 {
        let absent = self.absent.as_ref();
        absent.map_or(0, |absent| absent.moved(key))
    }
}

impl<'a> Transfer<'a> {
    /// Offers the message, or finds that it was settled before.
    pub(in crate::session) fn judge(
        &mut self,
        at: usize,
        listed: Option<u64>,
        mut parcel: Parcel,
        mut looped: Option<Refusal>,
    ) {
        let (known, came_as, is_another) = self.known(at, &mut parcel);
        let why = self.why(at);
        let is_named = !self.orders.is_nameless(at);
        // On a server without unique-ids, all records have digests as unique-ids.
        let may_have_had_a_name = !self.orders.without_unique_ids;
        // A cut or refused retrieval may have left a record without digest under the new unique-id.
        if known.is_none()
            && may_have_had_a_name
            && let Some(renamed) = self.find_renamed(at, &parcel)
        {
            return self.renamed(at, listed, parcel, (renamed, looped));
        }
        let compares = may_have_had_a_name && matches!(why, Why::Changed | Why::Doubt);
        self.identities.findings.compared += u64::from(compares && is_named);
        let alike = self.ledger.seen_again(&parcel.key);
        if known
            .as_ref()
            .is_some_and(|record| self.is_taken(record, alike))
        {
            return self.pass_over(at, listed.unwrap_or(0), &parcel);
        }
        let word = match known {
            None if matches!(why, Why::Pop | Why::Doubt) => self.word_for(&parcel, listed),
            _ => None,
        };
        if why != Why::New && is_named && known.is_none() && !is_another && word.is_none() {
            let otherwise = self.came_otherwise((at, why), listed, (parcel, looped));
            let Some(another) = otherwise else { return };
            (parcel, looped) = another;
        }
        let why = arrival::now_that_it_came(why, known.as_ref());
        let arrival = match (&known, word) {
            (_, Some(word)) => Arrival::Trusted(self.as_listed(&parcel.key, listed, word)),
            (known, None) => arrival::on_arrival(why, known.as_ref(), listed, alike, self.now()),
        };
        let octets = listed.unwrap_or(0);
        match arrival {
            Arrival::Offer(targets) => {
                parcel.targets = targets;
                parcel.take_own_key(came_as);
                self.offer_or_keep(parcel, looped, octets);
            }
            Arrival::Recognised(_)
                if came_as.is_some() && self.is_remade_without_proof(&parcel) =>
            {
                parcel.take_own_key(came_as);
                self.remade_without_proof((at, why), listed, &parcel);
            }
            Arrival::Recognised(record) => {
                self.window.spare(octets);
                let record = self.compared_alike(at, &parcel, compares, record);
                self.recognise(at, &parcel, record);
            }
            Arrival::Trusted(record) => {
                self.window.spare(octets);
                self.trust(at, &parcel, record);
            }
            Arrival::NotDue => self.not_due(listed, parcel),
        }
    }

    /// Handles a message whose time of another try has not come.
    fn not_due(&mut self, listed: Option<u64>, parcel: Parcel) {
        self.window.spare(listed.unwrap_or(0));
        // The record of a parked copy says both, and must not be written over.
        if !self.orders.parks {
            self.note_listed_again(&parcel, listed);
        }
        self.withhold(parcel);
    }

    /// Handles a message that the server made again, where nothing proves that it is the same.
    fn remade_without_proof(
        &mut self,
        (at, why): (usize, Why),
        listed: Option<u64>,
        parcel: &Parcel,
    ) {
        match why {
            Why::Pop => self.popped_rewritten(at, listed, parcel),
            _ => self.rewritten(at, listed, parcel),
        }
    }

    /// Handles other octets under a known unique-id. Returns them if they are another message.
    fn came_otherwise(
        &mut self,
        (at, why): (usize, Why),
        listed: Option<u64>,
        (parcel, looped): (Parcel, Option<Refusal>),
    ) -> Option<(Parcel, Option<Refusal>)> {
        if why == Why::Retry
            && let Some(before) = self.take_waiting(&parcel)
        {
            self.try_rewritten(parcel, before, looped, listed);
        } else if why == Why::Pop && self.is_known_to_vary(&parcel) {
            self.popped_rewritten(at, listed, &parcel);
        } else if !self.is_rewritten(&parcel) {
            if matches!(why, Why::Changed | Why::Doubt) {
                self.note_different(why, &parcel);
            }
            self.identities.undecided.count_other(&parcel.key.unique_id);
            return Some((parcel, looped));
        } else if why == Why::Pop {
            self.popped_rewritten(at, listed, &parcel);
        } else {
            self.decide_whether_rewritten(at, listed, parcel, looped);
        }
        None
    }

    /// The operator's confirmation about this message, given before any digest of it was known.
    fn word_for(&mut self, parcel: &Parcel, listed: Option<u64>) -> Option<Record> {
        let key = &parcel.key;
        let word = arrival::trusted(self.orders.records, key, listed, parcel.heads())?;
        let trusts = self.ledger.trusts(&key.unique_id, word.copies);
        trusts.then_some(word)
    }

    /// The operator's confirmation, with the facts of the present listing.
    fn as_listed(&self, key: &RecordKey, listed: Option<u64>, word: Record) -> Record {
        Record {
            octets: listed.or(word.octets),
            absent_since: None,
            notes: self.notes_alike(key, word.notes),
            ..word
        }
    }

    /// Trusts the operator's confirmation that the message was delivered: it is not offered. If its
    /// head was noted, the one that came is alike, which allows the delete.
    fn trust(&mut self, at: usize, parcel: &Parcel, record: Record) {
        self.counts().recognised += 1;
        self.counts().recognised_octets += parcel.message.octets();
        let mut batch = self.orders.records.batch();
        let key = RecordKey::new(parcel.key.unique_id.clone(), None);
        let proof = record
            .head
            .and_then(|_| self.orders.records.proof(&key.unique_id, None));
        batch.changes.push(Change::Put(key, record.clone()));
        let after = match proof {
            Some(proof) => Committed::Proven { at, proof, record },
            None => Committed::Settled { at },
        };
        self.commits().commit(batch, after);
    }

    pub(in crate::session) fn offer_or_keep(
        &mut self,
        parcel: Parcel,
        looped: Option<Refusal>,
        octets: u64,
    ) {
        if let Some(refusal) = looped {
            self.window.spare(octets);
            self.quarantine(parcel, refusal);
        } else if self.is_spared(parcel.renamed_from.as_ref().unwrap_or(&parcel.key)) {
            self.window.spare(octets);
            self.outbox.postpone(parcel);
        } else if self.may_go_on() {
            self.outbox.offer(parcel);
        } else {
            self.withhold(parcel);
        }
    }

    /// The record of a message that was compared and found alike.
    fn compared_alike(
        &mut self,
        at: usize,
        parcel: &Parcel,
        compares: bool,
        record: Record,
    ) -> Record {
        // A message that is left stays in doubt.
        if !compares || self.still_there.is_left(&parcel.key.unique_id) {
            // It is listed under its unique-id again.
            let notes = Notes {
                displaced: false,
                out_of_step: false,
                ..record.notes
            };
            let notes = self.note_recognised(&parcel.key, notes);
            return Record { notes, ..record };
        }
        if record.notes.asked.is_some() {
            self.identities.findings.found_again += self.ignored(&record.notes);
            self.deletes.note_compared(&parcel.key.unique_id);
        }
        // TOP showed the head of another message in its place.
        let is_shown_unlike =
            u32::try_from(at).is_ok_and(|at| self.orders.plan.unlike.contains(&at));
        self.identities.findings.heads_differ |= is_shown_unlike && !record.notes.displaced;
        Record {
            notes: self.notes_alike(&parcel.key, record.notes),
            head: parcel.head.or(record.head),
            ..record
        }
    }

    /// The notes of a message that was compared. Of several with one unique-id, the comparison is
    /// done when all were retrieved.
    pub(in crate::session) fn notes_alike(&self, key: &RecordKey, notes: Notes) -> Notes {
        let listed = self.orders.plan.repeated.get(&key.unique_id);
        if listed.is_some_and(|listed| self.ledger.retrieved_under(&key.unique_id) < *listed) {
            return Notes {
                out_of_step: false,
                ..notes
            };
        }
        notes.found_alike(self.compared_at())
    }

    /// The record of a message that comes with an unknown unique-id, if there is one.
    fn find_renamed(&mut self, at: usize, parcel: &Parcel) -> Option<Renamed<'a>> {
        let digest = parcel.key.digest?;
        if self.identities.absent.is_none() {
            let entries = self.orders.listing.len() + self.orders.records.len();
            self.identities.absent = Some(long(entries, || Absent::new(&self.orders)));
        }
        let (absent, ledger) = (self.identities.absent.as_mut()?, &self.ledger);
        let name = self.orders.waiting_name(at);
        let found = absent.take(digest, name, |key| ledger.alike(key));
        if found.is_none() && matches!(self.why(at), Why::New | Why::Retry) {
            self.identities.findings.unexplained += u64::from(self.why(at) == Why::New);
            self.hold_if_restored(parcel);
        }
        found
    }

    /// Holds the account if deleted messages are listed again under other unique-ids, and so many
    /// that they would flood a mailbox.
    fn hold_if_restored(&mut self, parcel: &Parcel) {
        let absent = self
            .identities
            .absent
            .as_mut()
            .filter(|_| self.orders.plan.is_flood);
        let found = absent.and_then(|absent| absent.note_unknown(parcel.key.digest?));
        if let Some(found) = found {
            let account = &self.orders.visit.account;
            self.fail(guard::restored(account, found));
        }
    }

    /// Moves the record of a known message to its present unique-id.
    fn renamed(
        &mut self,
        at: usize,
        listed: Option<u64>,
        mut parcel: Parcel,
        (renamed, looped): (Renamed<'a>, Option<Refusal>),
    ) {
        // A message without unique-id shows nothing about how unique-ids change.
        self.identities.findings.renamed += u64::from(!self.orders.is_nameless(at));
        self.ledger.seen_again(&parcel.key);
        let Renamed {
            from,
            old,
            record,
            left,
        } = renamed;
        let octets = listed.unwrap_or(0);
        let now = self.now();
        // Its delete was sent, and it is there under another unique-id.
        self.identities.findings.found_again += self.ignored(&record.notes);
        let arrival = arrival::on_arrival(Why::Doubt, Some(&record), listed, 1, now);
        let record = match arrival {
            Arrival::Offer(targets) => {
                parcel.targets = targets;
                parcel.renamed_from = Some(old);
                return self.offer_or_keep(parcel, looped, octets);
            }
            Arrival::Recognised(record) => record,
            Arrival::NotDue | Arrival::Trusted(_) => record,
        };
        self.window.spare(octets);
        self.say_recognised(&parcel);
        let notes = Notes {
            octets_differ: parcel.differs(&record.notes),
            taken: 0,
            ..record.notes.found_alike(self.compared_at())
        };
        let record = Record {
            octets: listed.or(record.octets),
            copies: 1,
            absent_since: None,
            head: parcel.head.or(record.head),
            notes,
            ..record
        };
        let mut batch = self.orders.records.batch();
        batch.changes.extend(self.replaced_by(&parcel));
        let (seen, key) = (&self.orders.with.seen, parcel.key);
        self.commits().push(async move {
            let moved = seen.commit_renamed(from, (&old, left), batch, &key, record.clone());
            match moved.await {
                Ok(Some(proof)) => Committed::Proven { at, proof, record },
                Ok(None) => Committed::Settled { at },
                Err(error) => Committed::Failed(error.into()),
            }
        });
    }

    /// Notes that a compared message is another one. If that is so for most, the server sends other
    /// octets than before, and no more messages are offered.
    fn note_different(&mut self, why: Why, parcel: &Parcel) {
        if self
            .orders
            .plan
            .repeated
            .contains_key(&parcel.key.unique_id)
        {
            return;
        }
        let known = self.orders.records.of(parcel.key.unique_id.as_bytes());
        let was_asked = known
            .clone()
            .any(|known| known.record.notes.asked.is_some());
        // A message that came short before differs when it is whole, and its unique-id is still
        // right.
        if known.clone().any(|known| known.record.notes.came_short()) {
            return;
        }
        let other_origin = |known: HeadDigest| match (known, parcel.head) {
            (
                HeadDigest::Parted { origin: a, .. },
                Some(head @ HeadDigest::Parted { origin: b, .. }),
            ) => known.has_origin() && head.has_origin() && a != b,
            _ => false,
        };
        let mut heads = known.filter_map(|known| known.record.head);
        self.identities.findings.began_again |=
            why == Why::Doubt && !was_asked && self.orders.names_are_counted;
        // Such a message is another one for sure, and shows nothing about how the server sends the
        // others.
        if was_asked || heads.any(other_origin) {
            return;
        }
        self.identities.findings.different += 1;
        let Findings {
            compared,
            different,
            ..
        } = self.identities.findings;
        if different >= limits::COMPARED_DIFFERENT_MAX && different * 2 > compared {
            let account = &self.orders.visit.account;
            self.fail(SessionError::Account {
                code: "messages_changed",
                words: format!(
                    "{different} of {compared} messages that were compared with what was delivered \
                     under their unique-ids have other contents: the server sends changed copies, \
                     or these are other messages. No more were delivered"
                ),
                hint: format!(
                    "If they are the messages that were delivered, run `mailferry seen mark \
                     {account} --all-listed`, which skips all messages that are listed now; if \
                     they are new, run `mailferry seen forget {account} --all` and set first_run = \
                     \"all\""
                ),
            });
        }
    }

    pub(in crate::session) fn say_recognised(&mut self, parcel: &Parcel) {
        let octets = parcel.message.octets();
        self.orders.with.reporter.say(Event::Message {
            account: &self.orders.visit.account,
            unique_id: &parcel.key.unique_id,
            event: MessageEvent::Recognised { octets },
        });
        self.counts().recognised += 1;
        self.counts().recognised_octets += octets;
    }
}
