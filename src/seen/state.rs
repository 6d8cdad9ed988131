//! What is remembered of one account besides its messages.

use crate::mail::{Maildrop, Timestamp, limits, stable_hash};
use crate::seen::{Oddities, Seal, Sizes};

/// What must survive a restart so that a server is not hammered and an account not locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The host the records came from, so that a renamed account is recognised.
    pub host: String,
    /// The user the records came from.
    pub user: String,
    /// The port the records came from; `None` in records of before it was kept.
    pub port: Option<u16>,
    /// When the last login was tried.
    pub last_login: Option<Timestamp>,
    /// Seconds between logins as the server announced (LOGIN-DELAY, RFC 2449 section 6.5).
    pub login_delay_seconds: Option<u64>,
    /// When the last complete poll ended well.
    pub last_success: Option<Timestamp>,
    /// Network or server failures in a row.
    pub failures: u32,
    /// No poll before this time, because of those failures.
    pub backoff_until: Option<Timestamp>,
    /// Why the operator must act, and when the next try is.
    pub hold: Option<Hold>,
    /// Whether the server ever gave unique-ids: then UIDL `-ERR` is a fault of the server.
    pub had_unique_ids: bool,
    /// Sessions in a row in which UIDL was refused although there were messages.
    pub uidl_refusals: u32,
    /// After how many seconds the last session deleted what was delivered; `None` when it kept
    /// everything.
    pub deletes_after_seconds: Option<u64>,
    /// Whether the server of the last session hides what was retrieved.
    pub hid_retrieved: bool,
    /// Whether the server was seen to hide what was retrieved, although it does not say so.
    pub hides_retrieved: bool,
    /// Since when; `None` in states of before that was kept.
    pub hides_since: Option<Timestamp>,
    /// Whether it was seen to list a message still that was retrieved before a confirmed QUIT.
    pub shows_retrieved: bool,
    /// Whether a server that hides what was retrieved may list what we have, because a session
    /// ended without QUIT or the operator said that it was delivered: it goes on behind that only
    /// when it was retrieved once more.
    pub retrieved_without_quit: bool,
    /// When the first of those messages was retrieved; `None` where that is not known.
    pub retrieved_since: Option<Timestamp>,
    /// Whether the operator has looked at a maildrop that changed as a whole (`seen adopt`): its
    /// new messages are let through.
    pub adopted: bool,
    /// Since when the clock has agreed with itself after it was found wrong; nothing is due by age
    /// for a day.
    pub clock_doubted_since: Option<Timestamp>,
    /// The newest time this account was polled at, by the clock of that day.
    pub last_poll: Option<Timestamp>,
    /// Seconds between the last two polls, where that was more than a day: whoever polls so rarely
    /// is no clock that jumps.
    pub poll_pause_seconds: Option<u64>,
    /// What the odd answers of the server have taught.
    pub odd: Oddities,
    /// What settings and secret were like when the hold or the back-off began: it ends when they
    /// change.
    pub seal: Option<Seal>,
    /// What the server does with unique-ids.
    pub names: NamesState,
    /// What the server does with deletes.
    pub deletes: DeletesState,
    /// Whether the sizes that the maildrop announces are true.
    pub sizes: Sizes,
    /// To whom its messages go.
    pub recipient: Option<RecipientSince>,
}

/// To whom an account's messages go, and since when: what another recipient took proves nothing of
/// this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientSince {
    /// A digest of the delivery's name and the recipient.
    pub digest: u64,
    /// When a session first had this recipient; 1970 where that was not noted yet.
    pub since: Timestamp,
}

/// For whom an account fetches: who logs in, and to whom the messages go. What was delivered for
/// another proves nothing of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Who logs in.
    pub user: &'a str,
    /// A digest of the delivery's name and the recipient.
    pub recipient: u64,
}

impl<'a> Owner<'a> {
    /// Who logs in as this user, and has the messages delivered so.
    pub fn new(user: &'a str, delivery: &str, recipient: &str) -> Self {
        // No text has this octet, so that no two pairs are alike.
        let end = &b"\xff"[..];
        let parts = [delivery.as_bytes(), end, recipient.as_bytes(), end];
        Self {
            user,
            recipient: stable_hash(&parts.concat()),
        }
    }
}

impl AccountState {
    /// Since when this state tells what was delivered for this owner; `None` when it tells that of
    /// somebody else. States of before the recipient was noted tell it of everybody.
    pub fn tells_of(&self, owner: &Owner<'_>) -> Option<Timestamp> {
        let since = match self.recipient {
            None => Timestamp(0),
            Some(known) if known.digest == owner.recipient => known.since,
            Some(_) => return None,
        };
        (self.user == owner.user).then_some(since)
    }

    /// The maildrop that the records are of. Its host is empty in a state of before a maildrop was
    /// noted.
    pub fn maildrop(&self) -> Maildrop {
        Maildrop::new(&self.host, &self.user, self.port)
    }

    /// Since when messages were retrieved that a server which hides may list still, because no QUIT
    /// was confirmed after them; `None` where there are none.
    pub fn shown_since(&self) -> Option<Timestamp> {
        match self.retrieved_without_quit {
            _ if self.shows_retrieved => Some(Timestamp(0)),
            true => Some(self.retrieved_since.unwrap_or(Timestamp(0))),
            false => None,
        }
    }

