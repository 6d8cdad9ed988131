//! Waiting times before the next try, by who must act. Pure: time and chance come in as arguments.

use crate::mail::{DAY_SECONDS, limits};

/// Seconds until an account is tried again whose login or certificate was refused this many times.
/// The second try is the next poll, then after 15 minutes, an hour, and every six hours from then
/// on. More tries would make providers lock accounts out.
pub const fn account_seconds(tries: u32) -> u64 {
    match tries {
        0 | 1 => 0,
        2 => 15 * 60,
        3 => 3600,
        _ => 6 * 3600,
    }
}

/// Seconds until a server is tried again that did not answer or asked us to come later. `chance` is
/// between 0 and 1 and spreads the accounts of many agents.
pub fn server_seconds(failures: u32, chance: f64) -> u64 {
    let doubled = 60_u64 << failures.saturating_sub(1).min(6);
    spread(doubled.min(limits::SERVER_BACKOFF_SECONDS_MAX), chance)
}

/// Seconds until the next try of a message after this many tries: 1m 5m 30m 2h 6h, then daily.
pub const fn message_seconds(tries: u32) -> u64 {
    match tries {
        0 | 1 => 60,
        2 => 5 * 60,
        3 => 30 * 60,
        4 => 2 * 3600,
        5 => 6 * 3600,
        _ => DAY_SECONDS,
    }
}

/// Seconds until a destination is probed again.
pub fn destination_seconds(failures: u32, chance: f64) -> u64 {
    let doubled = 30_u64 << failures.saturating_sub(1).min(5);
    spread(doubled.min(limits::DESTINATION_BACKOFF_SECONDS_MAX), chance)
}

/// Seconds until the next login after this many refusals in a row because another session has the
/// maildrop: one to five minutes at first, twice as long each further time, and an hour at most.
pub fn in_use_seconds(times: u32, chance: f64) -> u64 {
    let first = 60 + scaled(240, chance);
    (first << times.saturating_sub(1).min(6)).min(limits::SERVER_BACKOFF_SECONDS_MAX)
}

/// Adds up to a quarter.
fn spread(seconds: u64, chance: f64) -> u64 {
    seconds + scaled(seconds / 4, chance)
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation
)]
fn scaled(seconds: u64, chance: f64) -> u64 {
    (seconds as f64 * chance.clamp(0.0, 1.0)) as u64
}

/// The longest wait that [`server_seconds`] returns, with the most that `spread` may add.
pub const SERVER_SECONDS_MOST: u64 =
    limits::SERVER_BACKOFF_SECONDS_MAX + limits::SERVER_BACKOFF_SECONDS_MAX / 4;

/// The longest wait that [`destination_seconds`] returns, with the most that `spread` may add.
pub const DESTINATION_SECONDS_MOST: u64 =
    limits::DESTINATION_BACKOFF_SECONDS_MAX + limits::DESTINATION_BACKOFF_SECONDS_MAX / 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        for wait in [server_seconds, destination_seconds] {
            let mut last = 0;
            for failures in 1..100 {
                let (least, most) = (wait(failures, 0.0), wait(failures, 1.0));
                assert!(
                    least >= last && most >= least && most <= 3600 + 900,
                    "{failures}"
                );
                last = least;
            }
        }
        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(account_seconds),
            [0, 900, 3600, 21600, 21600, 21600]
        );
        assert_eq!((in_use_seconds(1, 0.0), in_use_seconds(1, 1.0)), (60, 300));
        assert_eq!(
            (in_use_seconds(3, 0.0), in_use_seconds(99, 0.0)),
            (240, 3600)
        );
        assert_eq!(in_use_seconds(u32::MAX, 1.0), 3600);
    }
}
