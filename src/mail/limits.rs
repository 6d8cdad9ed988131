//! Every bound in the house: unit last in the name, and why this number.

use crate::mail::Timestamp;

/// The beginning of 2026: no clock that is right has ever shown an earlier time to this program.
pub const CLOCK_MIN: Timestamp = Timestamp(1_767_225_600);

/// The name of an account: long enough for any address in use as a name, short enough for a log
/// line.
pub const ACCOUNT_NAME_OCTETS_MAX: usize = 64;

/// A unique-id. RFC 1939 says 70; servers send more, and none was seen above a few hundred.
pub const UNIQUE_ID_OCTETS_MAX: usize = 1024;

/// An envelope address. RFC 5321 section 4.5.3.1.3 says 256; real return paths (VERP, SRS) grow
/// beyond that.
pub const ADDRESS_OCTETS_MAX: usize = 512;

/// How much of a foreign text is shown: enough for any honest reply (RFC 1939 section 3 allows 512
/// octets).
pub const SHOWN_CHARACTERS_MAX: usize = 512;

/// A status line. RFC 1939 section 3 says 512 octets; 8 KiB tolerates chatty servers, above it is
/// an attack.
pub const STATUS_LINE_OCTETS_MAX: usize = 8 * 1024;

/// A line of a UIDL, LIST or CAPA reply: a unique-id, a number, and room for servers that append
/// words.
pub const LISTING_LINE_OCTETS_MAX: usize = 4 * 1024;

/// Messages in one listing: the largest maildrops ever heard of; bounds memory against a listing
/// that never ends.
pub const LISTING_ENTRIES_MAX: usize = 1_000_000;

/// Octets of one UIDL or LIST reply. A million messages with unique-ids of 23 octets fit, and their
/// listing takes less than 64 MiB of memory.
pub const LISTING_OCTETS_MAX: u64 = 32 * 1024 * 1024;

/// Lines of one CAPA reply; servers announce about twenty.
pub const CAPABILITY_LINES_MAX: usize = 256;

/// Messages listed by a server that hides what was retrieved, above which the listing may be full:
/// the servers known to do so list 250 at a time or more.
pub const BLOCKED_LISTING_MESSAGES_MIN: usize = 200;

/// A command line including CRLF (RFC 2449 section 4).
pub const COMMAND_LINE_OCTETS_MAX: usize = 255;

/// A SASL challenge: error reports of bearer mechanisms reach several KiB.
pub const CHALLENGE_OCTETS_MAX: usize = 64 * 1024;

/// Commands waiting for their replies in one session, but for DELEs.
pub const PIPELINE_COMMANDS_MAX: usize = 128;

/// DELEs waiting for their replies. They go out together at the end of a session, where each flight
/// is one more round trip; so many, and their replies, fit the buffers of a connection.
pub const PIPELINE_DELETES_MAX: usize = 2_000;

/// Octets of messages asked for and not yet arrived: fills a line of 1 Gbit/s with 50 ms both ways
/// about once.
pub const PIPELINE_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// A message up to this size stays in memory; a larger one goes to an unlinked file. Six of them
/// fit the memory of all, beside the quarter that small ones have to themselves.
pub const SPOOL_MESSAGE_MEMORY_OCTETS_MAX: usize = 2 * 1024 * 1024;

/// How much of a message that goes to a file is gathered for one write: each costs a change of
/// threads.
pub const SPOOL_WRITE_OCTETS: usize = 256 * 1024;

/// Memory of all spooled messages of the agent together.
pub const SPOOL_MEMORY_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Messages of one session in files above which it asks for no more: each keeps a descriptor, and
/// the 20 sessions of the default must leave most of the usual 1,024 to others.
pub const SPOOL_FILES_MAX: usize = 16;

/// Room reserved for a message before its RETR is sent, at the least: sizes lie, and most messages
/// are smaller.
pub const SPOOL_RESERVATION_OCTETS_MIN: usize = 64 * 1024;

/// `Received` fields above which a message is in a loop: RFC 5321 section 6.3 asks for at least 100
/// between relays that bounce, and no honest way to a maildrop is half as long.
pub const RECEIVED_FIELDS_MAX: u32 = 50;

/// How much of a message is searched for its header.
pub const HEADER_OCTETS_MAX: usize = 256 * 1024;

