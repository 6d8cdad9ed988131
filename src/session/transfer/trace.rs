//! The one `Received` field that mailferry adds (RFC 5321 section 4.4).

use std::fmt::Write as _;
use std::sync::LazyLock;

use memchr::memmem;
use memchr::memmem::Finder;

use crate::mail::{
    AccountName, Date, Maildrop, Percent, Recipient, Timestamp, UniqueId, stable_hash,
};

/// The contents of the field.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// The POP3 server, as configured.
    pub from_host: &'a str,
    /// This host and the account that the message was retrieved for.
    pub signature: &'a Signature,
    /// `POP3`, or `POP3S` under TLS.
    pub with: &'a str,
    /// The unique-id of the message on the server.
    pub unique_id: &'a UniqueId,
    /// The recipient, if there is just one: a field shown to one must not name another (RFC 5321
    /// section 7.2).
    pub recipient: Option<&'a Recipient>,
    /// When the message was retrieved.
    pub retrieved: Timestamp,
}

/// The part of the field that identifies the account: this host, and a comment that names mailferry
/// and the account, and has a number of the maildrop. A message that already has it was sent by
/// mailferry and came back.
///
/// It is the same for all messages of a session, so it is made once.
#[derive(Clone, Debug)]
pub struct Signature {
    text: String,
    /// As version 0.1.0 wrote it: without the number of the maildrop.
    old: String,
}

impl Signature {
    /// The signature of an account on this host. Another mailferry may have the same names, but not
    /// the same maildrop.
    pub fn new(by_host: &str, account: &AccountName, maildrop: &Maildrop) -> Self {
        // No host name or user has this octet.
        let end = &b"\xff"[..];
        let parts = [
            maildrop.host().as_bytes(),
            end,
            maildrop.user().as_bytes(),
            end,
        ];
        let number = stable_hash(&parts.concat()) >> 32;
        let by = format!("by {} {COMMENT} account {account}", domain(by_host));
        Self {
            text: format!("{by}, maildrop {number:08x})"),
            old: format!("{by})"),
        }
    }

    /// Whether the value of a `Received` field has this signature, however it was folded since:
    /// then mailferry sent the message, and it has come back.
    ///
    /// The signature of version 0.1.0 counts unless the field names another recipient.
    pub fn is_in(&self, value: &[u8], recipient: &Recipient) -> bool {
        // Most fields are of other programs, and folding does not change a word.
        if COMMENT_FINDER.find(value).is_none() {
            return false;
        }
        let words = value
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let unfolded = words.collect::<Vec<_>>().join(&b' ');
        if memmem::find(&unfolded, self.text.as_bytes()).is_some() {
            return true;
        }
        memmem::find(&unfolded, self.old.as_bytes()).is_some_and(|at| {
            let recipient = format!(" for <{recipient}>");
            let rest = &unfolded[at..];
            memmem::find(rest, b" for <").is_none()
                || memmem::find(rest, recipient.as_bytes()).is_some()
        })
    }
}

/// The whole field, folded, each line ended by LF. Foreign text in it cannot end a line, a comment
/// or the field.
pub fn received_field(trace: &Trace<'_>) -> String {
    let (from, own) = (domain(trace.from_host), &trace.signature.text);
    let (with, id) = (domain(trace.with), atom(trace.unique_id));
    let mut field = String::with_capacity(FIELD_OCTETS);
    let _ = write!(
        field,
        "Received: from {from}\n\t{own}\n\twith {with} id {id}"
    );
    if let Some(recipient) = trace.recipient.filter(|r| r.as_str().is_ascii()) {
        field.push_str(FOR);
        field.push_str(recipient.as_str());
        field.push('>');
    }
    field.push_str(";\n\t");
    field.push_str(&Date::of(trace.retrieved).rfc5322());
    field.push('\n');
    field
}

/// The field without the recipient, if it names one.
pub fn without_recipient(field: &str) -> String {
    let bounds = field.find(FOR).and_then(|from| {
        let length = field[from..].find(';')?;
        Some((from, from + length))
    });
    match bounds {
        Some((from, to)) => format!("{}{}", &field[..from], &field[to..]),
        None => field.to_owned(),
    }
}

/// A host name in which all characters that no host name or address contains are replaced.
fn domain(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let mut domain = String::with_capacity(name.len().min(HOST_CHARACTERS_MAX));
    let name = name.chars().take(HOST_CHARACTERS_MAX);
    domain.extend(name.map(|c| if allowed(c) { c } else { '?' }));
    domain
}

/// A unique-id as an atom: the special characters that a [`Percent`] word may contain are escaped
/// too.
fn atom(unique_id: &UniqueId) -> String {
    let mut atom = String::new();
    for c in Percent(unique_id.as_bytes()).to_string().chars() {
        match c {
            '@' => atom.push_str("%40"),
            ':' => atom.push_str("%3A"),
            ',' => atom.push_str("%2C"),
            _ => atom.push(c),
        }
    }
    if atom.len() > ID_OCTETS_MAX {
        atom.truncate(ID_OCTETS_MAX);
        atom.push_str("...");
    }
    atom
}

