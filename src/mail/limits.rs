//! All limits of the program: the unit is last in the name, and the comment says why this number.
//!
//! A number that an RFC, the system or a format fixes is no limit, and stays where it is used.

mod connection;
mod doubts;
mod schedule;
mod shown;
mod sinks;
mod store;

use crate::mail::{DAY_SECONDS, Timestamp};

pub use connection::*;
pub use doubts::*;
pub use schedule::*;
pub use shown::*;
pub use sinks::*;
pub use store::*;

/// The beginning of 2026. A correct clock has never shown an earlier time to this program.
pub const CLOCK_MIN: Timestamp = Timestamp(1_767_225_600);

/// The name of an account: long enough for any address in use as a name, short enough for a log
/// line.
pub const ACCOUNT_NAME_OCTETS_MAX: usize = 64;

/// A unique-id. RFC 1939 says 70; servers send longer ones, and none above a few hundred is known.
pub const UNIQUE_ID_OCTETS_MAX: usize = 1024;

/// An envelope address. RFC 5321 section 4.5.3.1.3 says 256; real return paths (VERP, SRS) grow
/// beyond that.
pub const ADDRESS_OCTETS_MAX: usize = 512;

/// Characters of foreign text that are shown: enough for any honest reply (RFC 1939 section 3
/// allows 512 octets).
pub const SHOWN_CHARACTERS_MAX: usize = 512;

/// A status line. RFC 1939 section 3 says 512 octets; 8 KiB tolerates chatty servers, and more is
/// an attack.
pub const STATUS_LINE_OCTETS_MAX: usize = 8 * 1024;

/// A line of a UIDL, LIST or CAPA reply: a unique-id, a number, and room for servers that append
/// words.
pub const LISTING_LINE_OCTETS_MAX: usize = 4 * 1024;

/// Messages in one listing: as many as in the largest known maildrops. It bounds memory when a
/// listing never ends.
pub const LISTING_ENTRIES_MAX: usize = 1_000_000;

/// Octets of one UIDL or LIST reply. A million messages with unique-ids of 23 octets fit, and their
/// listing takes less than 64 MiB of memory.
pub const LISTING_OCTETS_MAX: u64 = 32 * 1024 * 1024;

/// Lines of one CAPA reply; servers announce about twenty.
pub const CAPABILITY_LINES_MAX: usize = 256;

/// Messages listed by a server that does not list retrieved messages again, from which its listing
/// may be full: servers known to do so list 250 at a time or more.
pub const BLOCKED_LISTING_MESSAGES_MIN: usize = 200;

/// A command line including CRLF (RFC 2449 section 4).
pub const COMMAND_LINE_OCTETS_MAX: usize = 255;

/// A SASL challenge: error reports of bearer mechanisms reach several KiB.
pub const CHALLENGE_OCTETS_MAX: usize = 64 * 1024;

/// Commands other than DELE that wait for their replies in one session.
pub const PIPELINE_COMMANDS_MAX: usize = 128;

/// DELEs that wait for their replies. They are sent together at the end of a session, where each
/// flight costs one more round trip. This many, and their replies, fit the buffers of a connection.
pub const PIPELINE_DELETES_MAX: usize = 2_000;

/// Octets of messages that were asked for and have not arrived: enough to fill a line of 1 Gbit/s
/// with a round trip of 50 ms about once.
pub const PIPELINE_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// A message up to this size stays in memory; a larger one goes to an unlinked file. Six of this
/// size fit the memory of all messages, beside the quarter that is reserved for small ones.
pub const SPOOL_MESSAGE_MEMORY_OCTETS_MAX: usize = 2 * 1024 * 1024;

/// Octets of a message that are gathered for one write to its file: each write costs a change of
/// threads.
pub const SPOOL_WRITE_OCTETS: usize = 256 * 1024;

