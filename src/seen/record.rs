//! The record of one message.

use crate::mail::{HeadDigest, Timestamp, backoff, limits};
use crate::seen::Notes;
use crate::sink::Targets;

/// The record of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Octets by LIST when it was last retrieved or compared; `None` if LIST gave none. A change
    /// means doubt.
    pub octets: Option<u64>,
    /// The number of listed copies that this record covers; 1 except for repeated unique-ids with
    /// equal content.
    pub copies: u32,
    /// The time since which complete listings have lacked its unique-id; `None` while it is listed.
    pub absent_since: Option<Timestamp>,
    /// The digest of its header, from when the message was retrieved, to recognise it under another
    /// unique-id; `None` if it never was.
    pub head: Option<HeadDigest>,
    /// The state of the message.
    pub state: State,
    /// Doubts, and how they were settled.
    pub notes: Notes,
}

impl Record {
    /// The record of one listed message without a header digest and without doubts.
    pub fn new(octets: Option<u64>, state: State) -> Self {
        Self {
            octets,
            copies: 1,
            absent_since: None,
            head: None,
            state,
            notes: Notes::default(),
        }
    }
}

/// The state of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Every recipient at every destination accepted it. Only this state allows a delete.
    Delivered {
        /// When; retention counts from here.
        at: Timestamp,
    },
    /// Counts as seen although no sink accepted it: never retrieved, never deleted.
    Marked {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Marker,
    },
    /// It will be retried.
    Deferred(Deferral),
    /// Refused for good; a durable copy is in the quarantine, and the message stays on the server.
    Quarantined {
        /// When.
        at: Timestamp,
        /// The file of the copy, in the quarantine.
        file: String,
        /// The stable code of the reason.
        code: String,
        /// The targets that have answered for good; some may have accepted it.
        targets: Targets,
    },
    /// Larger than `max_message_size` when it was retrieved; stays on the server.
    Oversized {
        /// When this was found.
        at: Timestamp,
        /// Octets that it has at least: retried when the limit is raised above this.
        octets: u64,
    },
}

/// A message that waits for a retry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deferral {
    /// Refusals that count towards quarantine.
    pub tries: u32,
    /// Sessions that ended inside this message.
    pub strikes: u32,
    /// It is not retried before this time.
    pub next_try: Timestamp,
    /// The stable code of the last refusal.
    pub code: String,
    /// The targets that have answered for good already.
    pub targets: Targets,
    /// The file of its parked copy in the quarantine, if the server hides retrieved messages.
    pub parked: Option<String>,
}

impl Deferral {
    /// Whether it is due. A time further ahead than the longest wait after so many tries was set by
    /// a wrong clock.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let longest = backoff::message_seconds(self.tries.max(self.strikes));
        // A message of a slow server waits for an hour, regardless of its tries.
        let longest = longest.max(limits::SLOW_MESSAGE_SECONDS);
        !(1..=longest).contains(&self.next_try.since(now))
    }
}

/// Who decided that a message counts as seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `first_run = "skip"`.
    FirstRun,
    /// `seen mark`.
    Operator,
    /// `seen import`.
    Import,
    /// `seen adopt`.
    Adopt,
    /// The server sends a delivered message with other octets.
    Rewritten,
}

impl Record {
    /// The message's copy in the quarantine, if there is one.
    pub fn kept(&self) -> Option<&str> {
        match &self.state {
            State::Quarantined { file, .. } => Some(file),
            State::Deferred(deferral) => deferral.parked.as_deref(),
            State::Delivered { .. } | State::Marked { .. } | State::Oversized { .. } => None,
        }
    }

    /// The tries that count towards quarantine; 0 for a message that does not wait for a retry.
    pub fn tries(&self) -> u32 {
        match &self.state {
            State::Deferred(deferral) => deferral.tries,
            _ => 0,
        }
    }

    /// The targets that have answered the message for good.
    pub fn targets(&self) -> Targets {
        match &self.state {
            State::Deferred(Deferral { targets, .. }) | State::Quarantined { targets, .. } => {
                targets.clone()
            }
            State::Delivered { .. } | State::Marked { .. } | State::Oversized { .. } => {
                Targets::default()
            }
        }
    }
}

impl State {
    /// The word for the state in logs, lists and the journal.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Marked { .. } => "marked",
            Self::Deferred(_) => "deferred",
            Self::Quarantined { .. } => "quarantined",
            Self::Oversized { .. } => "oversized",
        }
    }
}

impl Marker {
    /// The word for the marker in lists and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstRun => "first_run",
            Self::Operator => "operator",
            Self::Import => "import",
            Self::Adopt => "adopt",
            Self::Rewritten => "rewritten",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::FirstRun,
            Self::Operator,
            Self::Import,
            Self::Adopt,
            Self::Rewritten,
        ]
        .into_iter()
        .find(|marker| marker.as_str() == word)
    }
}