/// What comes before the recipient.
const FOR: &str = "\n\tfor <";

/// How the comment of a signature begins.
const COMMENT: &str = "(mailferry";

static COMMENT_FINDER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(COMMENT));

/// Room for a field, which is seldom longer.
const FIELD_OCTETS: usize = 320;

/// A domain name has at most 255 octets (RFC 1035 section 3.1).
const HOST_CHARACTERS_MAX: usize = 255;

/// A unique-id that conforms to RFC 1939 has 70 octets and grows threefold at most.
const ID_OCTETS_MAX: usize = 210;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn signature(by_host: &str, account: &str, user: &str) -> Signature {
        let maildrop = Maildrop::new("pop.example.org", user, None);
        Signature::new(by_host, &AccountName::new(account).unwrap(), &maildrop)
    }

    fn field(from_host: &str, unique_id: &[u8], recipient: Option<&str>) -> String {
        received_field(&Trace {
            from_host,
            signature: &signature("mail.home.lan", "work", "jane"),
            with: "POP3S",
            unique_id: &UniqueId::new(unique_id).unwrap(),
            recipient: recipient.map(|r| Recipient::new(r).unwrap()).as_ref(),
            retrieved: Timestamp(1_795_435_200),
        })
    }

    #[test]
    fn the_trace_names_server_host_protocol_and_recipient() {
        assert_eq!(
            field("pop.example.org", b"000001a2", Some("jane@home.lan")),
            "Received: from pop.example.org\n\
             \tby mail.home.lan (mailferry account work, maildrop 179ec633)\n\
             \twith POP3S id 000001a2\n\
             \tfor <jane@home.lan>;\n\
             \tMon, 23 Nov 2026 12:00:00 +0000\n"
        );
    }

    #[test]
    fn a_trace_without_recipient_is_the_same_otherwise() {
        let with = field("pop.example.org", b"1", Some("jane@home.lan"));
        let without = field("pop.example.org", b"1", None);
        assert_eq!(without_recipient(&with), without);
        assert_eq!(without_recipient(&without), without);
    }

    #[test]
    fn our_own_trace_is_known_again_however_it_was_folded_and_another_accounts_is_not() {
        let field = field("pop.example.org", b"1", Some("joe@home.lan"));
        let value = field.strip_prefix("Received:").unwrap();
        for value in [
            value.to_owned(),
            value.replace("\n\t", " "),
            value.replace('\n', "\r\n "),
        ] {
            let own = |host, account, user| is_ours(&value, host, account, user);
            assert!(own("mail.home.lan", "work", "jane"), "{value}");
            assert!(!own("mail.home.lan", "work-home", "jane"), "{value}");
            assert!(!own("other.home.lan", "work", "jane"), "{value}");
            assert!(
                !own("mail.home.lan", "work", "joe"),
                "another mailferry with the same host and account name: {value}"
            );
        }
    }

    #[test]
    fn the_trace_of_0_1_0_is_ours_unless_it_names_another_recipient() {
        let trace = "from x by mail.home.lan (mailferry account work) with POP3S id 1";
        for (rest, is_ours_too) in [
            ("; now", true),
            (" for <jane@home.lan>; now", true),
            (" for <somebody@else.example>; now", false),
        ] {
            let value = format!("{trace}{rest}");
            let own = is_ours(&value, "mail.home.lan", "work", "jane");
            assert_eq!(own, is_ours_too, "{value}");
        }
    }

    fn is_ours(value: &str, by_host: &str, account: &str, user: &str) -> bool {
        let jane = Recipient::new("jane@home.lan").unwrap();
        signature(by_host, account, user).is_in(value.as_bytes(), &jane)
    }

    proptest::proptest! {
        /// Holds 4.4.header.
        #[test]
        fn nothing_foreign_breaks_out_of_its_place(
            host: String,
            id in proptest::collection::vec(1u8..=255, 1..1024),
        ) {
            let id: Vec<u8> = id
                .into_iter()
                .filter(|b| !b"\r\n".contains(b))
                .chain([b'x'])
                .collect();
            let field = field(&host, &id, Some("jane@home.lan"));
            let lines: Vec<&str> = field.lines().collect();
            proptest::prop_assert_eq!(lines.len(), 5);
            proptest::prop_assert!(lines[1..].iter().all(|line| line.starts_with('\t')));
            proptest::prop_assert!(lines.iter().all(|line| line.len() < 998));
            proptest::prop_assert!(field.is_ascii());
            proptest::prop_assert!(!field.contains('\r'));
            proptest::prop_assert_eq!(field.matches(['(', ')', ';', '<', '>']).count(), 5);
        }
    }

    #[test]
    fn honest_values_stay_under_78_characters_a_line() {
        let field = field(
            "pop3.mailserver.example.com",
            &[b'x'; 55],
            Some("jane@home.lan"),
        );
        assert!(field.lines().all(|line| line.len() <= 78), "{field}");
    }
}
