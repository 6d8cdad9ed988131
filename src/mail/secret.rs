//! A password or token: bytes that are never shown.

use std::borrow::Cow;

use memchr::memmem;
use zeroize::Zeroizing;

use crate::mail::limits;

/// A secret, exactly as the operator gave it. It has no `Debug` and no `Display`, and is wiped when
/// dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the secret from a text. One line end at its end (LF or CR LF) is removed, because
    /// editors and `echo` add one; everything else is part of the secret.
    ///
    /// # Errors
    /// [`InvalidSecret`] says why the text cannot be a password.
    pub fn from_text(mut text: Zeroizing<Vec<u8>>) -> Result<Self, InvalidSecret> {
        if text.len() > limits::SECRET_OCTETS_MAX {
            return Err(InvalidSecret::TooLong);
        }
        let line_end = if text.ends_with(b"\r\n") {
            2
        } else {
            usize::from(text.ends_with(b"\n"))
        };
        let length = text.len() - line_end;
        text.truncate(length);
        if text.is_empty() {
            Err(InvalidSecret::Empty)
        } else if text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
            Err(InvalidSecret::ControlByte)
        } else {
            Ok(Self(text))
        }
    }

    /// Takes the bytes of a secret.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns a foreign text with this secret replaced, because some servers repeat the password
    /// that they refuse. Blanks around a reply are no part of it, so those around the secret may be
    /// missing.
    pub fn hidden_in<'t>(&self, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
        hide(self.0.trim_ascii(), hide(&self.0, text))
    }

    /// Whether it begins with U+FEFF in UTF-8, which some editors add at the beginning of a text.
    /// It is sent anyway: only the server can tell that it is not part of the password.
    pub fn has_byte_order_mark(&self) -> bool {
        self.0.starts_with(b"\xEF\xBB\xBF")
    }

    /// The bytes, for the one place that must send them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Replaces some octets in a text.
fn hide<'t>(octets: &[u8], text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
    if octets.is_empty() || memmem::find(&text, octets).is_none() {
        return text;
    }
    let mut hidden = Vec::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(at) = memmem::find(rest, octets) {
        hidden.extend_from_slice(rest.get(..at).unwrap_or_default());
        hidden.extend_from_slice(HIDDEN);
        rest = rest.get(at + octets.len()..).unwrap_or_default();
    }
    hidden.extend_from_slice(rest);
    Cow::Owned(hidden)
}

/// Why a text cannot be a secret; the words follow the name of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The text is empty.
    #[error("is empty")]
    Empty,
    /// The text is longer than a password can be.
    #[error("is longer than {max} octets", max = limits::SECRET_OCTETS_MAX)]
    TooLong,
    /// The text contains an octet that cannot be sent.
    #[error(
        "contains CR, LF or NUL, which would end the command it is sent in. One line end at its \
         end is removed; is there a second line?"
    )]
    ControlByte,
}

impl PartialEq for Secret {
    /// Compares for a configuration reload, not against an attacker.
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Eq for Secret {}

/// The text that replaces a secret.
const HIDDEN: &[u8] = b"***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_at_every_place() {
        let hidden = |secret: &[u8], text: &'static [u8]| {
            let secret = Secret::new(secret.to_vec());
            secret.hidden_in(Cow::Borrowed(text)).into_owned()
        };
        assert_eq!(hidden(b"abc", b"abc, abcabc ab"), b"***, ****** ab");
        assert_eq!(hidden(b"abc", b"nothing"), b"nothing");
        assert_eq!(hidden(b"", b"nothing"), b"nothing");
        // A reply loses the blanks around it.
        assert_eq!(
            hidden(b" ab c ", b"wrong password ab c"),
            b"wrong password ***"
        );
        assert_eq!(hidden(b"  ", b"a  b"), b"a***b");
    }
}