/// Memory of all spooled messages of the agent together.
pub const SPOOL_MEMORY_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Messages of one session in files, above which it asks for no more: each keeps a descriptor open,
/// and the 20 sessions of the default must leave most of the usual 1,024 to others.
pub const SPOOL_FILES_MAX: usize = 16;

/// The least room reserved for a message before its RETR is sent: announced sizes can be wrong, and
/// most messages are smaller.
pub const SPOOL_RESERVATION_OCTETS_MIN: usize = 64 * 1024;

/// `Received` fields above which a message is in a loop. RFC 5321 section 6.3 asks for at least 100
/// between relays that bounce, and no honest path to a maildrop is half as long.
pub const RECEIVED_FIELDS_MAX: u32 = 50;

/// Octets of a message that are searched for its header.
pub const HEADER_OCTETS_MAX: usize = 256 * 1024;

/// Memory that is kept from one group of commits to the next: more than 64 messages of each of 20
/// accounts need.
pub const JOURNAL_TEXT_KEPT_OCTETS: usize = 1024 * 1024;

/// Listed messages above which an account without any record is held until the operator decides.
pub const FIRST_RUN_MESSAGES_MAX: usize = 500;

/// Messages in a row that a destination refused, from which the destination is suspect and not only
/// the messages.
pub const REFUSED_IN_A_ROW_MAX: u32 = 5;

/// Octets that one poll retrieves only for comparison, when `max_octets` sets no limit.
pub const COMPARED_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// Messages of one session that differed from their records when they were compared, above which
/// the account is held: the server sends other octets than before.
pub const COMPARED_DIFFERENT_MAX: u64 = 20;

/// Deletes of a session after one whose deletes had no effect; a quarter of them after each further
/// one.
pub const DELETES_AFTER_TROUBLE_MAX: usize = 500;

/// Messages that came again after we asked to delete them, above which the server counts as one
/// that ignores deletes.
pub const DELETES_FOUND_AGAIN_MAX: u32 = 5;

/// Seconds for the reply to QUIT, when an earlier QUIT was not confirmed.
pub const QUIT_AFTER_TROUBLE_SECONDS: u64 = 600;

/// Heads that are compared to see whether two hosts have the same maildrop, besides the oldest and
/// the newest.
pub const HEADS_OF_MAILDROP_MAX: usize = 30;

/// Different messages that were deleted before and came again under unknown unique-ids, from which
/// a maildrop counts as restored.
pub const RESTORED_MESSAGES_MAX: usize = 5;

/// How long retrieved messages are looked up among the records of an account's other maildrops,
/// after the account changed its maildrop: long enough for a move to complete.
pub const ELSEWHERE_SECONDS: u64 = 30 * DAY_SECONDS;

/// Messages without unique-id among others with one, above which none of them is retrieved: such a
/// server is broken, and an account with unique-ids never works without them.
pub const UNNAMED_MESSAGES_MAX: usize = 500;

/// Messages of a maildrop with unstable unique-ids, above which they are not retrieved for
/// comparison.
pub const UNSTABLE_MESSAGES_MAX: usize = 500;

/// Octets of such a maildrop, above which its messages are not retrieved for comparison.
pub const UNSTABLE_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Messages that one poll of an account offers to a suspect destination: enough to find honest mail
/// among refused mail, and few enough not to bother a relay.
pub const SUSPECT_OFFERS_MAX: u64 = 50;

/// Seconds after an acceptance during which a refused recipient is believed to exist.
pub const RECIPIENT_KNOWN_SECONDS: u64 = DAY_SECONDS;

/// Seconds for which a poll waits while another session probes the destination.
pub const PROBE_WAIT_SECONDS: u64 = 60;

/// Tries after which a message that is refused for now each time is quarantined.
pub const TRIES_MAX: u32 = 20;

/// Characters of a destination's words in the record of a message, while other targets are still
/// open. The words are for the reader of the quarantine copy; the record is read at each poll.
pub const REFUSED_CHARACTERS_MAX: usize = 200;

