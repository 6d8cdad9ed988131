//! The addresses in the value of a header field.

use crate::mail::{Recipient, limits};

/// The addresses in a value, in their order: separated by commas, each alone or in angle brackets
/// after a name, with comments. `None` if there is none, if any of them is not safe, or if there
/// are too many.
pub(super) fn addresses(value: &[u8]) -> Option<Vec<Recipient>> {
    let text = std::str::from_utf8(value).ok()?;
    let mut addresses = Vec::new();
    for part in parts(text)? {
        if addresses.len() >= limits::ROUTED_ADDRESSES_MAX {
            return None;
        }
        addresses.push(address(&part)?);
    }
    (!addresses.is_empty()).then_some(addresses)
}

/// One address, alone or in angle brackets after a name.
fn address(part: &str) -> Option<Recipient> {
    let Some(open) = outside_quotes(part, '<') else {
        return Recipient::mailbox(part);
    };
    let close = outside_quotes(&part[open + 1..], '>')?;
    let (path, rest) = part[open + 1..].split_at(close);
    let path = path.trim();
    // Source routes are ignored (RFC 5321 section 4.1.1.3).
    let path = match (path.starts_with('@'), path.split_once(':')) {
        (true, Some((_, path))) => path,
        _ => path,
    };
    (rest == ">").then(|| Recipient::mailbox(path))?
}

/// The parts between commas without comments, blanks around them, and empty parts. `None` if a
/// comment or a quote does not end.
fn parts(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let (mut depth, mut quoted, mut escaped, mut in_angle) = (0_u32, false, false, false);
    for c in text.chars().filter(|c| !"\r\n".contains(*c)) {
        let is_escaped = std::mem::take(&mut escaped);
        match c {
            '\\' if !is_escaped && (quoted || depth > 0) => escaped = true,
            '"' if !is_escaped && depth == 0 => quoted = !quoted,
            '(' if !is_escaped && !quoted => {
                depth += 1;
                continue;
            }
            ')' if !is_escaped && !quoted && depth > 0 => {
                depth -= 1;
                continue;
            }
            '<' | '>' if !quoted && depth == 0 => in_angle = c == '<',
            ',' if !quoted && depth == 0 && !in_angle => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            parts.last_mut()?.push(c);
        }
    }
    let parts = parts.iter().map(|part| part.trim());
    let parts = parts.filter(|part| !part.is_empty()).map(str::to_owned);
    (depth == 0 && !quoted).then(|| parts.collect())
}

/// The offset of the first such character that is not in quotes.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == wanted && !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Vec<String>> {
        let found = addresses(value.as_bytes())?;
        Some(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn addresses_are_read_as_servers_write_them() {
        for (value, expected) in [
            (" jane@example.org", &["jane@example.org"][..]),
            ("<jane@example.org>\r\n", &["jane@example.org"]),
            (" < jane@example.org > ", &["jane@example.org"]),
            ("\r\n\tjane@example.org", &["jane@example.org"]),
            ("a@x, b@y,\r\n c@z", &["a@x", "b@y", "c@z"]),
            ("<a@x>, <b@y>,", &["a@x", "b@y"]),
            ("Jane (at home) <jane@x> (always)", &["jane@x"]),
            ("\"Doe, Jane <no@x>\" <jane@x>", &["jane@x"]),
            ("(a \\) , comment, (inside)) jane@x", &["jane@x"]),
            ("\"jane.doe\"@x", &["jane.doe@x"]),
            ("<@relay,@other:a@b>, c@d", &["a@b", "c@d"]),
            ("<@relay:a@b>", &["a@b"]),
        ] {
            let expected: Vec<String> = expected.iter().map(|&one| one.to_owned()).collect();
            assert_eq!(read(value), Some(expected), "{value}");
        }
    }

    #[test]
    fn a_value_with_no_address_or_an_unsafe_one_has_no_recipient() {
        let many = vec!["a@x"; limits::ROUTED_ADDRESSES_MAX + 1].join(",");
        for value in [
            "",
            " , ",
            "jane",
            "mailing list jane@example.org",
            "undisclosed-recipients:;",
            "jane@x, -oQ@x",
            "jane@x; joe@x",
            "jane@x joe@x",
            "<jane@x> joe@x",
            "<jane@x",
            "jane@x (no end",
            "\"jane@x",
            "<>",
            "a\u{1b}[2J@x",
            "$(id)@x",
            "\"a b\"@x",
            "jane@x\0",
            &many,
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(addresses(b"jane@x\xFF"), None);
    }
}
