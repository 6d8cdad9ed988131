//! Mailbox names as IMAP and Maildir++ write them: modified UTF-7 (RFC 3501 section 5.1.3).

use data_encoding::BASE64_NOPAD;

/// Encodes a mailbox name: printable ASCII stands for itself, `&` becomes `&-`, and any other run
/// of characters becomes `&...-`.
///
/// ```
/// use mailferry::mail::modified_utf7;
/// assert_eq!(modified_utf7("R&D.Entw\u{fc}rfe"), "R&-D.Entw&APw-rfe");
/// ```
pub fn modified_utf7(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut foreign = Vec::new();
    for c in name.chars() {
        if !matches!(c, ' '..='~') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                foreign.extend(unit.to_be_bytes());
            }
            continue;
        }
        push_foreign(&mut foreign, &mut out);
        out.push(c);
        if c == '&' {
            out.push('-');
        }
    }
    push_foreign(&mut foreign, &mut out);
    out
}

/// Adds a run of UTF-16, in base64 with a comma in place of the slash.
fn push_foreign(units: &mut Vec<u8>, out: &mut String) {
    if !units.is_empty() {
        let base64 = BASE64_NOPAD.encode(units).replace('/', ",");
        out.push('&');
        out.push_str(&base64);
        out.push('-');
        units.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_in_rfc_3501() {
        for (name, expected) in [
            ("", ""),
            ("Archive.2026", "Archive.2026"),
            ("~peter/mail", "~peter/mail"),
            ("\u{53f0}\u{5317}", "&U,BTFw-"),
            ("\u{65e5}\u{672c}\u{8a9e}", "&ZeVnLIqe-"),
            ("A&B", "A&-B"),
            ("&", "&-"),
            ("\u{c4}&\u{d6}", "&AMQ-&-&ANY-"),
            ("Entw\u{fc}rfe", "Entw&APw-rfe"),
            ("\u{1f4ec}", "&2D3c7A-"),
        ] {
            assert_eq!(modified_utf7(name), expected, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn an_encoded_name_is_printable_ascii(name: String) {
            let encoded = modified_utf7(&name);
            proptest::prop_assert!(encoded.bytes().all(|b| matches!(b, b' '..=b'~')));
            let dots = encoded.matches(['.', '/']).count();
            proptest::prop_assert_eq!(dots, name.matches(['.', '/']).count());
        }
    }
}
