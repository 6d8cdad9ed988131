//! The sender in a `Return-Path`, as MDAs and relays will get it.

use mailferry::mail::{Recipient, Sender};
use mailferry::spool::header::HeadFields;

pub fn hold(octets: &[u8]) {
    let sender = Sender::from_path(octets);
    let text = sender.as_str();
    match &sender {
        Sender::Null => assert!(text.is_empty()),
        Sender::Address(_) => assert_eq!(
            text.as_bytes(),
            octets,
            "it is taken as it is, or not at all"
        ),
    }
    assert!(
        text.len() <= 512 && !text.contains(['<', '>', ' ']) && !text.chars().any(char::is_control)
    );
    for field in [
        &[b"Return-Path: <", octets, b">\r\n\r\n"].concat(),
        &[b"Return-Path: ", octets, b"\r\n\r\n"].concat(),
    ] {
        let read = HeadFields::parse(field).sender;
        let text = read.as_str();
        assert!(
            !text.contains(['<', '>', ' ']) && !text.chars().any(char::is_control),
            "{text:?}"
        );
        assert!(text.len() <= 512);
        is_read_back(&read);
    }
    if !text.is_empty() && is_plain(text) {
        let read = HeadFields::parse(&[b"Return-Path: <", octets, b">\r\n\r\n"].concat()).sender;
        assert_eq!(read, sender, "a plain address is read as it stands");
    }
    if let Ok(text) = std::str::from_utf8(octets)
        && let Ok(recipient) = Recipient::new(text)
    {
        assert_eq!(
            recipient.as_str(),
            text,
            "a recipient is refused, never altered"
        );
        assert!(
            !text.starts_with('-')
                && !text.contains(['<', '>', ' ', '\n', '\r', '`', '$', '"', '\\'])
        );
    }
}

/// Neither quoted, nor a route, nor the name that stands for the null sender.
fn is_plain(address: &str) -> bool {
    !address.contains(['"', '\\'])
        && !address.starts_with('@')
        && !address.eq_ignore_ascii_case("MAILER-DAEMON")
}

/// A sender that is printed can be read again.
fn is_read_back(sender: &Sender) {
    if is_plain(sender.as_str()) {
        let printed = format!("Return-Path: {sender}\r\n\r\n");
        assert_eq!(
            HeadFields::parse(printed.as_bytes()).sender,
            *sender,
            "{printed:?}"
        );
    }
}
