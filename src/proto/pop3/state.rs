//! The states of a session: which command may be sent in which state, and the state after its
//! reply.
//!
//! A command that is not in [`TABLE`] is not allowed, so "not allowed" needs no code.

use crate::proto::pop3::Kind;

/// The state of a session (RFC 1939 sections 3 to 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientState {
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
pub type Row = (ClientState, Kind, ClientState, ClientState);

/// The table. The row of QUIT has the states after its replies; sending it leads to
/// [`ClientState::Leaving`].
pub const TABLE: &[Row] = {
    use ClientState::{Authenticating, Authorization, Closed, Transaction, Upgrading, UserGiven};
    use Kind::{
        Apop, Auth, AuthAbort, AuthResponse, Capa, Dele, List, ListOne, Noop, Pass, Quit, Retr,
        Rset, Stat, Stls, Top, Uidl, UidlOne, User,
    };
    &[
        (Authorization, Capa, Authorization, Authorization),
        (Authorization, Stls, Upgrading, Authorization),
        (Authorization, User, UserGiven, Authorization),
        (Authorization, Apop, Transaction, Authorization),
        (Authorization, Auth, Transaction, Authorization),
        (Authorization, Quit, Closed, Closed),
        (UserGiven, Pass, Transaction, Authorization),
        (UserGiven, Quit, Closed, Closed),
        (Authenticating, AuthResponse, Transaction, Authorization),
        (Authenticating, AuthAbort, Transaction, Authorization),
        (Transaction, Capa, Transaction, Transaction),
        (Transaction, Stat, Transaction, Transaction),
        (Transaction, Uidl, Transaction, Transaction),
        (Transaction, UidlOne, Transaction, Transaction),
        (Transaction, List, Transaction, Transaction),
        (Transaction, ListOne, Transaction, Transaction),
        (Transaction, Retr, Transaction, Transaction),
        (Transaction, Top, Transaction, Transaction),
        (Transaction, Dele, Transaction, Transaction),
        (Transaction, Noop, Transaction, Transaction),
        (Transaction, Rset, Transaction, Transaction),
        (Transaction, Quit, Closed, Closed),
    ]
};

/// The states after `+OK` and after `-ERR` to `command` in `state`; `None` when the command may not
/// be sent.
pub fn replies(state: ClientState, command: Kind) -> Option<(ClientState, ClientState)> {
    let row = TABLE
        .iter()
        .find(|(from, kind, ..)| *from == state && *kind == command);
    row.map(|(_, _, ok, err)| (*ok, *err))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [ClientState; 8] = [
        ClientState::Greeting,
        ClientState::Authorization,
        ClientState::UserGiven,
        ClientState::Authenticating,
        ClientState::Upgrading,
        ClientState::Transaction,
        ClientState::Leaving,
        ClientState::Closed,
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
                    state == ClientState::Authorization,
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
                    state == ClientState::Transaction,
                    "{state:?} {kind:?}"
                );
            }
        }
    }

    #[test]
    fn a_refused_command_never_leads_further_than_it_was_sent() {
        for (from, kind, _, err) in TABLE {
            let back =
                matches!(err, ClientState::Authorization) && *from != ClientState::Transaction;
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
                ClientState::Greeting,
                ClientState::Upgrading,
                ClientState::Leaving,
                ClientState::Closed,
            ] {
                assert_eq!(replies(state, *kind), None, "{state:?} {kind:?}");
            }
        }
    }
}
