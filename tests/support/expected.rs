//! What a poll of a real POP3 server must deliver to the Maildir.

use std::collections::BTreeMap;

use mailferry::spool::header::HeadFields;

/// A configuration that polls such a server into the Maildir `out`.
pub fn account(port: u16, tls: &str, further: &str) -> String {
    format!(
        "state_dir = \"{{here}}/state\"\n[delivery.box]\ntype = \"maildir\"\n\
         path = \"{{here}}/out\"\n\
         [account.jane]\nhost = \"localhost\"\nport = {port}\ntls = \"{tls}\"\nuser = \"jane\"\n\
         password = \"secret\"\n\
         delivery = \"box\"\nfirst_run = \"all\"\n{further}\n"
    )
}

/// The expected content of the Maildir for a server's files, which the server changes with
/// `on_the_wire`: the messages with LF line ends, and an empty line on top of those without header.
pub fn expected(
    files: &[Vec<u8>],
    on_the_wire: impl Fn(&[u8]) -> Vec<u8>,
) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for file in files {
        let mut wire = on_the_wire(file);
        // A POP3 body ends with a line end.
        if !wire.is_empty() && !wire.ends_with(b"\r\n") {
            wire.extend_from_slice(b"\r\n");
        }
        let mut stored = if HeadFields::parse(&wire).has_fields {
            Vec::new()
        } else {
            b"\n".to_vec()
        };
        let mut octets = wire.iter().copied().peekable();
        while let Some(octet) = octets.next() {
            if !(octet == b'\r' && octets.peek() == Some(&b'\n')) {
                stored.push(octet);
            }
        }
        *counts.entry(stored).or_default() += 1;
    }
    counts
}

pub fn assert_same(found: &BTreeMap<Vec<u8>, usize>, expected: &BTreeMap<Vec<u8>, usize>) {
    let show =
        |octets: &Vec<u8>| String::from_utf8_lossy(&octets[..octets.len().min(300)]).into_owned();
    for (message, count) in expected {
        assert_eq!(
            found.get(message),
            Some(count),
            "lost or doubled: {:?}",
            show(message)
        );
    }
    for message in found.keys() {
        assert!(
            expected.contains_key(message),
            "altered: {:?}",
            show(message)
        );
    }
}
