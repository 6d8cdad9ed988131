//! A retrieved message on its way to a sink, and where it came from.

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::mail::{Clock, Envelope, HeadDigest, HeadDigests, Origin, limits};
use crate::seen::{Deferral, Record, RecordKey, Records, State};
use crate::sink::{Attempt, Offer, Receipt, Refusal, Targets, Undelivered};
use crate::spool::Message;
use crate::spool::head_digest::head_digests_of;

/// A retrieved message, with its envelope and key.
pub(in crate::session) struct Parcel {
    pub(in crate::session) source: Source,
    pub(in crate::session) key: RecordKey,
    /// The account and unique-id under which it arrived.
    pub(in crate::session) origin: Origin,
    pub(in crate::session) message: Message,
    pub(in crate::session) envelope: Envelope,
    /// The `Received` field to put on top.
    pub(in crate::session) trace: String,
    pub(in crate::session) head: Option<HeadDigest>,
    pub(in crate::session) targets: Targets,
    /// The key of its record, if that was made under another unique-id, or of other octets.
    pub(in crate::session) renamed_from: Option<RecordKey>,
    /// The destination whose refusal decided about the message.
    pub(in crate::session) refused_by: Option<String>,
    /// Set while it is offered to the fallback.
    pub(in crate::session) refused_for_good: Option<RefusedForGood>,
    /// Whether it may have lost a part on the server, which must not delete it then.
    pub(in crate::session) octets_differ: Option<bool>,
    /// Whether it has other octets each time: then the server's message may differ from the
    /// delivered one, and must not be deleted.
    pub(in crate::session) varies: bool,
    /// The digest of what lasts of it, if its head does not identify it or it came short.
    pub(in crate::session) lasting: Option<u64>,
    /// How often a message that came short under this unique-id was compared before.
    pub(in crate::session) stumps: u8,
    pub(in crate::session) arrived: Instant,
}

/// What a message was refused for before it is offered to the fallback.
#[derive(Clone)]
pub(in crate::session) struct RefusedForGood {
    /// The refusal.
    pub(in crate::session) refusal: Refusal,
    /// Which targets had given a final answer before this session offered it.
    pub(in crate::session) targets_before: Targets,
    /// What the filters made of the message.
    pub(in crate::session) filtered: Option<Message>,
}

/// Where a message comes from, and where it stays when no sink accepts it.
#[derive(Clone, Debug)]
pub(in crate::session) enum Source {
    /// The server, which lists it at this position.
    Listed(usize),
    /// A parked copy that is due: this file of the quarantine.
    Parked(String),
    /// A copy that the operator retries: this file of the quarantine.
    Retried(String),
}

/// A sink's answer; `None` when the message was never offered.
pub(in crate::session) struct Offered {
    pub(in crate::session) parcel: Parcel,
    pub(in crate::session) answer: Option<Result<Receipt, Undelivered>>,
    pub(in crate::session) slot: Option<OwnedSemaphorePermit>,
}

impl Source {
    /// The file of the copy in the quarantine, if it is one.
    pub(in crate::session) fn file(&self) -> Option<&str> {
        match self {
            Self::Listed(_) => None,
            Self::Parked(file) | Self::Retried(file) => Some(file),
        }
    }

    /// A sink has accepted it.
    pub(in crate::session) fn pass_accepted(&self) {
        match self {
            Self::Listed(_) => fault::pass("sink.accepted"),
            Self::Parked(_) => fault::pass("parked.accepted"),
            Self::Retried(_) => fault::pass("retry.accepted"),
        }
    }

    /// It is recorded as delivered. For listed messages, the end of the commit passes this point.
    pub(in crate::session) fn pass_recorded(&self) {
        match self {
            Self::Listed(_) => {}
            Self::Parked(_) => fault::pass("parked.recorded"),
            Self::Retried(_) => fault::pass("retry.recorded"),
        }
    }

    /// Its copy is removed.
    pub(in crate::session) fn pass_removed(&self) {
        match self {
            Self::Listed(_) => {}
            Self::Parked(_) => fault::pass("parked.removed"),
            Self::Retried(_) => fault::pass("retry.removed"),
        }
    }
}

impl Parcel {
    /// What a sink or the quarantine gets.
    pub(in crate::session) fn offer(&self) -> Offer<'_> {
        Offer {
            origin: &self.origin,
            envelope: &self.envelope,
            trace: &self.trace,
            message: &self.message,
        }
    }

    /// What the filters made of it before it was refused for good.
    pub(in crate::session) fn filtered(&self) -> Option<&Message> {
        self.refused_for_good.as_ref()?.filtered.as_ref()
    }

    /// Both digests of its header; `None` if it cannot be read.
    pub(in crate::session) fn heads(&self) -> Option<HeadDigests> {
        let head = self.message.head(limits::HEADER_OCTETS_MAX);
        head.ok().map(|head| head_digests_of(&head))
    }

    /// The attempt to deliver it to the destinations that do not have it.
    ///
    /// When `halt` is cancelled, it is withdrawn where it waits for its turn.
    pub(in crate::session) fn attempt<'s>(
        &'s self,
        halt: &'s CancellationToken,
        clock: &'s dyn Clock,
    ) -> Attempt<'s> {
        Attempt {
            offer: self.offer(),
            // What is known of earlier offers is known under that name.
            key: self.renamed_from.as_ref().unwrap_or(&self.key),
            earlier: &self.targets,
            halt,
            clock,
        }
    }

    /// The record that names the copy, if it is one, and the deferral from earlier tries, under
    /// whatever unique-id they were.
    pub(in crate::session) fn before(
        &self,
        records: &Records,
    ) -> (Option<Record>, Option<Deferral>) {
        // What was counted before it ever came whole says nothing about destinations.
        let key = self.renamed_from.as_ref().unwrap_or(&self.key);
        let record = records.get(key);
        let deferral = record.as_ref().and_then(|record| match &record.state {
            State::Deferred(deferral) => Some(deferral.clone()),
            _ => None,
        });
        let is_listed = matches!(self.source, Source::Listed(_));
        (record.filter(|_| !is_listed), deferral)
    }
}
