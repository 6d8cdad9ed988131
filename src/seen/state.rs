//! The state of one account besides its messages.

use std::collections::HashSet;

use crate::mail::{Maildrop, Timestamp, limits, stable_hash};
use crate::seen::{NameSet, NamesBeside, Oddities, Record, Seal, Sizes};

/// What must survive a restart, so that no server is polled without pause and no account gets
/// locked: one value for each concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountState {
    /// The maildrop of the records, and who gets its messages.
    pub maildrop: MaildropState,
    /// When the account may be polled.
    pub pacing: Pacing,
    /// Whether the clock is trusted.
    pub clock: ClockState,
    /// The odd answers of the server.
    pub odd: Oddities,
    /// The server's habits with retrieved messages.
    pub hiding: HidingState,
    /// The server's habits with unique-ids.
    pub names: NamesState,
    /// The server's habits with deletes.
    pub deletes: DeletesState,
    /// Whether the sizes that the maildrop announces are right.
    pub sizes: Sizes,
}

/// The maildrop of the records, and who gets its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MaildropState {
    /// The host of the records, so that a renamed account is recognised.
    pub host: String,
    /// The user of the records.
    pub user: String,
    /// The port of the records; `None` in records from before it was stored.
    pub port: Option<u16>,
    /// The destination of its messages.
    pub recipient: Option<RecipientSince>,
    /// Whether the operator has looked at a maildrop that changed as a whole (`seen adopt`): its
    /// new messages are retrieved.
    pub adopted: bool,
}

/// When an account may be polled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pacing {
    /// When the last login was tried.
    pub last_login: Option<Timestamp>,
    /// Seconds between logins as the server announced (LOGIN-DELAY, RFC 2449 section 6.5).
    pub login_delay_seconds: Option<u64>,
    /// Whether the last session with limits that had no room for all began with a retry: the next
    /// one begins with new messages.
    pub began_with_retry: bool,
    /// When the last complete poll ended well.
    pub last_success: Option<Timestamp>,
    /// Network or server failures in a row.
    pub failures: u32,
    /// No poll before this time, because of those failures.
    pub backoff_until: Option<Timestamp>,
    /// Why the operator must act, and when the next try is.
    pub hold: Option<Hold>,
    /// The seal of settings and secret when the hold or back-off began: it ends when they change.
    pub seal: Option<Seal>,
}

/// Whether the clock is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockState {
    /// The time since which the clock has been consistent after it was found wrong; nothing is due
    /// by age for a day.
    pub doubted_since: Option<Timestamp>,
    /// The newest time of a poll of this account, by the clock at that time.
    pub last_poll: Option<Timestamp>,
    /// Seconds between the last two polls, if that was more than a day: a pause as long as before
    /// is no jump of the clock.
    pub pause_seconds: Option<u64>,
}

/// The observed habits of a server with retrieved messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HidingState {
    /// Whether the server of the last session hides retrieved messages.
    pub hid_retrieved: bool,
    /// Whether the server was observed to hide retrieved messages, although it does not announce
    /// that.
    pub hides_retrieved: bool,
    /// Since when; `None` in states from before that was recorded.
    pub hides_since: Option<Timestamp>,
    /// Since when messages are gone that the server either hides or lists under other unique-ids.
    pub suspected_since: Option<Timestamp>,
    /// Whether the server was observed to list a message that was retrieved before a confirmed
    /// QUIT.
    pub shows_retrieved: bool,
    /// True when the server may list messages that we already delivered, because the last session
    /// ended without QUIT, or because the operator marked them as delivered. Such a server lists
    /// newer mail only after those are retrieved again.
    pub without_quit: bool,
    /// When the first of those messages was retrieved; `None` if that is unknown.
    pub retrieved_since: Option<Timestamp>,
}

/// The destination of an account's messages, and since when: acceptances of another recipient prove
/// nothing about this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecipientSince {
    /// A digest of the delivery's name and the recipient.
    pub digest: u64,
    /// When a session first had this recipient; 1970 if that was not noted yet.
    pub since: Timestamp,
}