/// Messages in a Maildir that are not durable yet: each keeps a descriptor open until then.
pub const MAILDIR_OPEN_MESSAGES_MAX: usize = 128;

/// Memory that is kept from one group of commits to the next: more than 64 messages of each of 20
/// accounts need.
pub const JOURNAL_TEXT_KEPT_OCTETS: usize = 1024 * 1024;

/// The label of a message in the quarantine: room for 1,900 recipients of the longest kind.
pub const QUARANTINE_LABEL_OCTETS_MAX: u64 = 1024 * 1024;

/// A message up to this size is a file in memory while an MDA reads it: there are as many at a time
/// as MDAs.
pub const MDA_MEMORY_OCTETS_MAX: u64 = 256 * 1024;

/// Output of an MDA that is kept for the log; the rest is read and dropped.
pub const MDA_OUTPUT_OCTETS_MAX: usize = 4 * 1024;

/// Seconds between TERM and KILL for a program that is ended: time to remove its temporary files,
/// no more.
pub const PROCESS_GRACE_SECONDS: u64 = 2;

/// How much of a message is written to a relay at a time: each such piece may take as long as a
/// step.
pub const RELAY_WRITE_OCTETS: usize = 64 * 1024;

/// A reply line of a relay. RFC 5321 section 4.5.3.1.5 says 512; above 8 KiB it is an attack.
pub const SMTP_REPLY_LINE_OCTETS_MAX: usize = 8 * 1024;

/// A whole reply of a relay. lettre parses a reply from its start at each of its lines, so a long
/// one costs its square in time; the longest honest one, to EHLO, has a few hundred octets.
pub const SMTP_REPLY_OCTETS_MAX: usize = 16 * 1024;

/// Listed messages above which an account without any record is held until the operator says what
/// to do.
pub const FIRST_RUN_MESSAGES_MAX: usize = 500;

/// Refused messages in a row, at one destination, that mean that the destination is suspect and not
/// only the messages.
pub const REFUSED_IN_A_ROW_MAX: u32 = 5;

/// Octets that one poll retrieves only to compare messages, where `max_octets` sets no limit.
pub const COMPARED_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// Messages that came out different when they were compared in one session, above which the account
/// is held: the server hands out other octets than before.
pub const COMPARED_DIFFERENT_MAX: u64 = 20;

/// Deletes of a session after one whose deletes did not take; a quarter of them after each further
/// one.
pub const DELETES_AFTER_TROUBLE_MAX: usize = 500;

/// Messages that were asked to be deleted and came again, above which the server is known to ignore
/// deletes.
pub const DELETES_FOUND_AGAIN_MAX: u32 = 5;

/// Seconds for the answer to QUIT where an earlier one was not answered with a yes.
pub const QUIT_AFTER_TROUBLE_SECONDS: u64 = 600;

/// Heads that are compared to see whether two hosts hold one maildrop, beside the oldest and the
/// newest.
pub const HEADS_OF_MAILDROP_MAX: usize = 30;

/// Different messages that were deleted before and came again under unknown names, after which a
/// maildrop counts as restored.
pub const RESTORED_MESSAGES_MAX: usize = 5;

/// How long what is retrieved is looked up among the records of an account's other maildrops, after
/// it was pointed at this one: long enough for a move to be completed.
pub const ELSEWHERE_SECONDS: u64 = 30 * 24 * 3600;

/// Messages without unique-id among others with one, above which none of them is retrieved: a
/// server that names so few is ill, and an account with unique-ids does not go without.
pub const UNNAMED_MESSAGES_MAX: usize = 500;

/// Messages of a maildrop with unstable unique-ids, above which it is not gone through.
pub const UNSTABLE_MESSAGES_MAX: usize = 500;

/// Octets of such a maildrop, above which it is not gone through.
pub const UNSTABLE_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Messages that one poll of an account offers to a destination that is suspect: enough to find
/// honest mail among refused, few enough to bother no relay.
pub const SUSPECT_OFFERS_MAX: u64 = 50;

/// Seconds after an acceptance in which a refused recipient is believed to be there.
pub const RECIPIENT_KNOWN_SECONDS: u64 = 24 * 3600;

/// Seconds for which a poll waits while another session probes the destination.
pub const PROBE_WAIT_SECONDS: u64 = 60;

