//! Commands at which a server ended sessions and that a session can do without: each is left out
//! for a day.

use crate::mail::{Timestamp, limits};
use crate::proto::pop3::{Command, Kind};
use crate::seen::Oddities;
use crate::telemetry::LeftOutKind;

/// Which commands a session leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct LeftOut {
    /// LIST, if messages have unique-ids.
    pub(in crate::session) list: bool,
    /// NOOP, and UIDL of one message; STAT is sent in their place.
    pub(in crate::session) noop: bool,
    /// LIST of one message.
    pub(in crate::session) list_one: bool,
    /// STAT.
    pub(in crate::session) stat: bool,
    /// Whether the session before this one was odd, so that this one proves after its listing that
    /// it is in step.
    pub(in crate::session) is_wary: bool,
}

impl LeftOut {
    /// What is remembered about this maildrop's server.
    pub(in crate::session) fn remembered(odd: &mut Oddities, now: Timestamp) -> Self {
        Self {
            list: is_still(&mut odd.list_left_out_until, now),
            noop: is_still(&mut odd.noop_left_out_until, now),
            list_one: is_still(&mut odd.list_one_left_out_until, now),
            stat: is_still(&mut odd.stat_left_out_until, now),
            is_wary: odd.lock_step_until.is_some(),
        }
    }

    /// A command that changes nothing, whose answer shows that the server is there.
    pub(in crate::session) const fn harmless(self) -> Command {
        if self.noop && !self.stat {
            Command::Stat
        } else {
            Command::Noop
        }
    }

    /// The command to leave out first when a session is not in step after its listing: leaving out
    /// NOOP costs nothing, LIST the sizes.
    pub(in crate::session) const fn suspect(self) -> Option<Kind> {
        match self {
            Self { noop: false, .. } => Some(Kind::Noop),
            Self { list: false, .. } => Some(Kind::List),
            _ => None,
        }
    }
}

/// Leaves this command out for a day, and returns it; `None` when no session can do without it.
pub(in crate::session) fn strike(
    odd: &mut Oddities,
    command: Kind,
    now: Timestamp,
) -> Option<LeftOutKind> {
    let (until, left_out) = match command {
        Kind::Capa => (&mut odd.capa_left_out_until, LeftOutKind::Capa),
        Kind::List => (&mut odd.list_left_out_until, LeftOutKind::List),
        Kind::Noop => (&mut odd.noop_left_out_until, LeftOutKind::Noop),
        Kind::UidlOne => (&mut odd.noop_left_out_until, LeftOutKind::UidlOne),
        Kind::ListOne => (&mut odd.list_one_left_out_until, LeftOutKind::ListOne),
        Kind::Stat => (&mut odd.stat_left_out_until, LeftOutKind::Stat),
        _ => return None,
    };
    *until = Some(now.plus(limits::COMMAND_LEFT_OUT_SECONDS));
    Some(left_out)
}

/// Whether a command is left out until a later time. A wait longer than the longest was set by a
/// wrong clock.
pub(in crate::session) fn is_still(until: &mut Option<Timestamp>, now: Timestamp) -> bool {
    let waits =
        |until: Timestamp| (1..=limits::COMMAND_LEFT_OUT_SECONDS).contains(&until.since(now));
    *until = until.filter(|until| waits(*until));
    until.is_some()
}

/// How many commands may be left out: each costs a poll at most one more session.
pub(in crate::session) const COMMANDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn a_command_that_ended_a_session_is_left_out_for_a_day_and_no_longer() {
        let mut odd = Oddities::default();
        assert_eq!(strike(&mut odd, Kind::List, NOW), Some(LeftOutKind::List));
        let day = limits::COMMAND_LEFT_OUT_SECONDS;
        let later = LeftOut::remembered(&mut odd, NOW.plus(day - 1));
        assert!(later.list && !later.noop);
        assert!(!LeftOut::remembered(&mut odd.clone(), NOW.plus(day)).list);
        let turned_back = Timestamp(NOW.0 - 1);
        assert!(!LeftOut::remembered(&mut odd, turned_back).list);
    }

    #[test]
    fn necessary_commands_are_never_left_out() {
        let mut odd = Oddities::default();
        for command in [Kind::Uidl, Kind::Retr, Kind::Pass, Kind::Quit] {
            assert_eq!(strike(&mut odd, command, NOW), None);
        }
        assert_eq!(odd, Oddities::default());
    }

    #[test]
    fn noop_is_suspected_before_list() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.suspect(), Some(Kind::Noop));
        left_out.noop = true;
        assert_eq!(left_out.suspect(), Some(Kind::List));
        left_out.list = true;
        assert_eq!(left_out.suspect(), None);
    }
}