/// For whom an account fetches: who logs in, and to whom the messages go. Deliveries for another
/// owner prove nothing for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Who logs in.
    pub user: &'a str,
    /// A digest of the delivery's name and the recipient.
    pub recipient: u64,
}

impl<'a> Owner<'a> {
    /// The owner who logs in as this user and has the messages delivered in this way.
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

impl Pacing {
    /// Whether the server demands a pause between two logins.
    pub fn demands_pause(&self) -> bool {
        self.login_delay_seconds.is_some_and(|seconds| seconds > 0)
    }

    /// Notes whether a retry came before new messages, if they take turns.
    pub fn note_turn(&mut self, retry_first: Option<bool>) {
        self.began_with_retry = retry_first.unwrap_or(self.began_with_retry);
    }
}

impl AccountState {
    /// Since when this state is about deliveries for this owner; `None` if it is about those for
    /// another one. States from before the recipient was recorded are about those for any owner.
    pub fn tells_of(&self, owner: &Owner<'_>) -> Option<Timestamp> {
        let since = match self.maildrop.recipient {
            None => Timestamp(0),
            Some(known) if known.digest == owner.recipient => known.since,
            Some(_) => return None,
        };
        (self.maildrop.user == owner.user).then_some(since)
    }

    /// The maildrop of the records. Its host is empty in a state from before maildrops were noted.
    pub fn maildrop(&self) -> Maildrop {
        Maildrop::new(&self.maildrop.host, &self.maildrop.user, self.maildrop.port)
    }

    /// Since when messages were retrieved that a server which hides retrieved mail may still list,
    /// because no QUIT was confirmed after them; `None` if there are none.
    pub fn shown_since(&self) -> Option<Timestamp> {
        match self.hiding.without_quit {
            _ if self.hiding.shows_retrieved => Some(Timestamp(0)),
            true => Some(self.hiding.retrieved_since.unwrap_or(Timestamp(0))),
            false => None,
        }
    }

    /// Notes the present destination of the account's messages, and returns since when it is that.
    pub fn note_recipient(&mut self, owner: &Owner<'_>, now: Timestamp) -> Timestamp {
        let digest = owner.recipient;
        let since = match self.maildrop.recipient {
            // The time may come from a clock that was ahead.
            Some(known) if known.digest == digest && now >= limits::CLOCK_MIN => {
                known.since.min(now)
            }
            Some(known) if known.digest == digest => known.since,
            Some(_) => now,
            // Records from before this was noted count.
            None => Timestamp(0),
        };
        self.maildrop.recipient = Some(RecipientSince { digest, since });
        since
    }

    /// Notes the maildrop of the records.
    pub fn set_maildrop(&mut self, maildrop: &Maildrop) {
        maildrop.host().clone_into(&mut self.maildrop.host);
        maildrop.user().clone_into(&mut self.maildrop.user);
        self.maildrop.port = maildrop.port();
    }
}

/// The observed habits of a server with unique-ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamesState {
    /// Whether the server ever gave unique-ids: then `-ERR` to UIDL is a fault of the server.
    pub had_unique_ids: bool,
    /// Sessions in a row in which UIDL was refused although there were messages.
    pub uidl_refusals: u32,
    /// When its counters were found to have started again: earlier records are doubtful.
    pub began_again: Option<Timestamp>,
    /// When messages were last compared by digest to detect that, on a server without TOP.
    pub sampled: Option<Timestamp>,
    /// The last changes of unique-ids: sessions in which a known message was found under another
    /// unique-id, newest last.
    pub renamed: Vec<Timestamp>,
    /// When the messages of a maildrop with unstable unique-ids were last all retrieved.
    pub gone_through: Option<Timestamp>,
    /// The time since which TOP is not trusted, because it showed another head than RETR.
    pub heads_unreliable: Option<Timestamp>,
    /// The time since which records of another maildrop of this account are stored, while retrieved
    /// messages are looked up among them.
    pub elsewhere: Option<Timestamp>,
    /// Whether all listed messages are being marked as seen (`first_run = "skip"`), in several
    /// commits: the next poll continues with it.
    pub marking: bool,
    /// Whether records are being moved from or to another maildrop:
    /// [`crate::seen::AccountStore::complete_move`] completes it.
    pub moving: bool,
    /// Whether the operator confirmed that the maildrop is the one of the records, whatever its
    /// host and user.
    pub same_maildrop: bool,
    /// The name under which the records of the earlier maildrop are stored.
    pub came_from: Option<String>,
    /// The old or new name of this account, while its records are moved between the two.
    pub renaming: Option<String>,
}

