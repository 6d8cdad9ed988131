//! The states of a session: which command may be sent in which state, and the state after its
//! reply.
//!
//! A command that is not in [`TABLE`] is not allowed, so "not allowed" needs no code.

use crate::proto::pop3::Kind;

/// The state of a session (RFC 1939 sections 3 to 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Connected; the greeting has not arrived.
    Greeting,
    /// The AUTHORIZATION state.
    Authorization,
    /// USER was accepted: PASS or QUIT (RFC 1939 section 7).
    UserGiven,
    /// During AUTH (RFC 5034): responses, or the `*` that cancels it.
    Authenticating,
    /// STLS was accepted: no POP3 until [`Client::upgraded`](super::Client::upgraded).
    Upgrading,
    /// The TRANSACTION state.
    Transaction,
    /// QUIT was sent: no more commands.
    Leaving,
    /// The session is over.
    Closed,
}

/// One row: state, command, the state after `+OK`, the state after `-ERR`.
pub type Row = (State, Kind, State, State);

/// The table. The row of QUIT has the states after its replies; sending it leads to
/// [`State::Leaving`].
pub const TABLE: &[Row] = &[
    (
        State::Authorization,
        Kind::Capa,
        State::Authorization,
        State::Authorization,
    ),
    (
        State::Authorization,
        Kind::Stls,
        State::Upgrading,
        State::Authorization,
    ),
    (
        State::Authorization,
        Kind::User,
        State::UserGiven,
        State::Authorization,
    ),
    (
        State::Authorization,
        Kind::Apop,
        State::Transaction,
        State::Authorization,
    ),
    (
        State::Authorization,
        Kind::Auth,
        State::Transaction,
        State::Authorization,
    ),
    (
        State::Authorization,
        Kind::Quit,
        State::Closed,
        State::Closed,
    ),
    (
        State::UserGiven,
        Kind::Pass,
        State::Transaction,
        State::Authorization,
    ),
    (State::UserGiven, Kind::Quit, State::Closed, State::Closed),
    (
        State::Authenticating,
        Kind::AuthResponse,
        State::Transaction,
        State::Authorization,
    ),
    (
        State::Authenticating,
        Kind::AuthAbort,
        State::Transaction,
        State::Authorization,
    ),
    (
        State::Transaction,
        Kind::Capa,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Stat,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Uidl,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::UidlOne,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::List,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::ListOne,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Retr,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Top,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Dele,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Noop,
        State::Transaction,
        State::Transaction,
    ),
    (
        State::Transaction,
        Kind::Rset,
        State::Transaction,
        State::Transaction,
    ),
    (State::Transaction, Kind::Quit, State::Closed, State::Closed),
];

/// The states after `+OK` and after `-ERR` to `command` in `state`; `None` when the command may not
/// be sent.
pub fn replies(state: State, command: Kind) -> Option<(State, State)> {
    let row = TABLE
        .iter()
        .find(|(from, kind, ..)| *from == state && *kind == command);
    row.map(|(_, _, ok, err)| (*ok, *err))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 8] = [
        State::Greeting,
        State::Authorization,
        State::UserGiven,
        State::Authenticating,
        State::Upgrading,
        State::Transaction,
        State::Leaving,
        State::Closed,
    ];

    #[test]
    fn no_command_is_listed_twice_in_one_state() {
        for (at, row) in TABLE.iter().enumerate() {
            let twins = TABLE
                .iter()
                .filter(|other| (other.0, other.1) == (row.0, row.1))
                .count();
            assert_eq!(twins, 1, "row {at}: {row:?}");
        }
    }

    #[test]
    fn rfc2595_stls_may_only_be_sent_before_login_and_rfc5034_auth_too() {
        for state in STATES {
            for kind in [Kind::Stls, Kind::Auth, Kind::User, Kind::Apop] {
                assert_eq!(
                    replies(state, kind).is_some(),
                    state == State::Authorization,
                    "{state:?} {kind:?}"
                );
            }
        }
    }

    #[test]
    fn rfc1939_messages_can_only_be_touched_in_the_transaction_state() {
        for state in STATES {
            for kind in [
                Kind::Retr,
                Kind::Dele,
                Kind::Uidl,
                Kind::UidlOne,
                Kind::List,
                Kind::ListOne,
                Kind::Stat,
                Kind::Top,
                Kind::Noop,
                Kind::Rset,
            ] {
                assert_eq!(
                    replies(state, kind).is_some(),
                    state == State::Transaction,
                    "{state:?} {kind:?}"
                );
            }
        }
    }

    #[test]
    fn a_refused_command_never_leads_further_than_it_was_sent() {
        for (from, kind, _, err) in TABLE {
            let back = matches!(err, State::Authorization) && *from != State::Transaction;
            assert!(
                back || err == from || *kind == Kind::Quit,
                "{from:?} {kind:?} -> {err:?}"
            );
        }
    }

    #[test]
    fn nothing_may_be_sent_while_tls_begins_nor_after_quit() {
        for kind in Kind::ALL {
            for state in [
                State::Greeting,
                State::Upgrading,
                State::Leaving,
                State::Closed,
            ] {
                assert_eq!(replies(state, *kind), None, "{state:?} {kind:?}");
            }
        }
    }
}
