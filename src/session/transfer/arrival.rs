//! What a message gets on its arrival: an envelope, a trace field, and a check for loops.

use tokio::time::Instant;

use crate::fault;
use crate::mail::{Envelope, HeadDigest, Origin, Sender, Timestamp, UniqueId, limits};
use crate::seen::RecordKey;
use crate::session::SessionError;
use crate::session::Visit;
use crate::session::judge::disposition::Why;
use crate::session::judge::made_names;
use crate::session::judge::octets::Weighed;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::parcel::{Parcel, Source};
use crate::session::transfer::trace::{Signature, Trace, received_field as build};
use crate::sink::{Fault, Refusal, Targets};
use crate::spool::head_digest::head_digest;
use crate::spool::{Draft, Message};

/// What the head of a message shows.
pub(in crate::session) struct Looked {
    /// The sender from the topmost Return-Path, and who gets it.
    pub(in crate::session) envelope: Envelope,
    /// The digest of its header, to recognise the message under another unique-id.
    pub(in crate::session) digest: Option<HeadDigest>,
    /// Why it must not be offered: it is in a loop, or for no recipient.
    pub(in crate::session) refusal: Option<Refusal>,
}

/// The code of a refusal without a sink.
const LOOP_CODE: &str = "mail_loop";

/// Reads the head of a message.
pub(in crate::session) fn look(visit: &Visit, signature: &Signature, message: &Message) -> Looked {
    let mut returned = false;
    let mut top = visit.header_top();
    let head = message.head_fields_showing(|name, value| {
        if name.eq_ignore_ascii_case("Received") {
            returned |= signature.is_in(value, &visit.recipient);
        }
        if let Some(top) = &mut top {
            top.add(name, value);
        }
    });
    // An unreadable head must not prevent the delivery: then there is no sender to notify of a
    // failure, as with any null sender.
    let (sender, fields) = head.map_or((Sender::Null, 0), |head| {
        (head.sender.clone(), head.received_fields)
    });
    let why = if returned {
        Some(
            "this account delivered it before, and it has come back: mail goes in a loop"
                .to_owned(),
        )
    } else if fields > limits::RECEIVED_FIELDS_MAX {
        let most = limits::RECEIVED_FIELDS_MAX;
        Some(format!("it has {fields} Received fields, more than {most}"))
    } else {
        None
    };
    let looped = why.map(|words| Refusal::new(Fault::MessagePermanent, LOOP_CODE, words));
    let addressed = visit.addressed(sender, top.as_ref());
    Looked {
        envelope: addressed.envelope,
        digest: head_digest(message).ok(),
        refusal: looped.or(addressed.unmatched),
    }
}

/// The `Received` field that the sinks put on top.
pub(in crate::session) fn received_field(
    visit: &Visit,
    signature: &Signature,
    (unique_id, envelope): (&UniqueId, &Envelope),
    retrieved: Timestamp,
) -> String {
    build(&Trace {
        from_host: &visit.host,
        signature,
        with: visit.protocol(),
        unique_id,
        recipient: match &envelope.recipients[..] {
            [only] => Some(only),
            _ => None,
        },
        retrieved,
    })
}

impl Signature {
    /// The signature of the account that is visited.
    pub(in crate::session) fn of(visit: &Visit) -> Self {
        Self::new(&visit.own_host, &visit.account, &visit.maildrop())
    }
}

impl Transfer<'_> {
    /// Takes in a whole message, whose size is explained.
    pub(in crate::session) async fn arrived(&mut self, at: usize, draft: Draft, weighed: Weighed) {
        let arrived = Instant::now();
        let orders = &self.orders;
        let Some(entry) = orders.entry(at) else {
            return;
        };
        let now = orders.with.clock.now();
        let visit = orders.visit;
        let is_nameless = orders.is_nameless(at);
        let message = match draft.finish().await {
            Ok(message) => message,
            Err(error) => return self.not_whole(at, error.into()),
        };
        fault::pass("spool.whole");
        self.count_arrival(at, message.octets(), is_nameless);
        let digest = message.digest();
        let unique_id = if is_nameless {
            let name = made_names::identity(digest, self.ledger.ordinal(digest));
            UniqueId::new(name.as_bytes()).unwrap_or_else(|_| entry.unique_id())
        } else {
            entry.unique_id()
        };
        let key = RecordKey::new(unique_id.clone(), Some(digest));
        let origin = Origin {
            account: visit.account.clone(),
            unique_id,
        };
        if is_nameless {
            self.ledger
                .identify(entry.number, &key.unique_id, entry.octets);
            if let Some(maildrop) = &mut self.maildrop {
                maildrop.identify(entry.number, &key.unique_id);
            }
        }
        let looked = look(visit, &self.signature, &message);
        let facts = (&origin.unique_id, &looked.envelope);
        let trace = received_field(visit, &self.signature, facts, now);
        let head = looked.digest;
        let (lasting, remade) = self.find_remade(&key, &message, head, weighed).await;
        let judged_as = remade.as_ref().unwrap_or(&key);
        self.ledger.holds(at, message.octets());
        let octets_differ = self.is_cut(judged_as, &message, weighed, entry.octets);
        let known = self.orders.records.get(judged_as);
        let is_accepted = known.is_some_and(|known| known.notes.octets_accepted);
        if octets_differ == Some(true) && !is_accepted {
            self.ledger.must_stay();
        }
        let stumps = octets_differ.and_then(|is_short| is_short.then(|| self.stumps(&key))?);
        let parcel = Parcel {
            source: Source::Listed(at),
            varies: self.varies(judged_as, weighed),
            key,
            origin,
            message,
            envelope: looked.envelope,
            trace,
            head,
            targets: Targets::default(),
            renamed_from: remade,
            refused_by: None,
            refused_for_good: None,
            octets_differ,
            lasting,
            stumps: stumps.unwrap_or(0),
            arrived,
        };
        self.judge(at, entry.octets, parcel, looked.refusal);
    }

    /// Handles a message that could not be stored.
    fn not_whole(&mut self, at: usize, error: SessionError) {
        if error.is_file_size() {
            self.too_large_for_a_file(at, &error);
        } else {
            self.lose(error);
        }
    }

    fn count_arrival(&mut self, at: usize, octets: u64, is_nameless: bool) {
        self.counts().retrieved += 1;
        self.counts().octets += octets;
        if self.why(at) == Why::Doubt && !is_nameless {
            self.counts().compared += 1;
            self.counts().compared_octets += octets;
        }
    }

    /// How often a message that came short under this unique-id was compared.
    fn stumps(&self, key: &RecordKey) -> Option<u8> {
        let known = self.orders.records.of(key.unique_id.as_bytes());
        let stumps = known.filter(|known| known.record.notes.octets_differ);
        let compared = stumps.filter_map(|known| known.record.notes.compared);
        compared.map(|compared| compared.times).max()
    }
}