/// The observed deletes without effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletesState {
    /// After how many seconds the last session deleted delivered messages; `None` if it deleted
    /// none.
    pub after_seconds: Option<u64>,
    /// Sessions in a row after which the deleted unique-ids were listed again, or QUIT was not
    /// confirmed.
    pub unconfirmed: u32,
    /// Messages that we asked to delete and whose bytes were found again.
    pub found_again: u32,
    /// When a single delete was last tried on a server that ignores them.
    pub lone: Option<Timestamp>,
    /// When the deletes of the last session were noted, if it asked for some.
    pub attempted: Option<Timestamp>,
    /// Whether its QUIT was not confirmed.
    pub quit_refused: bool,
    /// Whether its QUIT was not answered at all.
    pub quit_unanswered: bool,
    /// The times of the notes whose deletes no QUIT confirmed, or which the server refused, oldest
    /// first: their messages may still be there.
    pub open_notes: Vec<Timestamp>,
    /// Those of them whose deletes the server refused, or that were never sent: their messages are
    /// there.
    pub undone_notes: Vec<Timestamp>,
    /// For the open notes of which it is known: the unique-ids still to be retrieved that were
    /// listed beside their messages.
    pub beside: Vec<NamesBeside>,
    /// The deletes on a server without unique-ids of which a session must still see whether they
    /// took effect.
    pub check: Option<DeletesCheck>,
    /// When the server last refused the login of a session that followed at once only for that.
    pub check_refused: Option<Timestamp>,
}

/// The confirmed deletes of a session on a server without unique-ids, where only the number of
/// messages that are listed after it shows whether they took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeletesCheck {
    /// When they were noted.
    pub noted: Timestamp,
    /// How many messages were listed before them.
    pub listed: u64,
    /// How many of them the server confirmed to have deleted.
    pub deleted: u64,
    /// How many of those were still there at once after QUIT, if a session has listed them then.
    pub still: Option<u64>,
}

impl DeletesState {
    /// Notes that deletes were noted and not confirmed yet.
    pub fn open_note(&mut self, at: Timestamp) {
        if !self.open_notes.contains(&at) {
            self.open_notes.push(at);
        }
        let older = self.open_notes.len().saturating_sub(1);
        self.open_notes
            .drain(..older.saturating_sub(limits::OPEN_NOTES_MAX));
        self.forget_closed();
    }

    /// Notes that deletes were noted and had no effect: the server refused them, or they were never
    /// sent.
    pub fn open_undone_note(&mut self, at: Timestamp) {
        self.open_note(at);
        if !self.is_undone(at) {
            self.undone_notes.push(at);
        }
    }

    /// Whether it is certain that the deletes which were noted at this time had no effect.
    pub fn is_undone(&self, noted: Timestamp) -> bool {
        self.undone_notes.contains(&noted)
    }

    /// Forgets open notes for which `is_kept` is false.
    pub fn retain_notes(&mut self, is_kept: impl FnMut(&Timestamp) -> bool) {
        self.open_notes.retain(is_kept);
        self.forget_closed();
    }

    fn forget_closed(&mut self) {
        let open = &self.open_notes;
        self.undone_notes.retain(|at| open.contains(at));
        self.beside.retain(|beside| open.contains(&beside.noted));
    }