/// Logins refused in a row because another session has the maildrop, from which the operator must
/// look: no session lasts that long.
pub const IN_USE_TIMES_MAX: u32 = 10;

/// Seconds of such refusals, from which the operator must look.
pub const IN_USE_SECONDS_MAX: u64 = 6 * 3600;

/// The longest wait that we accept from the text of a refused login: an hour. Text is no promise,
/// and mail must not wait longer for this than for a server that was down.
pub const TOLD_WAIT_SECONDS_MAX: u64 = 3600;

/// Seconds for which CAPA, LIST or NOOP is not sent after a server ended a session because of it.
pub const COMMAND_LEFT_OUT_SECONDS: u64 = DAY_SECONDS;

/// Messages without unique-id at which sessions ended, that are remembered: finding each costs a
/// session.
pub const STRUCK_NUMBERS_MAX: usize = 64;

/// Deletes in a row at which sessions ended, with no accepted delete between, from which the server
/// counts as one that ignores deletes.
pub const STRUCK_DELETES_IN_A_ROW_MAX: u32 = 3;

/// Heads, and deletes, of a session after one that the server ended: one lost link must not make
/// the next sessions tiny.
pub const SESSION_LIMIT_FIRST: u32 = 16;

/// Commands about messages that a server answers in a session, up to which each session does one
/// thing only: heads, mail and deletes of one message, the proof and QUIT need that many.
pub const SHORT_SESSION_COMMANDS_MAX: u32 = 11;

/// Seconds for which such short sessions are remembered after the last one that the server ended.
pub const SHORT_SESSIONS_SECONDS: u64 = 30 * DAY_SECONDS;

/// If a session may delete more than this, it needs no limit.
pub const SESSION_LIMIT_MAX: u32 = 1000;

/// Seconds for which sessions are limited after the last one that the server ended.
pub const SESSION_LIMIT_SECONDS: u64 = DAY_SECONDS;

/// Seconds for which a maildrop is polled without pipelining after a session got out of step.
pub const LOCK_STEP_SECONDS: u64 = DAY_SECONDS;

/// Sessions that ended inside one message, after which it is deferred and retrieved last.
pub const STRIKES_MAX: u32 = 2;

/// Sessions of one poll that delete nothing, or whose deletes do not count. A poll starts this many
/// extra sessions to pass an oversized message or to commit deletes, and no more.
pub const FRUITLESS_SESSIONS_MAX: u32 = 10;

/// Sessions in a row in which a server refuses the UIDL that it announces, after which it counts as
/// one without unique-ids.
pub const UIDL_REFUSALS_MAX: u32 = 3;

/// `-ERR` replies to RETR in a row that end the session: then the server is broken, not the
/// messages.
pub const RETR_ERRORS_IN_A_ROW_MAX: u32 = 10;

/// Seconds to connect, for all addresses of a host together.
pub const CONNECT_SECONDS_MAX: u64 = 30;

/// Seconds for a TLS handshake.
pub const HANDSHAKE_SECONDS_MAX: u64 = 30;

/// Seconds for the second connection that reads the names in a certificate. It only improves an
/// error message.
pub const CERTIFICATE_LOOK_SECONDS_MAX: u64 = 5;

/// Seconds for the reply to one command. UIDL of a huge maildrop takes Dovecot minutes when its
/// index is not cached.
pub const REPLY_SECONDS_MAX: u64 = 180;

/// Seconds of silence on an unencrypted connection after which the log says what that may mean.
/// Servers that look up names before they greet take a few.
pub const SILENT_GREETING_SECONDS: u64 = 25;

/// Blank lines before one status line: a stray line end or two happens, and a server that sends
/// more never sends anything else.
pub const BLANK_LINES_MAX: u32 = 16;

/// Seconds to wait for the status line after a blank line; after that, the blank line was the
/// reply.
pub const BLANK_LINE_SECONDS_MAX: u64 = 15;

