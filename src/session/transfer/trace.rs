//! The one `Received` field that mailferry adds (RFC 5321 section 4.4).

use std::fmt::Write as _;

use crate::mail::{AccountName, Date, Percent, Recipient, Timestamp, UniqueId};

/// The contents of the field.
///
/// The comment after `by` names mailferry and the account. Host and comment together identify this
/// account: a message that already has them was sent by mailferry and came back.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// The POP3 server, as configured.
    pub from_host: &'a str,
    /// The name of this host.
    pub by_host: &'a str,
    /// `POP3`, or `POP3S` under TLS.
    pub with: &'a str,
    /// The account that the message was retrieved for.
    pub account: &'a AccountName,
    /// The unique-id of the message on the server.
    pub unique_id: &'a UniqueId,
    /// The recipient, if there is just one: a field shown to one must not name another (RFC 5321
    /// section 7.2).
    pub recipient: Option<&'a Recipient>,
    /// When the message was retrieved.
    pub at: Timestamp,
}

/// The whole field, folded, each line ended by LF. Foreign text in it cannot end a line, a comment
/// or the field.
pub fn received_field(trace: &Trace<'_>) -> String {
    let (from, own) = (domain(trace.from_host), own(trace.by_host, trace.account));
    let (with, id) = (domain(trace.with), atom(trace.unique_id));
    let mut field = String::with_capacity(FIELD_OCTETS);
    let _ = write!(
        field,
        "Received: from {from}\n\t{own}\n\twith {with} id {id}"
    );
    if let Some(recipient) = trace.recipient.filter(|r| r.as_str().is_ascii()) {
        field.push_str("\n\tfor <");
        field.push_str(recipient.as_str());
        field.push('>');
    }
    field.push_str(";\n\t");
    field.push_str(&Date::of(trace.at).rfc5322());
    field.push('\n');
    field
}

/// Whether the value of a `Received` field is the trace of this account, however it was folded
/// since: then mailferry sent the message, and it has come back.
pub fn is_own(value: &[u8], by_host: &str, account: &AccountName) -> bool {
    let words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let unfolded = words.collect::<Vec<_>>().join(&b' ');
    let trace = own(by_host, account);
    memchr::memmem::find(&unfolded, trace.as_bytes()).is_some()
}

fn own(by_host: &str, account: &AccountName) -> String {
    let by = domain(by_host);
    format!("by {by} (mailferry account {account})")
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

    fn field(from_host: &str, unique_id: &[u8], recipient: Option<&str>) -> String {
        received_field(&Trace {
            from_host,
            by_host: "mail.home.lan",
            with: "POP3S",
            account: &AccountName::new("work").unwrap(),
            unique_id: &UniqueId::new(unique_id).unwrap(),
            recipient: recipient.map(|r| Recipient::new(r).unwrap()).as_ref(),
            at: Timestamp(1_795_435_200),
        })
    }

    #[test]
    fn the_trace_names_server_host_protocol_and_recipient() {
        assert_eq!(
            field("pop.example.org", b"000001a2", Some("jane@home.lan")),
            "Received: from pop.example.org\n\
             \tby mail.home.lan (mailferry account work)\n\
             \twith POP3S id 000001a2\n\
             \tfor <jane@home.lan>;\n\
             \tMon, 23 Nov 2026 12:00:00 +0000\n"
        );
    }

    #[test]
    fn our_own_trace_is_known_again_however_it_was_folded_and_another_accounts_is_not() {
        let field = field("pop.example.org", b"1", None);
        let value = field.strip_prefix("Received:").unwrap();
        let (work, home) = (
            AccountName::new("work").unwrap(),
            AccountName::new("work-home").unwrap(),
        );
        for value in [
            value.to_owned(),
            value.replace("\n\t", " "),
            value.replace('\n', "\r\n "),
        ] {
            assert!(is_own(value.as_bytes(), "mail.home.lan", &work), "{value}");
            assert!(!is_own(value.as_bytes(), "mail.home.lan", &home), "{value}");
            assert!(
                !is_own(value.as_bytes(), "other.home.lan", &work),
                "{value}"
            );
        }
    }

    proptest::proptest! {
        /// Holds 4.4.header.
        #[test]
        fn nothing_foreign_breaks_out_of_its_place(host: String, id in proptest::collection::vec(1u8..=255, 1..1024)) {
            let id: Vec<u8> = id.into_iter().filter(|b| !b"\r\n".contains(b)).chain([b'x']).collect();
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
