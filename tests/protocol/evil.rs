//! Every crime of the evil server, played to mailferry: no message is lost, no cut message is
//! delivered, the crime is reported, and an honest account gets its mail. Each test goes through
//! the whole list, so a new crime is tried without being named here.

mod lmtp;
mod machine;
mod memory;
mod outcomes;
mod program;
mod relay;

use crate::support::evil::crimes::find;
use crate::support::evil::{Crime, Side, crimes};

/// The highest cost of a crime, besides time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    Nothing,
    /// Messages may come again.
    Repeats,
    /// Known messages are sent with other octets: that is reported, and they are left until the
    /// operator says that they are the same.
    Rewritten,
    /// Messages stay on the server until the operator raises `max_message_size`.
    Limit,
    /// The part of a message that the server sends is delivered, and the message stays on the
    /// server.
    Stump,
}

/// The crimes that cost something, and why that cannot be avoided.
const COSTS: &[(&str, Cost, &str)] = &[
    (
        "cut-and-close-properly",
        Cost::Stump,
        "what comes twice alike is what the server has; that it announced more forbids the delete",
    ),
    (
        "empty-and-close-properly",
        Cost::Stump,
        "what comes twice alike is what the server has; that it announced more forbids the delete",
    ),
    (
        "twice-retr",
        Cost::Repeats,
        "the second copy stands where the answer to the next RETR is due, and has octets of its \
         own",
    ),
    (
        "end-bodies-with-lf",
        Cost::Rewritten,
        "a message whose line ends change has other octets, under the same Message-ID, Date and \
         From",
    ),
    (
        "end-lines-with-lf",
        Cost::Rewritten,
        "a message whose line ends change has other octets, under the same Message-ID, Date and \
         From",
    ),
    (
        "endless-message",
        Cost::Limit,
        "a body that passed the limit is not fetched again under the same limit",
    ),
    (
        "endless-message-line",
        Cost::Limit,
        "a body that passed the limit is not fetched again under the same limit",
    ),
];

fn cost(crime: &Crime) -> Cost {
    let known = COSTS.iter().find(|(name, ..)| crime.is(name));
    known.map_or(Cost::Nothing, |(_, cost, _)| *cost)
}

/// Whether the client must not log in. An empty line before a yes to STLS is skipped: TLS begins,
/// and nothing was injected.
fn is_before_tls(crime: &Crime) -> bool {
    !crime.is("blank-first-stls")
}

fn of(side: Side) -> impl Iterator<Item = Crime> {
    crimes().into_iter().filter(move |crime| crime.side == side)
}

#[test]
fn each_cost_belongs_to_a_crime_and_has_a_reason() {
    for (name, cost, reason) in COSTS {
        assert!(find(name).is_some(), "{name}");
        assert!(*cost != Cost::Nothing && !reason.is_empty(), "{name}");
    }
}
