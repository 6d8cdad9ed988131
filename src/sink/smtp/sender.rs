//! The reverse-path of a transaction: the envelope sender, or the null sender if the relay cannot
//! accept it.

use crate::mail::Sender;

/// The text between the angle brackets of MAIL FROM. An address outside ASCII needs a relay with
/// SMTPUTF8 (RFC 6531). For other relays the null sender is used, because a message must reach its
/// recipient even if its own `Return-Path` is such an address.
pub(super) fn reverse_path(sender: &Sender, utf8: bool) -> &str {
    match sender {
        Sender::Address(address) if utf8 || address.is_ascii() => address,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_outside_ascii_becomes_the_null_sender_for_a_relay_without_smtputf8() {
        let international = Sender::from_path("us\u{e9}r@b\u{fc}cher.example".as_bytes());
        assert_eq!(reverse_path(&international, true), international.as_str());
        assert_eq!(reverse_path(&international, false), "");
        assert_eq!(reverse_path(&Sender::from_path(b"a@b"), false), "a@b");
        assert_eq!(reverse_path(&Sender::Null, true), "");
    }
}
