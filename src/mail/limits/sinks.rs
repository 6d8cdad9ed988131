//! The limits of destinations: programs, relays, Maildirs and the quarantine.

/// Messages in a Maildir that are not durable yet: each keeps a descriptor open until then.
pub const MAILDIR_OPEN_MESSAGES_MAX: usize = 128;

/// A header field that the operator adds, without its line ends: RFC 5322 section 2.1.1 allows this
/// for a line.
pub const ADDED_FIELD_OCTETS_MAX: usize = 998;

/// The name of such a field: it leaves room for a value on its line.
pub const FIELD_NAME_OCTETS_MAX: usize = 60;

/// The name of a file or folder: NAME_MAX of Linux.
pub const FILE_NAME_OCTETS_MAX: usize = 255;

/// Folders of one destination that are remembered. Above it, those without mail under way are
/// forgotten, and looked at again when mail comes.
pub const MAILDIR_FOLDERS_MAX: usize = 1000;

/// The age of a file in `tmp` of a Maildir from which it is a remainder, 36 hours: maildir(5) says
/// so.
pub const MAILDIR_TMP_SECONDS_MAX: u64 = 36 * 3600;

/// Octets of the header fields that mailferry puts on a quarantine copy: room for 1,900 recipients
/// of the longest kind.
pub const QUARANTINE_LABEL_OCTETS_MAX: u64 = 1024 * 1024;

/// Octets of a quarantine copy that are read at a time: each piece costs a change of threads.
pub const COPY_PIECE_OCTETS: u64 = 256 * 1024;

/// Octets of a message that a sink reads at a time: enough to make calls cheap, and small compared
/// with the spool's memory.
pub const RENDERED_PIECE_OCTETS: usize = 64 * 1024;

/// A message up to this size is a file in memory while an MDA reads it. There are as many at a time
/// as MDAs.
pub const MDA_MEMORY_OCTETS_MAX: u64 = 256 * 1024;

/// Output of an MDA that is kept for the log; the rest is read and discarded.
pub const MDA_OUTPUT_OCTETS_MAX: usize = 4 * 1024;

/// Octets of that output that appear in a log line: its end, which says why.
pub const MDA_SHOWN_OCTETS_MAX: usize = 400;

/// How much a filter may add to twice the message. Reports of spam filters fit; what is larger is
/// not that message any more.
pub const FILTER_GROWTH_OCTETS_MAX: u64 = 1024 * 1024;

/// Seconds between TERM and KILL for a program that is ended: time to remove its temporary files.
pub const PROCESS_GRACE_SECONDS: u64 = 2;

/// Reads of a program's output in a row, after which the time is checked: a pipe has room for
/// 64 KiB, and a program may keep filling it.
pub const DRAIN_READS_MAX: usize = 64;

/// How often it is checked whether a program has ended, when the kernel cannot notify us.
pub const BLIND_WATCH_MILLISECONDS: u64 = 10;

/// Octets of a message that are written to a relay at a time. Each piece may take as long as a step
/// of the session.
pub const RELAY_WRITE_OCTETS: usize = 64 * 1024;

/// Seconds that an idle connection to a relay or an LMTP server is kept. Postfix and Dovecot close
/// idle connections after 300 seconds, other servers sooner; a new connection is cheap.
pub const RELAY_IDLE_SECONDS_MAX: u64 = 20;

/// Seconds for a relay's reply to QUIT: every message was answered before.
pub const RELAY_QUIT_SECONDS_MAX: u64 = 2;

/// The recipients of one transaction. RFC 5321 section 4.5.3.1.8 makes servers accept this many.
pub const RECIPIENTS_MAX: usize = 100;

/// Addresses in one header field that names the recipients of a message: a server writes as many
/// as one transaction may have.
pub const ROUTED_ADDRESSES_MAX: usize = 100;

/// Recipients of one message after routing. Each of them is in its record and in the label of its
/// quarantine copy.
pub const ROUTED_RECIPIENTS_MAX: usize = 1000;

/// Addresses to which one line of a map may lead.
pub const MAPPED_ADDRESSES_MAX: usize = 100;

/// A reply line of a relay. RFC 5321 section 4.5.3.1.5 says 512; above 8 KiB it is an attack.
pub const SMTP_REPLY_LINE_OCTETS_MAX: usize = 8 * 1024;

/// A whole reply of a relay. lettre parses a reply from its start at each new line, so time grows
/// with the square of the length. The longest honest reply, to EHLO, has a few hundred octets.
pub const SMTP_REPLY_OCTETS_MAX: usize = 16 * 1024;

/// Seconds until a message is offered again to a fallback that is down. It may have to be retrieved
/// again, and a message that was refused for good is in no hurry.
pub const FALLBACK_DOWN_SECONDS: u64 = 30 * 60;
