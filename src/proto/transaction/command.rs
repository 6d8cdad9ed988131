//! The envelope of a message as command lines.

use std::fmt::Write as _;

use crate::mail::{Recipient, Reports, Sender};
use crate::proto::transaction::Extensions;

/// What a transaction knows of the message it is for.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The envelope sender.
    pub sender: &'a Sender,
    /// Those of its envelope recipients that this transaction is for.
    pub recipients: &'a [Recipient],
    /// The octets of the message.
    pub octets: u64,
    /// The octets of what is put on top of it.
    pub added_octets: u64,
    /// Whether the server may report about it to the sender.
    pub reports: Reports,
}

/// Why we ask a server nothing about a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsendable {
    /// The message is larger than the server announces.
    TooLarge {
        /// Its octets.
        octets: u64,
        /// The most octets that the server takes.
        limit: u64,
    },
    /// The address is not ASCII, and the server does not announce SMTPUTF8.
    NotAscii,
}

/// The command lines of an envelope, each with its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EnvelopeLines {
    pub(super) has_null_sender: bool,
    pub(super) mail: String,
    /// For each recipient its RCPT, or why there is none.
    pub(super) rcpts: Vec<Result<String, Unsendable>>,
}

impl EnvelopeLines {
    pub(super) fn of(outgoing: &Outgoing<'_>, extensions: &Extensions) -> Self {
        let octets = outgoing.octets;
        let notify = match outgoing.reports {
            Reports::Never if extensions.dsn => " NOTIFY=NEVER",
            Reports::Never | Reports::Usual => "",
        };
        let limit = extensions.size.filter(|limit| (1..octets).contains(limit));
        let rcpt = |recipient: &Recipient| match limit {
            Some(limit) => Err(Unsendable::TooLarge { octets, limit }),
            None if !extensions.utf8 && !is_ascii(recipient) => Err(Unsendable::NotAscii),
            None => Ok(format!("RCPT TO:<{recipient}>{notify}\r\n")),
        };
        let sender = reverse_path(outgoing.sender, extensions.utf8);
        Self {
            has_null_sender: sender.is_empty(),
            mail: mail(sender, outgoing, extensions),
            rcpts: outgoing.recipients.iter().map(rcpt).collect(),
        }
    }
}

/// MAIL, with a parameter for each extension that the server announces and the message needs.
fn mail(sender: &str, outgoing: &Outgoing<'_>, extensions: &Extensions) -> String {
    let mut line = format!("MAIL FROM:<{sender}>");
    if extensions.size.is_some() {
        // A hint (RFC 1870 section 6.1): bare line ends make the sent message a little longer.
        let _ = write!(line, " SIZE={}", outgoing.octets + outgoing.added_octets);
    }
    if extensions.eight_bit {
        line.push_str(" BODY=8BITMIME");
    }
    if extensions.utf8 && !(sender.is_ascii() && outgoing.recipients.iter().all(is_ascii)) {
        line.push_str(" SMTPUTF8");
    }
    line.push_str("\r\n");
    line
}

pub(super) fn is_ascii(recipient: &Recipient) -> bool {
    recipient.as_str().is_ascii()
}

/// The text between the angle brackets of MAIL FROM. An address outside ASCII needs a server with
/// SMTPUTF8 (RFC 6531). For other servers the null sender is used, because a message must reach its
/// recipient even if its own `Return-Path` is such an address.
fn reverse_path(sender: &Sender, utf8: bool) -> &str {
    match sender {
        Sender::Address(address) if utf8 || address.is_ascii() => address,
        _ => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_outside_ascii_becomes_the_null_sender_for_a_server_without_smtputf8() {
        let international = Sender::from_path("us\u{e9}r@b\u{fc}cher.example".as_bytes());
        assert_eq!(reverse_path(&international, true), international.as_str());
        assert_eq!(reverse_path(&international, false), "");
        assert_eq!(reverse_path(&Sender::from_path(b"a@b"), false), "a@b");
        assert_eq!(reverse_path(&Sender::Null, true), "");
    }

    #[test]
    fn a_parameter_is_sent_only_if_its_extension_was_announced() {
        let recipients = [
            Recipient::new("jane").unwrap(),
            Recipient::new("j\u{e4}ne").unwrap(),
        ];
        let outgoing = Outgoing {
            sender: &Sender::from_path(b"s@x"),
            recipients: &recipients,
            octets: 100,
            added_octets: 20,
            reports: Reports::Never,
        };
        let lines = EnvelopeLines::of(&outgoing, &Extensions::default());
        assert_eq!(lines.mail, "MAIL FROM:<s@x>\r\n");
        let expected = [
            Ok("RCPT TO:<jane>\r\n".to_owned()),
            Err(Unsendable::NotAscii),
        ];
        assert_eq!(lines.rcpts, expected);
        let all = Extensions {
            eight_bit: true,
            utf8: true,
            dsn: true,
            size: Some(100),
            ..Extensions::default()
        };
        let lines = EnvelopeLines::of(&outgoing, &all);
        assert_eq!(
            lines.mail,
            "MAIL FROM:<s@x> SIZE=120 BODY=8BITMIME SMTPUTF8\r\n"
        );
        assert_eq!(
            lines.rcpts.first(),
            Some(&Ok("RCPT TO:<jane> NOTIFY=NEVER\r\n".to_owned()))
        );
        assert!(lines.rcpts.iter().all(Result::is_ok));
        let usual = Outgoing {
            reports: Reports::Usual,
            ..outgoing
        };
        let lines = EnvelopeLines::of(&usual, &all);
        assert_eq!(lines.rcpts[0], Ok("RCPT TO:<jane>\r\n".to_owned()));
        let small = Extensions {
            size: Some(99),
            ..all
        };
        let too_large = Unsendable::TooLarge {
            octets: 100,
            limit: 99,
        };
        let lines = EnvelopeLines::of(&outgoing, &small);
        assert!(lines.rcpts.iter().all(|line| *line == Err(too_large)));
    }
}