/// Tries before a message that keeps being refused for now is quarantined.
pub const TRIES_MAX: u32 = 20;

/// Characters of a destination's words that the record of a message keeps while other targets are
/// still open. The words are for the reader of the quarantine copy; the record is read at each poll.
pub const REFUSED_CHARACTERS_MAX: usize = 200;

/// Logins refused in a row because another session has the maildrop, from which somebody must look:
/// no session lasts over so many.
pub const IN_USE_TIMES_MAX: u32 = 10;

/// Seconds of such refusals, from which somebody must look.
pub const IN_USE_SECONDS_MAX: u64 = 6 * 3600;

/// The longest wait that the words of a refused login are believed to ask for: an hour, because
/// words are no promise, and mail must not wait longer for a server's than for one that was down.
pub const TOLD_WAIT_SECONDS_MAX: u64 = 3600;

/// Seconds for which CAPA, LIST or NOOP is left out after a server ended a session over it.
pub const COMMAND_LEFT_OUT_SECONDS: u64 = 24 * 3600;

/// Messages without unique-id at which sessions have ended that are remembered: each costs a
/// session to be found.
pub const STRUCK_NUMBERS_MAX: usize = 64;

/// Deletes at which sessions ended, one after the other and none taken between, from which the
/// server is taken to ignore deletes.
pub const STRUCK_DELETES_IN_A_ROW_MAX: u32 = 3;

/// Seconds a maildrop is served without pipelining after a session out of step.
pub const LOCK_STEP_SECONDS: u64 = 24 * 3600;

/// Sessions that ended inside one message before it is deferred and retrieved last.
pub const STRIKES_MAX: u32 = 2;

/// Sessions of one poll without a single delete, or whose deletes do not count: it comes back
/// behind an oversized message, or to commit deletes, so often, and no more.
pub const FRUITLESS_SESSIONS_MAX: u32 = 10;

/// Sessions in a row in which a server refuses the UIDL that it announces, before it is taken for
/// one without unique-ids.
pub const UIDL_REFUSALS_MAX: u32 = 3;

/// `-ERR` to RETR in a row that end the session: the server is ill, not the messages.
pub const RETR_ERRORS_IN_A_ROW_MAX: u32 = 10;

/// Seconds to connect, all addresses of a host together.
pub const CONNECT_SECONDS_MAX: u64 = 30;

/// Seconds for a TLS handshake.
pub const HANDSHAKE_SECONDS_MAX: u64 = 30;

/// For the second connection that reads the names in a certificate: it only makes an error say
/// more.
pub const CERTIFICATE_LOOK_SECONDS_MAX: u64 = 5;

/// Seconds for the reply to one command. UIDL of a huge maildrop takes Dovecot minutes when its
/// index is cold.
pub const REPLY_SECONDS_MAX: u64 = 180;

/// Seconds of silence on a connection in clear after which it is said what that may mean. Servers
/// that look up names before they greet take a few.
pub const SILENT_GREETING_SECONDS: u64 = 25;

/// Blank lines before one status: a stray line end or two, and a server that sends more of them
/// never says anything else.
pub const BLANK_LINES_MAX: u32 = 16;

/// Seconds for the status after a blank line; none by then means that the blank line was the reply.
pub const BLANK_LINE_SECONDS_MAX: u64 = 15;

/// Seconds without a single octet inside a multi-line reply.
pub const STALL_SECONDS_MAX: u64 = 120;

/// Seconds between NOOPs while sinks work (RFC 1939 section 3: a server may hang up after ten idle
/// minutes).
pub const NOOP_SECONDS: u64 = 120;

/// Seconds for a server's last answers when we are told to stop now, and for that to QUIT: enough
/// for one that listens.
pub const GOODBYE_SECONDS: u64 = 2;

/// Threads that may block: the processes of all MDAs have one each while they run, and nothing else
/// should wait for those.
pub const BLOCKING_THREADS_MAX: usize = 8192;

/// Seconds for the answer to QUIT; a server may be deleting thousands of files before it answers.
pub const QUIT_SECONDS_MAX: u64 = 120;

/// Seconds a whole session may take: a server that sends one octet every nine seconds ends here.
pub const SESSION_SECONDS_MAX: u64 = 4 * 3600;

