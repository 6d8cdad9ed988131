//! The limits of the agent: when accounts are polled, who gives way, and how long is waited.

use crate::mail::DAY_SECONDS;

/// Up to this many accounts are all polled at the start; more are spread over their interval,
/// because so many logins at once look like an attack.
pub const AT_ONCE_ACCOUNTS_MAX: usize = 32;

/// The longest time in a setting, ten years: more is a typing error.
pub const PERIOD_SECONDS_MAX: u64 = 3_650 * DAY_SECONDS;

/// The shortest time between polls of a host that is not this machine: OVH refuses a second login
/// within a minute.
pub const POLL_SECONDS_MIN: u64 = 60;

/// The part of its interval by which a poll may come sooner or later: enough to keep the polls of
/// many accounts apart.
pub const POLL_JITTER_PART: f64 = 0.1;

/// The least time between two logins of one account, jitter included, where its interval is not
/// shorter: that of [`POLL_SECONDS_MIN`].
pub const BETWEEN_LOGINS_MILLISECONDS_MIN: u64 = 60_000;

/// The longest back-off of a server, an hour: one that was down overnight is found again within
/// that time.
pub const SERVER_BACKOFF_SECONDS_MAX: u64 = 3600;

/// The longest back-off of a destination, ten minutes. Mail waits on the server while a destination
/// is down, so it is probed often.
pub const DESTINATION_BACKOFF_SECONDS_MAX: u64 = 600;

/// A clock that is set back by less than this was not wrong: waits end a little later.
pub const CLOCK_STEP_SECONDS: u64 = 60;

/// How often it is checked which session must give way, while an account waits: a session ends at a
/// message's end, which is seldom sooner.
pub const PRESS_MILLISECONDS: u64 = 3_000;

/// Younger polls are not asked for their place: most end by themselves, and a login for each
/// message would help no one.
pub const PLACE_HELD_MILLISECONDS_MIN: u64 = 15_000;

/// How long a session that was asked may keep its place: an ordinary message ends within that time.
pub const PLACE_ASKED_MILLISECONDS_MAX: u64 = 120_000;

/// A session that was asked and has read less than [`DRIP_OCTETS`] since will not reach the end of
/// a message: it loses its place after this time already.
pub const DRIP_MILLISECONDS: u64 = 15_000;

/// A server that works sends this much in a fraction of [`DRIP_MILLISECONDS`].
pub const DRIP_OCTETS: u64 = 16 * 1024;

/// Time spans that are remembered for one account, to see who had a place longest in the last hour.
/// Polls are a minute apart at least.
pub const PLACE_STRETCHES_MAX: usize = 64;

/// Seconds that relays may take to answer QUIT when the agent ends: enough for one that works.
pub const RELAYS_GOODBYE_SECONDS_MAX: u64 = 2;

/// Seconds between two writes of a destination's file: a crash loses no more than this.
pub const DESTINATION_WRITE_SECONDS: u64 = 1;

/// The file of a destination. A usual one has some twenty lines.
pub const DESTINATION_FILE_OCTETS_MAX: u64 = 1024 * 1024;

/// Seconds for which a poll keeps its place for work that does not need it, such as reading the
/// password: most of it takes no time.
pub const PREPARING_SECONDS_MAX: u64 = 1;

/// Polls that prepare their sessions without a place, beside those that have one. Each may run a
/// password command, which takes a process and a thread.
pub const PREPARING_POLLS_MAX: usize = 64;
