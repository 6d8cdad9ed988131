//! What a session does on a server that ends each one after a few commands. Pure.
//!
//! Such a session has no room for heads, new messages and deletes. So each does one of these, in
//! turn, and ends with QUIT before the server ends it; another session of the same poll continues.

use crate::mail::Timestamp;
use crate::seen::Oddities;
use crate::session::judge::disposition::{Disposition, Plan, Why};
use crate::session::judge::session_limit;

/// What a short session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShortTurn {
    /// Deletes, with the heads that allow them.
    Deletes,
    /// Messages that are retrieved to be compared, and their deletes.
    Comparisons,
    /// New messages, and those that are due again.
    Mail,
    /// The heads that show whether the server began to count again.
    Samples,
}

/// A session on such a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Short {
    turn: ShortTurn,
    /// How many commands about messages the server answers.
    commands: u32,
}

/// The next session, if the server ends each one after a few commands. Every second one is for
/// mail.
pub(in crate::session) fn next(odd: &mut Oddities, now: Timestamp) -> Option<Short> {
    session_limit::most(odd, now)?;
    let limit = odd.session_limit.as_mut()?;
    if !session_limit::is_short(limit) {
        return None;
    }
    limit.turn = limit.turn.wrapping_add(1) % 4;
    Some(Short {
        turn: match limit.turn {
            1 => ShortTurn::Deletes,
            3 => ShortTurn::Samples,
            _ => ShortTurn::Mail,
        },
        commands: limit.answered,
    })
}

impl Short {
    /// The session that there is work for: `plan` was made without heads that are still to be
    /// requested. Deletes and comparisons are not of one session: a comparison without the delete
    /// that it allows may have to be made again, and not before a day has passed.
    pub(in crate::session) fn with_work(self, plan: &Plan, heads_work: bool) -> Self {
        let is_any_doubt = plan.retrievals.iter().any(|at| is_doubt(plan, *at));
        let is_any_mail = plan.retrievals.iter().any(|at| !is_doubt(plan, *at));
        let is_any_delete = plan.heads_later || !plan.deletes.is_empty();
        let turn = match self.turn {
            ShortTurn::Samples if plan.names_are_counted && heads_work => ShortTurn::Samples,
            ShortTurn::Mail if is_any_mail => ShortTurn::Mail,
            _ if is_any_doubt => ShortTurn::Comparisons,
            _ if is_any_delete && self.commands > 1 => ShortTurn::Deletes,
            _ => ShortTurn::Mail,
        };
        Self { turn, ..self }
    }

    /// Whether this session compares the heads of the oldest and the newest message.
    pub(in crate::session) fn samples(self) -> bool {
        self.turn == ShortTurn::Samples
    }

    /// Whether this session requests the heads that allow deletes.
    pub(in crate::session) fn asks_heads(self) -> bool {
        self.turn == ShortTurn::Deletes
    }

    /// Leaves in the plan what this session is for, after so many heads. The rest is for the next
    /// one.
    pub(in crate::session) fn cut(self, plan: &mut Plan, heads: usize) {
        let before = plan.retrievals.len();
        let mut retrievals = std::mem::take(&mut plan.retrievals);
        let compares = matches!(self.turn, ShortTurn::Deletes | ShortTurn::Comparisons);
        let is_for_this = |at: &u32| is_doubt(plan, *at) == compares;
        // Deletes that need no heads leave no room for more.
        let is_only_mail = !compares || plan.deletes.is_empty();
        if is_only_mail && !retrievals.iter().any(is_for_this) {
            retrievals.retain(|at| !is_doubt(plan, *at));
        } else {
            retrievals.retain(is_for_this);
        }
        let heads = u32::try_from(heads).unwrap_or(u32::MAX);
        let left = self.commands.saturating_sub(heads);
        // The proof that the session is in step comes after the last RETR, then DELE and QUIT,
        // which some servers do not count.
        let wanted = match self.turn {
            ShortTurn::Comparisons => 3,
            _ => 4,
        };
        plan.leaves_deletes = left < wanted;
        let most = left.saturating_sub(1).max(u32::from(heads == 0));
        retrievals.truncate(most as usize);
        plan.heads_left |= retrievals.len() < before;
        plan.retrievals = retrievals;
    }
}

/// Whether a message is retrieved to be compared.
fn is_doubt(plan: &Plan, at: u32) -> bool {
    plan.dispositions.get(at as usize) == Some(&Disposition::Retrieve(Why::Doubt))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::SessionLimit;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn odd(answered: u32) -> Oddities {
        Oddities {
            session_limit: Some(SessionLimit {
                most: 1,
                losses: 2,
                well: 0,
                at: NOW,
                answered,
                turn: 0,
            }),
            ..Oddities::default()
        }
    }

    fn plan(retrievals: &[Why]) -> Plan {
        Plan {
            dispositions: retrievals
                .iter()
                .copied()
                .map(Disposition::Retrieve)
                .collect(),
            retrievals: (0..).take(retrievals.len()).collect(),
            names_are_counted: true,
            ..Plan::default()
        }
    }

    #[test]
    fn every_second_session_is_for_mail_as_long_as_there_is_some() {
        let mut odd = odd(4);
        let mut turns = Vec::new();
        for _ in 0..4 {
            let short = next(&mut odd, NOW).map(|short| {
                let mut plan = plan(&[Why::Doubt, Why::New]);
                let short = short.with_work(&plan, true);
                short.cut(&mut plan, 0);
                plan.retrievals
            });
            turns.extend(short);
        }
        assert_eq!(turns, [vec![0], vec![1], vec![1], vec![1]]);
        assert_eq!(next(&mut Oddities::default(), NOW), None);
        assert_eq!(next(&mut self::odd(12), NOW), None, "it has room for all");
    }

    #[test]
    fn a_session_leaves_room_for_the_proof_and_deletes_only_where_all_fits() {
        for (commands, heads, retrieves, leaves_deletes) in [
            (1, 0, 1, true),
            (2, 0, 1, true),
            (3, 0, 2, true),
            (4, 0, 3, false),
            (4, 2, 1, true),
            (2, 2, 0, true),
        ] {
            let short = Short {
                turn: ShortTurn::Mail,
                commands,
            };
            let mut plan = plan(&[Why::New; 5]);
            short.cut(&mut plan, heads);
            let got = (plan.retrievals.len(), plan.leaves_deletes);
            assert_eq!(got, (retrieves, leaves_deletes), "{commands} {heads}");
            assert!(plan.heads_left, "another session goes on");
        }
    }
}
