//! A password or token: bytes that never show themselves.

use std::borrow::Cow;

use memchr::memmem;
use zeroize::Zeroizing;

use crate::mail::limits;

/// A secret, byte for byte as the operator gave it. It has no `Debug` and no `Display`, and is
/// wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The secret that a text holds: one line end at its end is cut (LF or CR LF), because editors
    /// and `echo` add one, and everything else is taken as it is.
    ///
    /// # Errors
    /// What can be no password says why.
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

    /// A foreign text in which this secret is not to be read: there are servers that repeat the
    /// password they refuse.
    pub fn hidden_in<'t>(&self, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
        if self.0.is_empty() || memmem::find(&text, &self.0).is_none() {
            return text;
        }
        let mut hidden = Vec::with_capacity(text.len());
        let mut rest = &*text;
        while let Some(at) = memmem::find(rest, &self.0) {
            hidden.extend_from_slice(rest.get(..at).unwrap_or_default());
            hidden.extend_from_slice(HIDDEN);
            rest = rest.get(at + self.0.len()..).unwrap_or_default();
        }
        hidden.extend_from_slice(rest);
        Cow::Owned(hidden)
    }

    /// Whether it begins with U+FEFF in UTF-8, which some editors put before a text. It is sent all
    /// the same: only a server can tell that it is not part of the password.
    pub fn has_byte_order_mark(&self) -> bool {
        self.0.starts_with(b"\xEF\xBB\xBF")
    }

    /// The bytes, for the one place that must send them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Why a text can be no secret; the words follow the name of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing is there.
    #[error("is empty")]
    Empty,
    /// More than a password can be.
    #[error("is longer than {max} octets", max = limits::SECRET_OCTETS_MAX)]
    TooLong,
    /// An octet that cannot be sent.
    #[error(
        "holds CR, LF or NUL, which would end the command it is sent in. One line end at its end is cut; is there a \
         second line?"
    )]
    ControlByte,
}

impl PartialEq for Secret {
    /// Compares for configuration reload, not against an attacker.
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl Eq for Secret {}

/// What stands where a secret stood.
const HIDDEN: &[u8] = b"***";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_wherever_it_stands() {
        let hidden = |secret: &[u8], text: &'static [u8]| {
            let secret = Secret::new(secret.to_vec());
            secret.hidden_in(Cow::Borrowed(text)).into_owned()
        };
        assert_eq!(hidden(b"abc", b"abc, abcabc ab"), b"***, ****** ab");
        assert_eq!(hidden(b"abc", b"nothing"), b"nothing");
        assert_eq!(hidden(b"", b"nothing"), b"nothing");
    }
}