    /// Notes to whom the account's messages go from now on, and answers since when that is so.
    pub fn note_recipient(&mut self, owner: &Owner<'_>, now: Timestamp) -> Timestamp {
        let digest = owner.recipient;
        let since = match self.recipient {
            // A clock that was ahead may have told it.
            Some(known) if known.digest == digest && now >= limits::CLOCK_MIN => {
                known.since.min(now)
            }
            Some(known) if known.digest == digest => known.since,
            Some(_) => now,
            // Records of before this was noted count.
            None => Timestamp(0),
        };
        self.recipient = Some(RecipientSince { digest, since });
        since
    }

    /// Notes the maildrop that the records are of.
    pub fn set_maildrop(&mut self, maildrop: &Maildrop) {
        maildrop.host().clone_into(&mut self.host);
        maildrop.user().clone_into(&mut self.user);
        self.port = maildrop.port();
    }
}

/// What is remembered of how a server names its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamesState {
    /// When its counters were found to have begun again: records of before are doubtful.
    pub began_again: Option<Timestamp>,
    /// When messages were last compared by digest to find that out, at a server without TOP.
    pub sampled: Option<Timestamp>,
    /// The last changes of names: sessions in which a known message was found under another name,
    /// newest last.
    pub renamed: Vec<Timestamp>,
    /// When a maildrop with unstable unique-ids was last gone through.
    pub gone_through: Option<Timestamp>,
    /// Since when TOP is not believed: it showed another head than RETR.
    pub heads_unreliable: Option<Timestamp>,
    /// Since when records of another maildrop of this account are kept, while what is retrieved is
    /// looked up among them.
    pub elsewhere: Option<Timestamp>,
    /// Whether all that was listed is being marked as seen (`first_run = "skip"`), in several
    /// commits: the next poll goes on with it.
    pub marking: bool,
    /// Whether records are being moved from or to another maildrop:
    /// [`crate::seen::Seen::complete_move`] completes it.
    pub moving: bool,
    /// Whether the operator said that the maildrop is the one that the records are of, whatever its
    /// host and user.
    pub same_maildrop: bool,
    /// The name under which the records of the maildrop before are kept.
    pub came_from: Option<String>,
    /// The name that this account had, or gets, while its records are given to another name.
    pub renaming: Option<String>,
}

/// What is remembered of deletes that did not take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletesState {
    /// Sessions in a row after which the names were listed again, or QUIT was not answered with a
    /// yes.
    pub unconfirmed: u32,
    /// Messages that were asked to be deleted and whose bytes were found again.
    pub found_again: u32,
    /// When a single delete was last tried at a server that ignores them.
    pub lone: Option<Timestamp>,
    /// Whether the last session asked for deletes.
    pub attempted: bool,
    /// Whether its QUIT was not answered with a yes.
    pub quit_refused: bool,
    /// The times of the notes whose deletes no QUIT confirmed, oldest first: their messages may
    /// well be there still.
    pub open_notes: Vec<Timestamp>,
}

impl DeletesState {
    /// Notes that deletes were asked for and not confirmed yet.
    pub fn open_note(&mut self, at: Timestamp) {
        if !self.open_notes.contains(&at) {
            self.open_notes.push(at);
        }
        let spare = self.open_notes.len().saturating_sub(OPEN_NOTES_MAX);
        self.open_notes.drain(..spare);
    }

    /// Whether no QUIT confirmed the deletes that were noted at this time.
    pub fn is_open(&self, noted: Timestamp) -> bool {
        self.open_notes.contains(&noted)
    }
}

/// Notes that may be open at once. What is listed under another name is found at the next listing,
/// so old ones have served.
const OPEN_NOTES_MAX: usize = 64;

impl NamesState {
    /// Notes that a known message was found under another name.
    pub fn note_renamed(&mut self, now: Timestamp) {
        self.renamed.push(now);
        let spare = self.renamed.len().saturating_sub(RENAMED_MIN);
        self.renamed.drain(..spare);
    }

    /// Whether unknown names wait, because the maildrop was gone through not long ago.
    pub fn wait(&self, now: Timestamp) -> bool {
        self.gone_through
            .is_some_and(|at| at.is_within(GONE_THROUGH_SECONDS, now))
    }

    /// Until when unknown names wait after the maildrop was gone through.
    pub fn waits_until(&self) -> Option<Timestamp> {
        self.gone_through.map(|at| at.plus(GONE_THROUGH_SECONDS))
    }

    /// Whether unique-ids prove nothing here: they changed three times within 30 days, the last
    /// time in the last 30. A time ahead of `now` was told by a clock that was wrong, and counts
    /// for nothing.
    pub fn are_unstable(&self, now: Timestamp) -> bool {
        let believed = self.renamed.iter().filter(|at| **at <= now);
        match (believed.clone().min(), believed.clone().max()) {
            (Some(first), Some(last)) => {
                believed.count() >= RENAMED_MIN
                    && last.since(*first) <= RENAMED_SECONDS
                    && now.since(*last) <= RENAMED_SECONDS
            }
            _ => false,
        }
    }
}

/// Changes of names that make unique-ids unstable.
const RENAMED_MIN: usize = 3;

/// How often a maildrop with unstable unique-ids is gone through.
const GONE_THROUGH_SECONDS: u64 = 24 * 3600;

/// The time in which they count.
const RENAMED_SECONDS: u64 = 30 * 24 * 3600;

/// An account that waits for its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The stable code of the reason.
    pub code: String,
    /// What was said, safe to show.
    pub words: String,
    /// Refused tries so far.
    pub tries: u32,
    /// No login before this time.
    pub until: Timestamp,
}
