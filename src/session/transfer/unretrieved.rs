//! Messages that were never retrieved whole: refused by the server, cut off, or too large. Each
//! gets a record without digest.

use crate::mail::{Entry, HeadDigest, UniqueId, limits};
use crate::seen::{Change, Deferral, Notes, Record, RecordKey, State};
use crate::session::judge::disposition::Why;
use crate::session::judge::{deferral, new_count};
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::commits::Committed;
use crate::session::transfer::ledger::Ledger;
use crate::session::{Denial, SessionError};
use crate::telemetry::{Event, MessageEvent, Quirk};

impl Transfer<'_> {
    /// Handles the server's refusal to send a message. After others have come, that may be the
    /// limit of a session: it counts against the message only if another one comes after it, or if
    /// it is the only one that is refused.
    pub(in crate::session) fn retrieve_refused(&mut self, at: usize, words: &str) {
        let Some(entry) = self.orders.entry(at) else {
            return;
        };
        let (account, unique_id) = (&self.orders.visit.account, &entry.unique_id());
        self.orders.with.reporter.say(Event::Message {
            account,
            unique_id,
            event: MessageEvent::RetrieveRefused { words },
        });
        let is_unnamed = self.orders.is_unnamed(at);
        let may_be_limit = self.window.has_come() && !is_unnamed;
        // One that was tried before keeps its growing back-off.
        if may_be_limit && self.why(at) != Why::Retry {
            self.window.charge_later(at);
        } else {
            self.charge_refusal(at);
        }
        if !self.window.refused() {
            return;
        }
        if is_unnamed {
            // LIST counts messages that do not exist; the messages with a unique-id are not
            // affected.
            self.ask_for_none_of_the_rest();
        } else if may_be_limit {
            // The session did its work as far as the server lets it.
            let waiting = self.window.waiting();
            self.window.leave_to_server(waiting);
            self.ask_for_none_of_the_rest();
        } else {
            self.ask_no_more(SessionError::Refused {
                denial: Denial::Retr,
                command: "RETR",
                words: words.to_owned(),
                wait_seconds: None,
            });
        }
    }

    /// Counts the server's refusal to send a message against it.
    pub(in crate::session) fn charge_refusal(&mut self, at: usize) {
        self.counts().deferred += 1;
        let now = self.now();
        self.note_unretrieved(at, |before| {
            deferral::defer_unretrieved(before, "retr_refused", now)
        });
    }

    /// Settles the last refused messages at the end of a session. Several in a row after others had
    /// come are not at fault: the next poll requests them. Returns whether one was at fault.
    pub(in crate::session) fn settle_refusals(&mut self) -> bool {
        let refused = self.window.take_uncharged();
        if let [at] = refused[..] {
            self.charge_refusal(at);
            return true;
        }
        self.window.leave_to_server(refused.len());
        for at in refused {
            self.ledger.settled(at);
        }
        false
    }

    /// Notes that the session ended during a message.
    pub(in crate::session) fn strike(&mut self, at: usize) {
        let Some(entry) = self.orders.entry(at) else {
            return;
        };
        let now = self.now();
        let key = self.deferral_key(&entry.unique_id());
        let before = deferral::deferral_of(self.orders.records, &key);
        let strikes = deferral::strike(before.as_ref(), now).strikes;
        let (account, unique_id) = (&self.orders.visit.account, &entry.unique_id());
        self.orders.with.reporter.say(Event::Message {
            account,
            unique_id,
            event: MessageEvent::Struck { strikes },
        });
        self.note_unretrieved(at, |before| deferral::strike(before, now));
    }

    /// Ends this session because other accounts wait, and there are more slow connections than
    /// places. No message is at fault; the one under way is retried in an hour, so that it does not
    /// delay faster mail.
    pub(in crate::session) fn leave_place(&mut self) {
        let inside = self.maildrop.as_ref().and_then(OpenMaildrop::inside);
        self.hang_up();
        let account = &self.orders.visit.account;
        self.orders.with.reporter.say(Event::Quirk {
            account,
            quirk: Quirk::SessionSlow,
        });
        if let Some(at) = inside {
            let until = self.now().plus(limits::SLOW_MESSAGE_SECONDS);
            self.note_unretrieved(at, |before| deferral::wait_until(before, until));
        }
    }

    /// Handles a body that exceeded the limit although LIST announced less.
    pub(in crate::session) fn too_large(&mut self, at: usize, octets: u64) {
        let orders = &self.orders;
        let Some(entry) = orders.entry(at) else {
            return;
        };
        let limit_octets = orders.visit.limits.message_octets_max;
        let (account, unique_id) = (&orders.visit.account, &entry.unique_id());
        orders.with.reporter.say(Event::Message {
            account,
            unique_id,
            event: MessageEvent::TooLarge {
                octets,
                limit_octets,
            },
        });
        self.counts().oversized += 1;
        self.note_oversized(entry, octets, at);
    }

    /// The message is larger than this process may make a file: it waits, and another session of
    /// this poll continues after it. The connection is closed, because the server may hide
    /// retrieved messages after QUIT.
    pub(in crate::session) fn too_large_for_a_file(&mut self, at: usize, error: &SessionError) {
        let Some(entry) = self.orders.entry(at) else {
            return;
        };
        self.orders.with.reporter.say(Event::Quirk {
            account: &self.orders.visit.account,
            quirk: Quirk::SpoolFileSize {
                unique_id: &entry.unique_id(),
                why: &error.to_string(),
            },
        });
        self.counts().deferred += 1;
        let (code, now) = (error.code(), self.now());
        self.note_unretrieved(at, |before| deferral::defer_unretrieved(before, code, now));
        self.hang_up();
        self.phase.resume();
    }

    /// Records that a body exceeded the limit; it is reported once, because there is a record from
    /// now on.
    fn note_oversized(&mut self, entry: Entry<'_>, octets: u64, at: usize) {
        if self.orders.is_nameless(at) {
            return self.postpone_unnamed(at);
        }
        let state = State::Oversized {
            at: self.now(),
            octets,
        };
        let key = RecordKey::new(entry.unique_id(), None);
        if self.is_confirmed(&key) {
            return self.ledger.settled(at);
        }
        let known = self.orders.records.get(&key);
        let copies = match known {
            Some(known)
                if known.octets == entry.octets
                    && known.absent_since.is_none()
                    && matches!(known.state, State::Oversized { .. }) =>
            {
                known.copies.saturating_add(1)
            }
            _ => 1,
        };
        let record = Record {
            octets: entry.octets,
            copies,
            absent_since: None,
            head: None,
            state,
            notes: Notes::default(),
        };
        let mut batch = self.orders.records.batch();
        batch.changes.push(Change::Put(key, record));
        self.commits().commit(batch, Committed::Settled { at });
    }

    /// Records that a message waits for another try, and that the server may keep it until then.
    pub(in crate::session) fn note_unretrieved(
        &mut self,
        at: usize,
        deferral: impl FnOnce(Option<&Deferral>) -> Deferral,
    ) {
        self.note_deferred(at, true, deferral);
    }

    /// The same. If that does not settle the message, this session must not send QUIT: the server
    /// would hide a message that no destination has.
    pub(in crate::session) fn note_deferred(
        &mut self,
        at: usize,
        settles: bool,
        deferral: impl FnOnce(Option<&Deferral>) -> Deferral,
    ) {
        let settle = |ledger: &mut Ledger| {
            if settles {
                ledger.settled(at);
            }
        };
        let Some(entry) = self.orders.entry(at) else {
            return;
        };
        if self.orders.is_nameless(at) {
            self.postpone_unnamed(at);
            return settle(&mut self.ledger);
        }
        let key = self.deferral_key(&entry.unique_id());
        if self.is_confirmed(&key) {
            return settle(&mut self.ledger);
        }
        let state = State::Deferred(deferral(
            deferral::deferral_of(self.orders.records, &key).as_ref(),
        ));
        // Each of several may be the one; later messages are not affected.
        let copies = match self.orders.plan.repeated.get(&entry.unique_id()) {
            Some(listed) if key.digest.is_none() => u32::try_from(*listed).unwrap_or(u32::MAX),
            _ => 1,
        };
        let record = Record {
            octets: entry.octets,
            copies,
            absent_since: None,
            head: self.head_before(&key),
            notes: new_count::notes(
                Notes::default(),
                &state,
                self.orders.began_again,
                self.now(),
            ),
            state,
        };
        let mut batch = self.orders.records.batch();
        batch.changes.push(Change::Put(key, record));
        let after = if settles {
            Committed::Settled { at }
        } else {
            Committed::Noted
        };
        self.commits().commit(batch, after);
    }

    /// Whether the record without digest is the operator's confirmation, which is never
    /// overwritten. One that is void proves nothing: it is of another message, and a note about the
    /// listed one takes its place. Without that note, a message that cannot be retrieved would end
    /// each session.
    pub(in crate::session) fn is_confirmed(&self, key: &RecordKey) -> bool {
        let known = self.orders.records.get(key);
        known.as_ref().is_some_and(is_confirmation) && !self.orders.plan.void_marks.contains(key)
    }

    /// The head that is known of the message, if it was retrieved before.
    fn head_before(&self, key: &RecordKey) -> Option<HeadDigest> {
        let known = self.orders.records.get(key)?;
        known.head.filter(|_| !is_confirmation(&known))
    }

    /// A message without unique-id has no record before it is retrieved: if the others have one, it
    /// waits for a day.
    fn postpone_unnamed(&mut self, at: usize) {
        let entry = self.orders.entry(at).filter(|_| self.orders.is_unnamed(at));
        if let Some(entry) = entry {
            self.ledger.postpones(entry.number);
        }
    }

    /// The key of the known deferral of a unique-id, else the one for a message that was never
    /// retrieved whole. With several messages under one unique-id it is unknown which one it was,
    /// so no record of a retrieved one may change.
    fn deferral_key(&self, unique_id: &UniqueId) -> RecordKey {
        if self.orders.plan.repeated.contains_key(unique_id) {
            return RecordKey::new(unique_id.clone(), None);
        }
        let known = self.orders.records.of(unique_id.as_bytes());
        let mut deferred = known.filter(
            |known| matches!(&known.record.state, State::Deferred(d) if d.parked.is_none()),
        );
        deferred.next().map_or_else(
            || RecordKey::new(unique_id.clone(), None),
            |known| known.key(),
        )
    }
}

/// Whether a record without digest is the operator's confirmation.
fn is_confirmation(record: &Record) -> bool {
    matches!(record.state, State::Marked { .. } | State::Delivered { .. })
}