    /// Notes the unique-ids still to be retrieved that were listed when the deletes of this open
    /// note were noted.
    pub fn note_beside(&mut self, noted: Timestamp, names: Option<NameSet>) {
        self.beside.retain(|beside| beside.noted != noted);
        let names = names.filter(|names| !names.is_empty() && self.is_open(noted));
        self.beside
            .extend(names.map(|names| NamesBeside { noted, names }));
        let most = limits::NAMES_BESIDE_OCTETS_MAX / self.beside.len().max(1);
        for beside in &mut self.beside {
            beside.names.fold(most);
        }
    }

    /// Whether a message with this unique-id, with the bytes of one whose delete was noted
    /// at this time, is another one: both were listed then.
    pub fn was_beside(&self, noted: Timestamp, name: &[u8]) -> bool {
        let mut beside = self.beside.iter().filter(|beside| beside.noted == noted);
        beside.any(|beside| beside.names.may_contain(name))
    }

    /// Notes that QUIT confirmed the deletes of this note.
    pub fn close_note(&mut self, at: Timestamp) {
        self.retain_notes(|open| *open != at);
    }

    /// The time for another note: `now`, or the next second that no note has, open or not. `known`
    /// are the records of the account: several sessions may end within a second, and a note of one
    /// must not open that of another.
    pub fn time_of_note<'r>(
        &self,
        now: Timestamp,
        known: impl Iterator<Item = &'r Record>,
    ) -> Timestamp {
        let asked = known.filter_map(|record| record.notes.asked);
        let later: HashSet<Timestamp> = asked.filter(|at| *at >= now).collect();
        let mut at = now;
        while self.is_open(at) || later.contains(&at) {
            at = at.plus(1);
        }
        at
    }

    /// Whether no QUIT confirmed the deletes that were noted at this time.
    pub fn is_open(&self, noted: Timestamp) -> bool {
        self.open_notes.contains(&noted)
    }
}

impl NamesState {
    /// Notes that a known message was found under another unique-id.
    pub fn note_renamed(&mut self, now: Timestamp) {
        self.renamed.push(now);
        let spare = self.renamed.len().saturating_sub(limits::RENAMED_TIMES_MIN);
        self.renamed.drain(..spare);
    }

    /// Whether messages with unknown unique-ids wait, because all messages were retrieved recently.
    pub fn wait(&self, now: Timestamp) -> bool {
        self.gone_through
            .is_some_and(|at| at.is_within(limits::GONE_THROUGH_SECONDS, now))
    }

    /// Until when unique-ids are known to have changed: they may have changed again since. They did
    /// when known messages were found under others, and may have when all messages were retrieved;
    /// but for that nothing is checked twice within a day.
    pub fn changed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let day_ago = Timestamp(now.0.saturating_sub(limits::GONE_THROUGH_SECONDS));
        let gone_through = self.gone_through.map(|time| time.min(day_ago));
        let renamed = self.renamed.iter().copied();
        let times = renamed.chain(gone_through);
        times.filter(|time| *time <= now).max()
    }

    /// Until when they wait after all messages were retrieved.
    pub fn waits_until(&self) -> Option<Timestamp> {
        self.gone_through
            .map(|at| at.plus(limits::GONE_THROUGH_SECONDS))
    }

    /// Whether unique-ids prove nothing here: they changed three times within 30 days, the last
    /// time in the last 30. A time after `now` comes from a wrong clock, and does not count.
    pub fn are_unstable(&self, now: Timestamp) -> bool {
        let believed = self.renamed.iter().filter(|at| **at <= now);
        match (believed.clone().min(), believed.clone().max()) {
            (Some(first), Some(last)) => {
                believed.count() >= limits::RENAMED_TIMES_MIN
                    && last.since(*first) <= limits::RENAMED_SECONDS
                    && now.since(*last) <= limits::RENAMED_SECONDS
            }
            _ => false,
        }
    }
}

/// An account that waits for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The stable code of the reason.
    pub code: String,
    /// The words, safe to show.
    pub words: String,
    /// Refused tries so far.
    pub tries: u32,
    /// No login before this time.
    pub until: Timestamp,
}
