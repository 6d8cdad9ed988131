//! Logins that are refused because another session has the maildrop: they are retried, in the end
//! hourly, and if that goes on the operator must look.

use crate::mail::{Timestamp, WhoActs, backoff};
use crate::seen::AccountState;
use crate::session::Denial;

/// Who must act, the stable code, and the sentence.
type ShownFailure = (WhoActs, &'static str, String);

/// Counts such a refusal.
pub(super) fn note(state: &mut AccountState, denial: Option<Denial>, now: Timestamp) {
    if denial == Some(Denial::InUse) {
        state.odd.refuse_in_use(now);
    }
}

/// Seconds until the next try.
pub(super) fn wait_seconds(state: &AccountState, chance: f64) -> u64 {
    let times = state.odd.in_use.map_or(1, |in_use| in_use.times);
    backoff::in_use_seconds(times, chance)
}

/// The failure as it is reported: if a maildrop is in use too often or too long, its operator must
/// look. The tries continue as before.
pub(super) fn shown(
    failure: ShownFailure,
    denial: Option<Denial>,
    state: &AccountState,
    now: Timestamp,
) -> ShownFailure {
    let (who, code, said) = failure;
    let in_use = state.odd.in_use.filter(|_| denial == Some(Denial::InUse));
    match in_use.filter(|in_use| in_use.needs_someone(now)) {
        None => (who, code, said),
        Some(in_use) => {
            let (times, minutes) = (in_use.times, now.since(in_use.since) / 60);
            let said = format!(
                "{said}. It has said so {times} times in {minutes} minutes: is another program \
                 reading this maildrop, or has a lock been left on the server?"
            );
            (WhoActs::Account, code, said)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_USE: Option<Denial> = Some(Denial::InUse);

    #[test]
    fn a_maildrop_in_use_ten_times_is_shown_as_the_accounts_and_waits_no_longer_than_an_hour() {
        let mut state = AccountState::default();
        let mut who = Vec::new();
        for _ in 0..11 {
            note(&mut state, IN_USE, Timestamp(1000));
            let failure = (WhoActs::Server, "in_use", "locked".to_owned());
            who.push(shown(failure, IN_USE, &state, Timestamp(1000)).0);
            assert!(wait_seconds(&state, 1.0) <= 3600);
        }
        assert!(who[..9].iter().all(|who| *who == WhoActs::Server));
        assert!(who[9..].iter().all(|who| *who == WhoActs::Account));
        assert_eq!(state.pacing.hold, None);
    }

    #[test]
    fn a_maildrop_in_use_for_six_hours_is_shown_as_the_accounts() {
        let mut state = AccountState::default();
        note(&mut state, IN_USE, Timestamp(0));
        for (now, expected) in [(21_599, WhoActs::Server), (21_600, WhoActs::Account)] {
            let failure = (WhoActs::Server, "in_use", String::new());
            assert_eq!(shown(failure, IN_USE, &state, Timestamp(now)).0, expected);
        }
        let other = (WhoActs::Server, "sys_temp", String::new());
        let shown = shown(other, Some(Denial::SysTemp), &state, Timestamp(99_999));
        assert_eq!(shown.0, WhoActs::Server);
    }
}