/// Seconds without a single octet inside a multi-line reply.
pub const STALL_SECONDS_MAX: u64 = 120;

/// Seconds between NOOPs while sinks work. A server may close the connection after ten idle minutes
/// (RFC 1939 section 3).
pub const NOOP_SECONDS: u64 = 120;

/// Seconds for a server's last replies, and for the reply to QUIT, when we are told to stop now:
/// enough for a server that works.
pub const GOODBYE_SECONDS: u64 = 2;

/// Threads that may block. Each running MDA has one, and nothing else should wait for those.
pub const BLOCKING_THREADS_MAX: usize = 8192;

/// Seconds for the reply to QUIT; a server may delete thousands of files before it answers.
pub const QUIT_SECONDS_MAX: u64 = 120;

/// Seconds a whole session may take: a server that sends one octet every nine seconds ends here.
pub const SESSION_SECONDS_MAX: u64 = 4 * 3600;

/// Milliseconds to wait before STLS for data that we did not ask for: data injected after the reply
/// to CAPA follows it at once.
pub const UNASKED_MILLISECONDS: u64 = 20;

/// Seconds of a session for asking for heads before anything is retrieved: new mail waits
/// meanwhile. A server that takes half a second for each shows more than a thousand, and the next
/// session asks for the rest.
pub const HEADS_SECONDS_MAX: u64 = 600;

/// Bits that a message would have to guess to contain the answers to all proofs that a session asks
/// before deletes.
pub const PROOF_BITS: u32 = 20;

/// Messages whose sizes are asked one by one, the newest ones, while LIST is left out.
pub const SIZES_ONE_BY_ONE_MAX: usize = 500;

/// Seconds of a session for such sizes.
pub const SIZES_SECONDS_MAX: u64 = 60;

/// Seconds after which the heads received so far are made durable. A session that is lost before
/// asks for that many again.
pub const HEADS_NOTED_SECONDS: u64 = 30;

/// Seconds before the end of a session from which nothing more is retrieved, so that there is time
/// for deletes and QUIT.
pub const SESSION_END_SECONDS: u64 = 20 * 60;

/// Octets of a password or token: bearer tokens exceed 4 KiB, and a whole private key is no
/// password.
pub const SECRET_OCTETS_MAX: usize = 64 * 1024;

/// Seconds a command that prints a password may take: a password store that asks no question
/// answers at once.
pub const SECRET_COMMAND_SECONDS_MAX: u64 = 30;

/// Octets of one configuration file: a hundred thousand accounts fit.
pub const CONFIG_FILE_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Octets of a PEM file: a bundle of all authorities in use has a quarter of a MiB.
pub const PEM_FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// Seconds to read a small file that the operator named: a healthy file server answers within one.
pub const FILE_SECONDS_MAX: u64 = 30;

/// Changes in one batch: a batch is one line of the journal, and is in memory as a whole.
pub const BATCH_CHANGES_MAX: usize = 1_000;

/// Oversized messages that are recorded in one session; later sessions record the rest. A server
/// that lists a million under new unique-ids at each poll must not fill the disk with them.
pub const OVERSIZED_RECORDED_MAX: usize = 4_000;

/// Oversized messages that get a log line each in one session.
pub const OVERSIZED_TOLD_MAX: usize = 20;

/// Seconds before we retry a message whose connection was closed because others were waiting: once
/// an hour it may find a place that no other account needs.
pub const SLOW_MESSAGE_SECONDS: u64 = 3600;

/// Memory of all listings of the process together, and of the records that they are compared with,
/// as we count it: a listing of a million messages counts as some 150 MiB, and their records as two
/// thirds of that.
pub const LISTINGS_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// Octets that a listing may take without asking for room: some four thousand messages.
pub const LISTING_FREE_OCTETS: u64 = 512 * 1024;

/// Octets that a growing listing asks for at a time.
pub const LISTING_STEP_OCTETS: u64 = 1024 * 1024;