/// Milliseconds that a server has before STLS to say what it was not asked: what was injected after
/// the answer to CAPA follows it at once.
pub const UNASKED_MILLISECONDS: u64 = 20;

/// Seconds of a session for asking what heads are like, before anything is retrieved: new mail
/// waits for it. A server that takes half a second for each shows more than a thousand, and the
/// next session asks for those that are left.
pub const HEADS_SECONDS_MAX: u64 = 600;

/// Seconds after which what heads have said so far is made durable: a session that is lost
/// meanwhile asks for so much again.
pub const HEADS_NOTED_SECONDS: u64 = 30;

/// Seconds before the end of a session from which nothing more is retrieved, so that there is time
/// for deletes and QUIT.
pub const SESSION_END_SECONDS: u64 = 20 * 60;

/// Octets of a password or token: bearer tokens pass 4 KiB, and a whole private key is no password.
pub const SECRET_OCTETS_MAX: usize = 64 * 1024;

/// Seconds a command that prints a password may take: a password store that asks nobody answers at
/// once.
pub const SECRET_COMMAND_SECONDS_MAX: u64 = 30;

/// Octets of one configuration file: a hundred thousand accounts fit.
pub const CONFIG_FILE_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// Octets of a PEM file: a bundle of every authority in use has a quarter of a MiB.
pub const PEM_FILE_OCTETS_MAX: u64 = 16 * 1024 * 1024;

/// Seconds for reading a small file that an operator named: a file server that is asked for one and
/// is well answers in one.
pub const FILE_SECONDS_MAX: u64 = 30;

/// Changes in one batch: a batch is one line of the journal, and is in memory whole.
pub const BATCH_CHANGES_MAX: usize = 1_000;

/// Messages listed as too large that are recorded in one session; the rest is for later ones. A
/// server that lists a million under new names at each poll must not fill the disk with them.
pub const OVERSIZED_RECORDED_MAX: usize = 4_000;

/// Messages listed as too large that get a line of the log each in one session.
pub const OVERSIZED_TOLD_MAX: usize = 20;

/// Seconds before a message whose link was dropped because others waited is tried again: once in an
/// hour it may find a place that none of them needs.
pub const SLOW_MESSAGE_SECONDS: u64 = 3600;

/// Memory of all listings of the process together, and of the records that they are compared with,
/// as they are counted: a listing of a million messages is counted as some 150 MiB, and their
/// records as two thirds of that.
pub const LISTINGS_OCTETS_MAX: u64 = 256 * 1024 * 1024;

/// What a listing may take without asking: some four thousand messages.
pub const LISTING_FREE_OCTETS: u64 = 512 * 1024;

/// What a listing that grows takes at a time.
pub const LISTING_STEP_OCTETS: u64 = 1024 * 1024;

/// What a listed message is counted as beside its unique-id: its place, its order, what is planned
/// for it, and what is free at the end of arrays that grow. Measured with a million messages of one
/// unique-id, which need most.
pub const LISTING_ENTRY_OCTETS: u64 = 128;

/// Entries of a listing from which going through them is given to a thread of its own: below, it
/// takes a few milliseconds.
pub const LONG_WORK_ENTRIES_MIN: usize = 20_000;

/// Octets of a server that are taken in before the other tasks of the thread have their turn: some
/// two milliseconds of a listing.
pub const READ_IN_A_ROW_OCTETS: usize = 256 * 1024;

/// What a record is counted as while a session has it in memory, its unique-id included.
pub const RECORD_OCTETS: u64 = 96;

/// What all records of one account are counted as at the most: beside them there must be room for a
/// listing of a million messages.
pub const RECORDS_OCTETS_MAX: u64 = 96 * 1024 * 1024;

/// A block of memory that goes back to the system when it is freed: larger than any message in
/// memory, smaller than what a large listing consists of.
pub const LARGE_BLOCK_OCTETS: i32 = 4 * 1024 * 1024;

/// Arenas of the allocator: each keeps what was freed in it for itself, and threads that wait for
/// MDAs would have one each up to eight a processor.
pub const ARENAS_MAX: i32 = 4;

/// Messages retrieved in one session, after which it ends and the poll goes on in another: what a
/// session knows of each takes up to 700 octets.
pub const SESSION_MESSAGES_MAX: u64 = 20_000;
