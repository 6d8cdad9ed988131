//! From how many messages or answers a habit of a server or a fault of a destination is concluded.

use crate::mail::DAY_SECONDS;

/// How many messages of a maildrop are remembered to judge its announced sizes.
pub const SIZES_REMEMBERED_MAX: usize = 50;

/// Messages of different senders with other octets than announced that make its sizes estimates.
pub const SIZES_DIFFERING_MIN: usize = 5;

/// How often a message is retrieved alone in one session: two equal copies settle it, and after
/// three different ones another try is useless.
pub const ALONE_TIMES_MAX: u32 = 2;

/// The most days between two comparisons of one message.
pub const COMPARED_AGAIN_DAYS_MAX: u64 = 30;

/// Fewer expected messages than these are no flood if their unique-ids change, and change by
/// chance.
pub const CHANGED_MESSAGES_MIN: usize = 20;

/// Messages that are gone before a server is thought to hide them: if only one or two are, their
/// owner deleted them.
pub const HIDDEN_MESSAGES_MIN: usize = 3;

/// The longest wait before a session that only checks whether deletes took effect: the poll holds
/// a place meanwhile. If the server demands a longer pause between logins, the next poll checks.
pub const CHECK_WAIT_SECONDS_MAX: u64 = 30;

/// Seconds before such a session where the server refused one lately: many servers lock a maildrop
/// for a moment after QUIT.
pub const CHECK_PAUSE_SECONDS: u64 = 5;

/// How long such a refusal is remembered.
pub const CHECK_REFUSED_SECONDS: u64 = 30 * DAY_SECONDS;

/// Messages of one session whose refusals may be the recipient's fault, before the account is held.
pub const RECIPIENT_IN_DOUBT_MESSAGES_MAX: usize = 3;

/// Accounts whose recipients are refused in a row, from which no recipient counts as missing.
pub const REFUSED_RECIPIENTS_MIN: usize = 3;

/// Different sizes of marked messages that show, if all have their octets, that the server did not
/// begin to count again.
pub const MARKS_SIZES_MIN: usize = 3;

/// Marked messages with more octets, or with fewer, that show that LIST counts otherwise: so many
/// other messages would be partly longer and partly shorter.
pub const MARKS_OF_OTHER_OCTETS_MIN: usize = 10;

/// The last offers to a destination that are examined for suspicion.
pub const SUSPECT_OFFERS: usize = 20;

/// The refusals among them that make it suspect.
pub const SUSPECT_REFUSED_MIN: usize = 18;

/// The last offers to a suspect destination that are examined for the end of suspicion.
pub const TRUSTED_OFFERS: usize = 10;

/// The acceptances among them that end it.
pub const TRUSTED_ACCEPTED_MIN: usize = 5;

/// Messages that are remembered because a destination failed at them. Forgetting one costs at most
/// another opening of the breaker because of it.
pub const CULPRITS_MAX: usize = 1000;

/// Different messages of one sender that are refused in a row before the destination counts as
/// down: while fewer are, mail of other senders is offered.
pub const REFUSED_OF_ONE_SENDER_MAX: usize = 50;

/// The most characters of a unique-id, or of the part that differs, that may be a counter.
pub const COUNTER_OCTETS_MAX: usize = 12;

/// The least characters that all unique-ids share, which make them more than counters.
pub const COUNTER_COMMON_OCTETS_MIN: usize = 8;
