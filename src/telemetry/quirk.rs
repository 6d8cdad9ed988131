//! What a server does that the RFC does not provide for, and what mailferry does about it. Each
//! quirk has its code and its words here.

use std::fmt;

use crate::mail::{AccountName, UniqueId};
use crate::telemetry::OctetsQuirk;

/// A quirk of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields are the numbers and names in the words.
pub enum Quirk<'a> {
    /// The server does not greet.
    NoGreeting { seconds: u64, port: u16 },
    /// The server ended a session at a command that the next sessions leave out.
    CommandLeftOut { command: LeftOutKind, why: &'a str },
    /// The listing has something odd; `example` is the server's line or words, escaped.
    Listing {
        fault: ListingFault,
        example: &'a str,
    },
    /// All listed messages are marked or too large, and the server may list no others.
    ListingBlocked { messages: usize },
    /// Listed messages are others than those that were recorded under their unique-ids.
    UniqueIdsUsedAgain { messages: usize },
    /// All unique-ids were changed several times.
    UniqueIdsUnstable,
    /// Delivered messages arrive with other contents than before.
    Rewritten { messages: u64 },
    /// Retrieved messages that wait for a retry are no longer listed.
    RetrievedMailHidden { messages: usize },
    /// Messages are listed that the server was thought to hide.
    RetrievedMailListed,
    /// The account uses another maildrop than before.
    MaildropChanged {
        user: &'a str,
        host: &'a str,
        after: AfterMove,
    },
    /// Deletes fail, or may have failed.
    Deletes(DeleteQuirk<'a>),
    /// Messages differ from the announced octets.
    Octets(OctetsQuirk<'a>),
    /// More messages are too large than are reported one by one.
    ManyOversized { messages: u64, limit_octets: u64 },
    /// A message is larger than this process may make a file.
    SpoolFileSize {
        unique_id: &'a UniqueId,
        why: &'a str,
    },
    /// The server was so slow that another account got its place.
    SessionSlow,
}

/// What is odd about deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DeleteQuirk<'a> {
    /// Messages whose delete was accepted are still listed.
    Ignored,
    /// Messages that only their bytes identify are still listed at once after their delete.
    WithoutEffect { messages: u32 },
    /// Sessions ended at the DELE of different messages, and no DELE was accepted between them.
    EndSessions,
    /// Sessions ended at the DELE of this message.
    Struck {
        unique_id: &'a UniqueId,
        strikes: u32,
    },
    /// QUIT was not confirmed.
    Unconfirmed { deletes: usize },
}

/// A command that sessions can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOutKind {
    /// CAPA.
    Capa,
    /// LIST of all messages.
    List,
    /// NOOP.
    Noop,
    /// UIDL of one message.
    UidlOne,
    /// LIST of one message.
    ListOne,
    /// STAT.
    Stat,
}

impl LeftOutKind {
    const fn code(self) -> &'static str {
        match self {
            Self::Capa => "capa_struck",
            Self::List => "list_struck",
            Self::Noop => "noop_struck",
            Self::UidlOne | Self::ListOne | Self::Stat => "proof_struck",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Capa => "CAPA",
            Self::List => "LIST",
            Self::Noop => "NOOP",
            Self::UidlOne => "UIDL of one message",
            Self::ListOne => "LIST of one message",
            Self::Stat => "STAT",
        }
    }
}

/// Something odd in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingFault {
    /// A unique-id has octets or a length that the RFC forbids.
    UniqueIdNotConforming,
    /// A line of UIDL is not a number and a unique-id.
    UidlLineMalformed,
    /// A line of LIST is not a number and a size.
    ListLineMalformed,
    /// LIST was refused, and UIDL was not.
    ListRefused,
    /// A number is listed twice.
    NumberRepeated,
    /// A message of LIST is missing in UIDL.
    WithoutUniqueId,
}

