//! What a server said, as far as it has been read.

use std::borrow::Cow;

use crate::proto::pop3::{Kind, ResponseCode};

/// A reply of the server, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientEvent<'i> {
    /// The greeting.
    Greeting {
        /// Its text.
        text: Cow<'i, [u8]>,
        /// The APOP timestamp, if there is a valid one.
        timestamp: Option<String>,
    },
    /// The server greets with `-ERR`; the session is over.
    Rejected {
        /// The response code.
        code: Option<ResponseCode>,
        /// Its text.
        text: Cow<'i, [u8]>,
    },
    /// `+OK` to a command; for a multi-line command, the rest follows.
    Ok {
        /// The command.
        command: Kind,
        /// The message number; 0 for none.
        number: u32,
        /// The text, where it is the answer: to STAT, and to UIDL and LIST of one message. A wrong
        /// answer may contain a secret, so it is not shown.
        text: Cow<'i, [u8]>,
        /// The same, to be shown: without secrets.
        shown: String,
    },
    /// `-ERR` to a command.
    Err {
        /// The command.
        command: Kind,
        /// The message number; 0 for none.
        number: u32,
        /// The response code.
        code: Option<ResponseCode>,
        /// The text.
        text: Cow<'i, [u8]>,
    },
    /// A challenge in AUTH; `None` when it was not base64.
    Challenge(Option<Vec<u8>>),
    /// CAPA is complete: see [`Client::capabilities`](crate::proto::pop3::Client::capabilities).
    Capabilities,
    /// One line of UIDL.
    UniqueId {
        /// The message number.
        number: u32,
        /// The unique-id, raw: 1 octet to 1 KiB without NUL.
        unique_id: Cow<'i, [u8]>,
    },
    /// One line of LIST.
    Size {
        /// The message number.
        number: u32,
        /// Octets.
        octets: u64,
    },
    /// An invalid line of UIDL or LIST. Only this line is lost.
    Malformed {
        /// The listing's command.
        command: Kind,
        /// The line.
        line: Cow<'i, [u8]>,
    },
    /// UIDL or LIST is complete: its final dot has arrived.
    ListingEnd {
        /// The listing's command.
        command: Kind,
    },
    /// Octets of the retrieved message.
    Body {
        /// The message number.
        number: u32,
        /// Octets, unstuffed.
        octets: &'i [u8],
    },
    /// The message is complete: its final dot has arrived.
    BodyEnd {
        /// The message number.
        number: u32,
        /// The octets that its `+OK` announced.
        said: Option<u64>,
        /// Dots that were removed from the beginning of a line.
        dots: u64,
        /// How many of them no server sends that stuffs.
        lone_dots: u64,
    },
}
