//! The name or address of a server.

use std::net::IpAddr;

use serde::Deserialize;

/// A host: a name in lower case without trailing dot, or an address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct HostName(String);

impl HostName {
    pub(in crate::config) fn into_string(self) -> String {
        self.0
    }
}

impl TryFrom<String> for HostName {
    type Error = &'static str;

    /// The given text is never part of the error: people paste URLs with passwords.
    fn try_from(given: String) -> Result<Self, Self::Error> {
        if given.contains("://") || given.contains(['/', '@']) {
            return Err("this looks like a URL; write only the name of the host");
        }
        if given.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("a host name has no blanks or control characters");
        }
        if !given.is_ascii() {
            return Err("write the name in its ASCII form, which begins with \"xn--\"");
        }
        let bare = given.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self(address.to_string()));
        }
        if given.contains(':') {
            return Err("write the port as a separate setting: port = 995");
        }
        let name = given.strip_suffix('.').unwrap_or(&given);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err("this is neither the name nor the address of a host");
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

/// Whether a host (as [`HostName`] stores it) is this machine, judged by its name alone (RFC 6761
/// section 6.3).
pub(in crate::config) fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => address.to_canonical().is_loopback(),
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Whether a host (as [`HostName`] stores it) is on a network of the operator's own: a private
/// address (RFC 1918, 4193, 3927, 4291), a name without a dot, as containers have, or one under a
/// domain that is never public (RFC 6762 appendix G, RFC 8375).
pub(in crate::config) fn is_private(host: &str) -> bool {
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_unique_local() || address.is_unicast_link_local(),
        Err(_) => {
            let ends = |domain: &&str| host.strip_suffix(domain).is_some_and(|h| h.ends_with('.'));
            !host.contains('.') || PRIVATE_DOMAINS.iter().any(ends)
        }
    }
}

const PRIVATE_DOMAINS: [&str; 8] = [
    "home.arpa",
    "intranet",
    "internal",
    "private",
    "corp",
    "home",
    "lan",
    "local",
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn host(given: &str) -> Result<String, &'static str> {
        HostName::try_from(given.to_owned()).map(HostName::into_string)
    }

    #[test]
    fn one_host_has_one_spelling() {
        for (given, kept) in [
            ("POP.Example.ORG.", "pop.example.org"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("mail_1", "mail_1"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("2001:db8:0::1", "2001:db8::1"),
        ] {
            assert_eq!(host(given).as_deref(), Ok(kept), "{given}");
        }
    }

    #[test]
    fn an_invalid_host_is_refused_without_repeating_it() {
        for (given, about) in [
            ("pops://jane:hunter2@pop.example.org", "URL"),
            ("jane:hunter2@pop.example.org", "URL"),
            ("pop.example.org:995", "port = 995"),
            ("pop.example.org\r\nQUIT", "blanks"),
            ("pop example", "blanks"),
            ("b\u{fc}cher.example", "xn--"),
            ("", "neither"),
            ("a..b", "neither"),
            (".", "neither"),
            (&"x".repeat(64), "neither"),
        ] {
            let complaint = host(given).unwrap_err();
            assert!(complaint.contains(about), "{given}: {complaint}");
            assert!(!complaint.contains("hunter2"));
        }
    }

    #[test]
    fn a_network_of_our_own_is_recognised_by_address_and_by_name() {
        for own in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "::ffff:10.0.0.1",
            "fd00::1",
            "fe80::1",
            "dovecot",
            "mail.home.lan",
            "mx.internal",
            "mx.home.arpa",
        ] {
            assert!(is_private(own), "{own}");
        }
        for other in [
            "192.0.2.1",
            "172.32.0.1",
            "2001:db8::1",
            "mx.example.org",
            "wlan.org",
        ] {
            assert!(!is_private(other), "{other}");
        }
    }

    #[test]
    fn loopback_is_recognised_by_name() {
        for own in [
            "localhost",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        for other in [
            "localhost.example.org",
            "10.0.0.1",
            "pop.example.org",
            "::2",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