impl ListingFault {
    const fn code(self) -> &'static str {
        match self {
            Self::UniqueIdNotConforming => "unique_id_not_conforming",
            Self::UidlLineMalformed => "uidl_line_malformed",
            Self::ListLineMalformed => "list_line_malformed",
            Self::ListRefused => "list_refused",
            Self::NumberRepeated => "message_number_repeated",
            Self::WithoutUniqueId => "message_without_unique_id",
        }
    }
}

/// The messages of the maildrop that an account uses now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterMove {
    /// They are the messages of the earlier maildrop.
    Same,
    /// They are new, except those whose contents were delivered.
    NewUnlessDelivered,
    /// They are new.
    New {
        /// Quarantine copies of messages of the earlier maildrop.
        copies: usize,
    },
}

impl Quirk<'_> {
    /// The stable code: the word in the log, and the name of a count.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoGreeting { .. } => "no_greeting",
            Self::CommandLeftOut { command, .. } => command.code(),
            Self::Listing { fault, .. } => fault.code(),
            Self::ListingBlocked { .. } => "listing_blocked",
            Self::UniqueIdsUsedAgain { .. } => "unique_ids_used_again",
            Self::UniqueIdsUnstable => "unique_ids_unstable",
            Self::Rewritten { .. } => "rewritten",
            Self::RetrievedMailHidden { .. } => "retrieved_mail_hidden",
            Self::RetrievedMailListed => "retrieved_mail_listed",
            Self::MaildropChanged { .. } => "maildrop_changed",
            Self::Deletes(deletes) => deletes.code(),
            Self::Octets(octets) => octets.code(),
            Self::ManyOversized { .. } => "many_oversized",
            Self::SpoolFileSize { .. } => "spool_file_size",
            Self::SessionSlow => "session_slow",
        }
    }

    /// Whether this is a single incident, which is reported each time. A habit of a server is
    /// reported once.
    pub const fn is_incident(&self) -> bool {
        match self {
            Self::Deletes(deletes) => match deletes {
                DeleteQuirk::Struck { .. } | DeleteQuirk::Unconfirmed { .. } => true,
                DeleteQuirk::Ignored
                | DeleteQuirk::WithoutEffect { .. }
                | DeleteQuirk::EndSessions => false,
            },
            Self::Octets(octets) => octets.is_incident(),
            Self::CommandLeftOut { .. }
            | Self::MaildropChanged { .. }
            | Self::SpoolFileSize { .. } => true,
            Self::NoGreeting { .. }
            | Self::Listing { .. }
            | Self::ListingBlocked { .. }
            | Self::UniqueIdsUsedAgain { .. }
            | Self::UniqueIdsUnstable
            | Self::Rewritten { .. }
            | Self::RetrievedMailHidden { .. }
            | Self::RetrievedMailListed
            | Self::ManyOversized { .. }
            | Self::SessionSlow => false,
        }
    }

    /// What happened, what mailferry does about it, and what the operator can do.
    pub fn detail(&self, account: &AccountName) -> String {
        match *self {
            Self::NoGreeting { seconds, port } => format!(
                "the server has said nothing for {seconds} seconds; one that expects TLS at once \
                 sends no greeting: should `tls` be \"implicit\" (port 995)? `port` is {port}"
            ),
            Self::CommandLeftOut { command, why } => {
                let command = command.name();
                format!("{why}; mailferry does not use {command} for a day")
            }
            Self::Listing {
                fault: ListingFault::NumberRepeated,
                ..
            } => "the server lists the number of a message twice".to_owned(),
            Self::Listing { example, .. } => example.to_owned(),
            Self::ListingBlocked { messages } => blocked(messages),
            Self::UniqueIdsUsedAgain { messages } => format!(
                "the server lists other messages under {messages} known unique-ids; they are \
                 retrieved as new mail"
            ),
            Self::UniqueIdsUnstable => "the server changed its unique-ids three times within 30 \
                 days; messages are recognised by their contents, and unless retention is \
                 \"delete\" they are retrieved for that only once a day"
                .to_owned(),
            Self::Rewritten { messages } => format!(
                "the server sends {messages} delivered messages with other contents than before; \
                 they are not delivered again, and not deleted until you run `mailferry seen mark \
                 --as-delivered` for them"
            ),
            Self::RetrievedMailHidden { messages } => hidden(messages),
            Self::RetrievedMailListed => "the server lists messages again that were retrieved \
                 before: it hides none, and another program deleted those that were gone"
                .to_owned(),
            Self::MaildropChanged { user, host, after } => format!(
                "the account used the maildrop {user} at {host} before: {after}. If both are the \
                 same mailbox, `mailferry seen rename --same-maildrop {account}` moves the records \
                 to the new one"
            ),
            Self::Deletes(deletes) => deletes.to_string(),
            Self::Octets(octets) => octets.detail(account),
            Self::ManyOversized {
                messages,
                limit_octets,
            } => format!(
                "{messages} more messages are larger than max_message_size ({limit_octets} octets) \
                 and stay on the server"
            ),
            Self::SpoolFileSize { unique_id, why } => {
                format!("the message {unique_id} waits on the server: {why}")
            }
            Self::SessionSlow => "mailferry closed the connection, because the server was slow \
                 and other accounts were waiting"
                .to_owned(),
        }
    }
}

