//! The limits of connections to servers, and of what one session has in memory.

/// Milliseconds between attempts to connect to the addresses of a host: RFC 8305 section 5
/// recommends 250.
pub const DIAL_NEXT_MILLISECONDS: u64 = 250;

/// The first buffer of a connection: enough for a poll that finds nothing, of which hundreds may
/// run at the same time.
pub const WIRE_BUFFER_OCTETS_MIN: usize = 8 * 1024;

/// Seconds for the end of a connection after QUIT was answered: nothing depends on it.
pub const CLOSE_SECONDS_MAX: u64 = 1;

/// What such a buffer grows to when it is filled: large enough for many small messages in one read,
/// and small enough for hundreds of sessions.
pub const WIRE_BUFFER_OCTETS: usize = 64 * 1024;

/// Octets that are read of an encrypted connection at once, a few records: there may be hundreds of
/// connections.
pub const TLS_READ_AHEAD_OCTETS: usize = 32 * 1024;

/// SASL mechanisms remembered of one server; about thirty are registered.
pub const SASL_MECHANISMS_MAX: usize = 64;

/// Heads that are requested in one flight: a server that pipelines answers so many in one round
/// trip, and a lost link costs no more than these.
pub const HEADS_AT_ONCE_MAX: usize = 64;

/// What a message without a size, or with a small one, counts as in the pipeline: it still costs a
/// round trip.
pub const EXPECTED_OCTETS_MIN: u64 = 4 * 1024;

/// Messages in memory or requested in one session: more would not make it faster, and a crash would
/// have more of them retrieved again.
pub const SESSION_HELD_MESSAGES_MAX: usize = 128;

/// Octets in memory in one session, above which nothing more is requested. Large messages are in
/// files; this limits those too.
pub const SESSION_HELD_OCTETS_MAX: u64 = 64 * 1024 * 1024;

/// A session that has used the memory of its listing for less time than this is not asked to end
/// its poll: most polls end by themselves.
pub const LISTING_HELD_SECONDS_MIN: u64 = 60;

/// Seconds that a listing waits for memory before the session that uses most is asked to end its
/// poll after the present message.
pub const LISTING_ASK_SECONDS: u64 = 10;

/// Seconds that a listing waits for memory before that session is told to close its connection.
pub const LISTING_DROP_SECONDS: u64 = 40;

/// Seconds after which a session that waits for memory ends: servers close silent connections.
pub const LISTING_WAIT_SECONDS_MAX: u64 = 120;

/// How often a listing that waits for memory looks again, even if it was told nothing.
pub const LISTING_LOOK_SECONDS: u64 = 5;

/// The longest part of a header line that is read at once: a boundary is much shorter.
pub const HEADER_LINE_PIECE_OCTETS: u64 = 8 * 1024;

/// The path of a Unix socket: unix(7) has 108 octets for it, with a final NUL.
pub const SOCKET_PATH_OCTETS_MAX: usize = 107;
