//! What a poll did and how it ended: the value that the agent gets.

use std::time::Duration;

use crate::seen::AccountState;
use crate::session::SessionError;
use crate::telemetry::Undeleted;

/// What one poll of one account did.
#[derive(Debug)]
pub struct Summary {
    /// The counts.
    pub counts: Counts,
    /// The account's state as the session read and changed it; the agent adds holds and back-offs
    /// and stores it.
    pub state: AccountState,
    /// How it ended.
    pub end: End,
    /// From the first connect to the last close.
    pub duration: Duration,
}

/// The counts of one poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages in the listing.
    pub listed: u64,
    /// Messages retrieved whole.
    pub retrieved: u64,
    /// Octets of those.
    pub octets: u64,
    /// Messages accepted by every destination and recorded.
    pub delivered: u64,
    /// Messages to be tried again.
    pub deferred: u64,
    /// Messages moved to the quarantine.
    pub quarantined: u64,
    /// Messages retrieved to compare them, and known already.
    pub recognised: u64,
    /// Octets of those.
    pub recognised_octets: u64,
    /// Messages retrieved only to compare them.
    pub compared: u64,
    /// Octets of those.
    pub compared_octets: u64,
    /// Deletes that were noted before they were sent.
    pub deletes_noted: u64,
    /// Deletes that the server accepted, in sessions with a positive answer to QUIT.
    pub deleted: u64,
    /// Deletes that the server accepted, in sessions whose QUIT it did not confirm.
    pub unconfirmed: u64,
    /// Messages that stay on the server because they are too large.
    pub oversized: u64,
    /// Messages that the limits of one poll left for the next.
    pub left: u64,
    /// Whether records were read, and none of them is of a message that waits or is in the
    /// quarantine.
    pub began_settled: bool,
    /// Messages with unknown unique-ids that wait, because the server changes its unique-ids all
    /// the time.
    pub names_wait: u64,
    /// Messages that stay on the server because they are listed without unique-id, although others
    /// have one.
    pub without_unique_id: u64,
    /// Delivered messages that stay on the server because their deletes do not take effect.
    pub undeleted: Option<Undeleted>,
}

/// How a poll ended.
#[derive(Debug)]
pub enum End {
    /// It ran to its end, with or without the server's answer to QUIT.
    Complete,
    /// mailferry was asked to stop.
    Stopped,
    /// It failed; the error says who must act.
    Failed(SessionError),
}

impl Counts {
    /// Whether no message waits, as far as this poll knows.
    pub const fn is_all_settled(&self) -> bool {
        self.began_settled && self.deferred == 0 && self.quarantined == 0
    }

    /// Adds the counts of a further session of the same poll.
    pub fn add(&mut self, other: &Self) {
        self.listed = self.listed.max(other.listed);
        self.retrieved += other.retrieved;
        self.octets += other.octets;
        self.delivered += other.delivered;
        self.deferred += other.deferred;
        self.quarantined += other.quarantined;
        self.recognised += other.recognised;
        self.recognised_octets += other.recognised_octets;
        self.compared += other.compared;
        self.compared_octets += other.compared_octets;
        self.deletes_noted += other.deletes_noted;
        self.deleted += other.deleted;
        self.unconfirmed += other.unconfirmed;
        self.oversized = self.oversized.max(other.oversized);
        self.left = other.left;
        self.began_settled = other.began_settled;
        self.names_wait = other.names_wait;
        self.without_unique_id = other.without_unique_id;
        self.undeleted = other.undeleted;
    }
}
