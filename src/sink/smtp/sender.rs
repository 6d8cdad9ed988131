//! The reverse-path of a transaction: the envelope sender, or the null sender where no relay could
//! take it.

use crate::mail::Sender;

/// What goes between the angle brackets of MAIL FROM: the address when a relay can take it, else
/// nothing. A message must not stay away from its recipient because its own `Return-Path` is wrong.
pub(super) fn reverse_path(sender: &Sender, utf8: bool) -> &str {
    match sender {
        Sender::Address(address) if is_transportable(address, utf8) => address,
        _ => "",
    }
}

/// Whether an address has the form of a Mailbox (RFC 5321 section 4.1.2), with a domain that DNS
/// can hold. Underscores, and dots in a row, are left to the relay: there are relays that take them.
fn is_transportable(address: &str, utf8: bool) -> bool {
    if !utf8 && !address.is_ascii() {
        return false;
    }
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
            "us\u{e9}r@x",
        ] {
            let sender = Sender::Address(bad.into());
            assert_eq!(reverse_path(&sender, false), "", "{bad}");
        }
        for good in [
            "user@host",
            "a.b+c=d@x.example.org",
            "\"a b\"@x",
            "user@[192.0.2.1]",
            "user@under_score.example.org",
            "a..b@x.org",
            "x@xn--bcher-kva.example",
        ] {
            let sender = Sender::Address(good.into());
            assert_eq!(reverse_path(&sender, false), good);
        }
        assert_eq!(reverse_path(&Sender::Null, true), "");
        let international = Sender::Address("us\u{e9}r@b\u{fc}cher.example".into());
        assert_eq!(reverse_path(&international, true), international.as_str());
    }
}