/// Octets that a listed message counts as, besides its unique-id: its place, its order, its plan,
/// and the free space at the end of growing arrays. Measured with a million messages of one
/// unique-id, which need most.
pub const LISTING_ENTRY_OCTETS: u64 = 128;

/// Entries of a listing from which work on them runs in a separate thread: below this, it takes a
/// few milliseconds.
pub const LONG_WORK_ENTRIES_MIN: usize = 20_000;

/// Octets of a server that are read before other tasks of the thread have their turn: some two
/// milliseconds of a listing.
pub const READ_IN_A_ROW_OCTETS: usize = 256 * 1024;

/// Octets that a record counts as while a session has it in memory, its unique-id included.
pub const RECORD_OCTETS: u64 = 96;

/// The most octets that all records of one account count as: beside them there must be room for a
/// listing of a million messages.
pub const RECORDS_OCTETS_MAX: u64 = 96 * 1024 * 1024;

/// A block of memory of at least this size goes back to the system when it is freed: it is larger
/// than any message in memory, and smaller than the arrays of a large listing.
pub const LARGE_BLOCK_OCTETS: i32 = 4 * 1024 * 1024;

/// Arenas of the allocator. Each keeps the memory that was freed in it, and threads that wait for
/// MDAs would otherwise have up to eight for each processor.
pub const ARENAS_MAX: i32 = 4;

/// Messages retrieved in one session, after which the session ends and the poll continues in
/// another one: a session's state for each message takes up to 700 octets.
pub const SESSION_MESSAGES_MAX: u64 = 20_000;

/// How long an account waits whose destination is down: the breaker decides, and the account only
/// checks again.
pub const DESTINATION_WAIT_SECONDS: u64 = 30;

/// How long an account waits for the store: space on a full disk may become free at any moment.
pub const STORE_WAIT_SECONDS: u64 = 60;

/// The pause between logins if the server requires one and does not say how long: that of Gmail.
pub const LOGIN_DELAY_UNKNOWN_SECONDS: u64 = 300;

/// How long `poll` and the commands that log in wait for a server that requires a pause between
/// logins.
pub const LOGIN_DELAY_WAITED_FOR_SECONDS_MAX: u64 = 60;

/// How long TOP is not used after it showed another head than RETR.
pub const HEADS_UNRELIABLE_SECONDS: u64 = 30 * DAY_SECONDS;

/// Changes of all unique-ids of a maildrop that make them unstable.
pub const RENAMED_TIMES_MIN: usize = 3;

/// The time within which such changes count.
pub const RENAMED_SECONDS: u64 = 30 * DAY_SECONDS;

/// How often all messages of a maildrop with unstable unique-ids are retrieved.
pub const GONE_THROUGH_SECONDS: u64 = DAY_SECONDS;

/// How long an account waits while the message of another one probes the destination.
pub const PROBE_AGAIN_SECONDS: u64 = 15;

/// How long a session may keep the probe of a destination: longer than an MDA or a step of a relay
/// takes by default.
pub const PROBE_HELD_SECONDS: u64 = 360;

/// How long the next probe is reserved for an account: as long as the default from poll to poll.
pub const PROBE_RESERVED_SECONDS: u64 = 300;

/// Seconds between two polls that are never a jump of the clock: a daily cron job may begin late,
/// and summer time ends in a day of 25 hours.
pub const CLOCK_PAUSE_SECONDS: u64 = 26 * 3600;

/// The longest pause that may be a habit: a month and a few days.
pub const CLOCK_HABIT_SECONDS_MAX: u64 = 35 * DAY_SECONDS;

/// When equal contents may be the report of a device for the next day.
pub const EQUAL_AGAIN_SECONDS: u64 = 20 * 3600;

/// How often a message without unique-id is retrieved that may be a delivered one, or that had a
/// fault.
pub const RETRIEVED_AGAIN_SECONDS: u64 = DAY_SECONDS;
