//! Foreign octets as words: percent-encoded words, unique-ids, account names, and shown text.

use mailferry::mail::text::{Shown, is_hostile};
use mailferry::mail::{AccountName, Percent, UniqueId, limits};

pub fn hold(octets: &[u8]) {
    let word = Percent(octets).to_string();
    assert!(
        word.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_@+=:,.-%".contains(&b))
    );
    assert!(!word.starts_with(['.', '-']));
    assert_eq!(Percent::decode(&word).as_deref(), Some(octets));
    if let Ok(text) = std::str::from_utf8(octets) {
        if let Some(decoded) = Percent::decode(text) {
            assert_eq!(
                Percent::decode(&Percent(&decoded).to_string()),
                Some(decoded)
            );
        }
        if let Ok(name) = AccountName::new(text) {
            assert_eq!(name.as_str(), text);
            assert!(
                text.len() <= limits::ACCOUNT_NAME_OCTETS_MAX
                    && !text.contains([' ', '/', '\t', '\n'])
            );
        }
    }
    let forbidden = octets.iter().any(|octet| b"\r\n\0".contains(octet));
    let fits = (1..=limits::UNIQUE_ID_OCTETS_MAX).contains(&octets.len()) && !forbidden;
    assert_eq!(UniqueId::is_one(octets), fits);
    match UniqueId::new(octets) {
        Ok(id) => {
            assert!(fits);
            assert_eq!(id.as_bytes(), octets);
            is_harmless(&id.to_string());
        }
        Err(_) => assert!(!fits),
    }
    is_harmless(&Shown::new(octets).to_string());
}

fn is_harmless(shown: &str) {
    assert!(!shown.chars().any(is_hostile), "{shown:?}");
    // After a cut text comes its length.
    assert!(
        shown.chars().count()
            <= limits::SHOWN_CHARACTERS_MAX + "... (18446744073709551615 octets)".len()
    );
}
