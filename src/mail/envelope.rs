//! Who the transport believes a message is from and for (RFC 5321 section 2.3.1).

use std::fmt;

use crate::mail::limits;

/// The envelope sender: an address, or the null reverse-path `<>` (RFC 5321 section 4.5.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// `<>`: nobody is to be told when delivery fails.
    Null,
    /// An address as it stood between the angle brackets. It is whatever the message said, so each sink
    /// decides what it can print without harm.
    Address(Box<str>),
}

/// An envelope recipient that every sink can name safely.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient(Box<str>);

/// Why a text cannot stand in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Nothing, or longer than [`limits::ADDRESS_OCTETS_MAX`].
    #[error("an address has 1 to {max} octets", max = limits::ADDRESS_OCTETS_MAX)]
    Length,
    /// A control character, blank, angle bracket or the like, or a `-` at the front.
    #[error(
        "an address holds no blanks, control characters, quotes, < > ( ) \\ | ; ` $ and does not begin with -"
    )]
    Unsafe,
}

/// Sender and recipients of one offer to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where a bounce would go; mailferry itself never makes one.
    pub sender: Sender,
    /// Who gets the message; never empty.
    pub recipients: Vec<Recipient>,
}

impl Sender {
    /// Takes what stood between `<` and `>`; empty means null, and what no transport could carry (a control
    /// character, a blank, an angle bracket, over-long) becomes null too: the message must still arrive.
    pub fn from_path(path: &[u8]) -> Self {
        let printable = |b: &u8| *b > b' ' && *b != 0x7F && !b"<>".contains(b);
        match std::str::from_utf8(path) {
            Ok(text)
                if !text.is_empty()
                    && text.len() <= limits::ADDRESS_OCTETS_MAX
                    && !text.chars().any(char::is_control)
                    && path.iter().all(printable) =>
            {
                Self::Address(text.into())
            }
            _ => Self::Null,
        }
    }

    /// The address, or `""` for the null sender.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Address(address) => address,
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

impl Recipient {
    /// Checks and takes a recipient: it reaches command lines and SMTP, so it is refused, never altered.
    ///
    /// # Errors
    /// [`InvalidAddress`] when it is empty, too long, or holds what a shell, SMTP or an option parser would obey.
    pub fn new(address: &str) -> Result<Self, InvalidAddress> {
        if address.is_empty() || address.len() > limits::ADDRESS_OCTETS_MAX {
            return Err(InvalidAddress::Length);
        }
        let hostile = |c: char| c.is_control() || c.is_whitespace() || "<>()\\|;`$\"'".contains(c);
        if address.starts_with('-') || address.chars().any(hostile) {
            return Err(InvalidAddress::Unsafe);
        }
        Ok(Self(address.into()))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds 4.4.shell.
    #[test]
    fn an_unsafe_recipient_is_refused_never_altered() {
        for good in ["jane@home.lan", "jane", "jane+list@xn--bcher-kva.example"] {
            assert!(Recipient::new(good).is_ok(), "{good}");
        }
        for bad in [
            "", "-oQ/tmp", "a b", "a\n", "$(id)@x", "`id`", "a;rm", "<a@b>", "a\u{9b}b",
        ] {
            assert!(Recipient::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_sender_no_transport_could_carry_becomes_null() {
        assert_eq!(Sender::from_path(b""), Sender::Null);
        assert_eq!(Sender::from_path(b"a b@c"), Sender::Null);
        assert_eq!(Sender::from_path(b"a@b\r\nRCPT"), Sender::Null);
        assert_eq!(Sender::from_path(b"\xFF@b"), Sender::Null);
        assert_eq!(Sender::from_path(&[b'x'; 5000]), Sender::Null);
        assert_eq!(Sender::from_path(b"a@b").to_string(), "<a@b>");
    }
}
