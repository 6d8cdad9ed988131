//! The envelope: sender and recipients as the transport knows them (RFC 5321 section 2.3.1).

use std::fmt;

use crate::mail::limits;

/// The envelope sender: an address, or the null reverse-path `<>` (RFC 5321 section 4.5.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// `<>`: no bounce is sent when delivery fails.
    Null,
    /// An address as it stood between the angle brackets. It comes from the message unchecked, so
    /// each sink decides what it can print safely.
    Address(Box<str>),
}

/// An envelope recipient that every sink can name safely.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient(Box<str>);

/// Why a text cannot be an address of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Empty, or longer than [`limits::ADDRESS_OCTETS_MAX`].
    #[error("an address has 1 to {max} octets", max = limits::ADDRESS_OCTETS_MAX)]
    Length,
    /// A control character, blank, angle bracket or the like, or a `-` at the front.
    #[error(
        "an address has no blanks, control characters, quotes, < > ( ) \\ | ; ` $ and does not \
         begin with -"
    )]
    Unsafe,
}

/// Sender and recipients of one offer to a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The address for a bounce; mailferry itself never sends one.
    pub sender: Sender,
    /// Who gets the message; never empty.
    pub recipients: Vec<Recipient>,
}

impl Sender {
    /// Takes the text between `<` and `>`. An empty text is the null sender. So is an address that
    /// no relay could accept (no domain, a domain that DNS cannot hold, a control character, a
    /// blank, too long): the message must still arrive, and a bounce could not reach such a sender.
    /// Relays and programs get the same sender.
    pub fn from_path(path: &[u8]) -> Self {
        let printable = |b: &u8| *b > b' ' && *b != 0x7F && !b"<>".contains(b);
        match std::str::from_utf8(path) {
            Ok(text)
                if !text.is_empty()
                    && text.len() <= limits::ADDRESS_OCTETS_MAX
                    && !text.chars().any(char::is_control)
                    && path.iter().all(printable)
                    && is_mailbox(text) =>
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
    /// Checks and takes a recipient. It reaches command lines and SMTP, so an unsafe one is refused
    /// and never altered.
    ///
    /// # Errors
    /// [`InvalidAddress`] when it is empty, too long, or contains a character that a shell, SMTP or
    /// an option parser would interpret.
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

    /// Takes a recipient from a header field: it has the form of a mailbox, with a domain, and is
    /// safe like any other. A quoted local part that needs no quotes loses them.
    pub fn mailbox(address: &str) -> Option<Self> {
        let (local, domain) = address.rsplit_once('@')?;
        let bare = local.strip_prefix('"').and_then(|l| l.strip_suffix('"'));
        let local = bare.unwrap_or(local);
        if local.starts_with('"') || !is_local_part(local) || !is_domain(domain) {
            return None;
        }
        Self::new(&format!("{local}@{domain}")).ok()
    }

    /// Whether a text can be the domain of an address.
    pub fn is_domain(text: &str) -> bool {
        Self::mailbox(&format!("x@{text}")).is_some()
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the last `@`; all of it if there is none.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&*self.0, |(local, _)| local)
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

/// Whether an address has the form of a Mailbox (RFC 5321 section 4.1.2), with a domain that DNS
/// can hold. Underscores and consecutive dots are left to the relay, because some relays accept
/// them.
fn is_mailbox(address: &str) -> bool {
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain))
}

fn is_local_part(local: &str) -> bool {
    if let Some(rest) = local.strip_prefix('"') {
        return rest.len() > 1 && rest.ends_with('"');
    }
    let special = |c: char| c.is_whitespace() || c.is_control() || "()<>[]:;@\\,\"".contains(c);
    !local.is_empty() && !local.contains(special)
}

fn is_domain(domain: &str) -> bool {
    if domain.starts_with('[') {
        return domain.len() > 2 && domain.ends_with(']');
    }
    domain.len() <= DOMAIN_OCTETS_MAX && domain.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
    (1..=LABEL_OCTETS_MAX).contains(&label.len())
        && label.chars().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// RFC 1035 section 2.3.4, as text without the final dot.
const DOMAIN_OCTETS_MAX: usize = 253;

/// RFC 1035 section 2.3.4.
const LABEL_OCTETS_MAX: usize = 63;

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
    fn a_recipient_of_a_field_is_a_safe_mailbox_or_none() {
        for (given, taken) in [
            ("jane@home.lan", "jane@home.lan"),
            ("\"jane.doe\"@home.lan", "jane.doe@home.lan"),
            ("Jane+a=b@Home.LAN", "Jane+a=b@Home.LAN"),
            (
                "us\u{e9}r@b\u{fc}cher.example",
                "us\u{e9}r@b\u{fc}cher.example",
            ),
            ("jane@[192.0.2.1]", "jane@[192.0.2.1]"),
        ] {
            let taken = Recipient::new(taken).ok();
            assert_eq!(Recipient::mailbox(given), taken, "{given}");
        }
        for bad in [
            "",
            "jane",
            "@home.lan",
            "jane@",
            "-oQ@home.lan",
            "a b@x",
            "\"a b\"@x",
            "\"\"@x",
            "\"a@b\"@x",
            "a@b@x",
            "\"\"a\"\"@x",
            "a\u{9b}@x",
            "$(id)@x",
            "a:b@x",
            "a,b@x",
            "jane@home..lan",
            "jane@-home.lan",
            "jane@home lan",
            "\"a@x",
            "jane@x\r\nRCPT",
        ] {
            assert_eq!(Recipient::mailbox(bad), None, "{bad:?}");
        }
        let long = format!("{}@x", "y".repeat(limits::ADDRESS_OCTETS_MAX));
        assert_eq!(Recipient::mailbox(&long), None);
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

    #[test]
    fn a_sender_that_no_relay_takes_becomes_the_null_sender() {
        let long_label = format!("user@{}.example.org", "y".repeat(64));
        let long_domain = format!("user@{}example.org", "y.".repeat(130));
        for bad in [
            "@",
            "unknown",
            "root",
            "user@",
            "@host",
            "user@host.",
            "user@.host",
            "user@a..b",
            "\"@\"",
            "\"@x",
            "a b@x",
            "a@b@",
            "a,b@x",
            "user@-a.org",
            "user@a-.org",
            "user@[",
            "user@[]",
            "user@a b",
            "user@x;y",
            &long_label,
            &long_domain,
        ] {
            assert_eq!(Sender::from_path(bad.as_bytes()), Sender::Null, "{bad}");
        }
        for good in [
            "user@host",
            "a.b+c=d@x.example.org",
            "\"a..b\"@x",
            "us\u{e9}r@b\u{fc}cher.example",
            "user@[192.0.2.1]",
            "user@under_score.example.org",
            "a..b@x.org",
            "x@xn--bcher-kva.example",
        ] {
            assert_eq!(Sender::from_path(good.as_bytes()).as_str(), good);
        }
    }
}