fn blocked(messages: usize) -> String {
    format!(
        "all {messages} messages listed are marked as seen or too large, so they are not \
         retrieved, and this server may list no others until they are: tell the provider to offer \
         only mail that arrives from now on, raise max_message_size, or retrieve them with \
         `mailferry seen forget`"
    )
}

fn hidden(messages: usize) -> String {
    format!(
        "the server no longer lists {messages} messages that were retrieved and wait for a retry: \
         it does not list retrieved messages again, or another program deleted them. If the \
         provider still has them, tell it to offer them again. From now on mailferry stores a copy \
         of each message that waits"
    )
}

impl fmt::Display for AfterMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("its messages are the same, and known"),
            Self::NewUnlessDelivered => f.write_str(
                "its messages are new, except those whose contents were delivered before",
            ),
            Self::New { copies: 0 } => f.write_str("its messages are new"),
            Self::New { copies } => write!(
                f,
                "its messages are new, and {copies} quarantine copies of the other stay there: \
                 they are offered to no destination until the account uses that maildrop again \
                 (`mailferry quarantine list`)"
            ),
        }
    }
}

impl DeleteQuirk<'_> {
    const fn code(&self) -> &'static str {
        match self {
            Self::Ignored | Self::EndSessions => "deletes_ignored",
            Self::WithoutEffect { .. } => "delete_without_effect",
            Self::Struck { .. } => "dele_struck",
            Self::Unconfirmed { .. } => "deletes_unconfirmed",
        }
    }
}

impl fmt::Display for DeleteQuirk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ignored => f.write_str(
                "the server still lists messages that it was asked to delete; mailferry tries one \
                 delete a day until one succeeds",
            ),
            Self::WithoutEffect { messages } => write!(
                f,
                "the server confirmed deletes, and at once listed {messages} of their messages \
                 again; they have no Message-ID and Date, so they are delivered again once a day \
                 at most"
            ),
            Self::EndSessions => f.write_str(
                "sessions ended at the DELE of different messages, and no DELE was accepted \
                 between: mailferry tries one delete a day",
            ),
            Self::Struck { unique_id, strikes } => {
                let s = if *strikes == 1 { "" } else { "s" };
                write!(
                    f,
                    "{strikes} session{s} ended at the DELE of {unique_id}: the next session does \
                     not delete it"
                )
            }
            Self::Unconfirmed { deletes } => write!(
                f,
                "the server did not confirm QUIT, so {deletes} deletes may not have happened; the \
                 next poll shows it"
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "quirk_tests.rs"]
mod tests;
