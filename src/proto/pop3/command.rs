//! Commands, and their bytes.

use crate::mail::{Secret, limits};
use crate::proto::pop3::{Kind, LocalError};
use crate::proto::sasl;

/// A command with its arguments. Writing refuses CR, LF and NUL in them.
pub enum Command {
    /// RFC 2449.
    Capa,
    /// RFC 2595.
    Stls,
    /// RFC 1939 section 7. The name is sent unchanged, with blanks and 8-bit characters.
    User(String),
    /// RFC 1939 section 7. Everything after the one blank is the password, including blanks.
    Pass(Secret),
    /// RFC 1939 section 7, with the digest in hexadecimal.
    Apop {
        /// The user.
        user: String,
        /// MD5 of timestamp and secret.
        digest: Secret,
    },
    /// RFC 5034, with the initial response if the whole line fits into 255 octets.
    Auth {
        /// The mechanism's registered name.
        mechanism: &'static str,
        /// The first message, not yet in base64; it is sent later as a response if the line would
        /// be too long.
        initial: Option<Secret>,
    },
    /// The response to a challenge, not yet in base64.
    AuthResponse(Secret),
    /// `*`: cancels the exchange (RFC 5034 section 4).
    AuthAbort,
    /// RFC 1939 section 5.
    Stat,
    /// RFC 1939 section 7, of all messages.
    Uidl,
    /// RFC 1939 section 7, of one message.
    UidlOne(u32),
    /// RFC 1939 section 5, of all messages.
    List,
    /// RFC 1939 section 5, of one message.
    ListOne(u32),
    /// RFC 1939 section 5.
    Retr(u32),
    /// RFC 1939 section 7.
    Top {
        /// The message.
        number: u32,
        /// Lines of the body.
        lines: u32,
    },
    /// RFC 1939 section 5.
    Dele(u32),
    /// RFC 1939 section 5.
    Noop,
    /// RFC 1939 section 5.
    Rset,
    /// RFC 1939 sections 4 and 6.
    Quit,
}

impl Command {
    /// The verb.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Capa => Kind::Capa,
            Self::Stls => Kind::Stls,
            Self::User(_) => Kind::User,
            Self::Pass(_) => Kind::Pass,
            Self::Apop { .. } => Kind::Apop,
            Self::Auth { .. } => Kind::Auth,
            Self::AuthResponse(_) => Kind::AuthResponse,
            Self::AuthAbort => Kind::AuthAbort,
            Self::Stat => Kind::Stat,
            Self::Uidl => Kind::Uidl,
            Self::UidlOne(_) => Kind::UidlOne,
            Self::List => Kind::List,
            Self::ListOne(_) => Kind::ListOne,
            Self::Retr(_) => Kind::Retr,
            Self::Top { .. } => Kind::Top,
            Self::Dele(_) => Kind::Dele,
            Self::Noop => Kind::Noop,
            Self::Rset => Kind::Rset,
            Self::Quit => Kind::Quit,
        }
    }

    /// The message number in the command.
    pub const fn number(&self) -> Option<u32> {
        match self {
            Self::UidlOne(number)
            | Self::ListOne(number)
            | Self::Retr(number)
            | Self::Dele(number)
            | Self::Top { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// Writes the command line.
    ///
    /// USER and PASS may be longer than the 255 octets of RFC 2449 section 4: servers accept that,
    /// and there is no other way to send a long password.
    ///
    /// # Errors
    /// [`LocalError::Argument`] when an argument contains CR, LF or NUL; then nothing is written.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), LocalError> {
        let before = out.len();
        let written = self.write_line(out);
        if written.is_err() {
            out.truncate(before);
        }
        written
    }

    fn write_line(&self, out: &mut Vec<u8>) -> Result<(), LocalError> {
        let verb = self.kind().as_str().as_bytes();
        match self {
            Self::User(user) => words(out, &[verb, plain(user.as_bytes())?]),
            Self::Pass(secret) => words(out, &[verb, plain(secret.expose())?]),
            Self::Apop { user, digest } => words(
                out,
                &[verb, plain(user.as_bytes())?, plain(digest.expose())?],
            ),
            Self::Auth { mechanism, initial } => match initial.as_ref().map(sasl::encode) {
                Some(encoded) if fits(verb, mechanism, encoded.expose()) => {
                    words(out, &[verb, mechanism.as_bytes(), encoded.expose()]);
                }
                _ => words(out, &[verb, mechanism.as_bytes()]),
            },
            Self::AuthResponse(message) if message.expose().is_empty() => words(out, &[b""]),
            Self::AuthResponse(message) => words(out, &[sasl::encode(message).expose()]),
            Self::AuthAbort => words(out, &[b"*"]),
            Self::UidlOne(number)
            | Self::ListOne(number)
            | Self::Retr(number)
            | Self::Dele(number) => words(out, &[verb, number.to_string().as_bytes()]),
            Self::Top { number, lines } => {
                words(
                    out,
                    &[
                        verb,
                        number.to_string().as_bytes(),
                        lines.to_string().as_bytes(),
                    ],
                );
            }
            _ => words(out, &[verb]),
        }
        Ok(())
    }

    /// Whether the initial response of this AUTH is short enough to be sent with the command.
    pub fn carries_initial(&self) -> bool {
        match self {
            Self::Auth {
                mechanism,
                initial: Some(initial),
            } => fits(b"AUTH", mechanism, sasl::encode(initial).expose()),
            _ => false,
        }
    }
}

/// Whether the whole line with the initial response has at most 255 octets (RFC 5034 section 4).
fn fits(verb: &[u8], mechanism: &str, encoded: &[u8]) -> bool {
    verb.len() + 1 + mechanism.len() + 1 + encoded.len() + 2 <= limits::COMMAND_LINE_OCTETS_MAX
}

fn words(out: &mut Vec<u8>, words: &[&[u8]]) {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
    out.extend_from_slice(b"\r\n");
}

/// Checks that an argument cannot end the line: otherwise a user name could contain a command.
fn plain(argument: &[u8]) -> Result<&[u8], LocalError> {
    if argument
        .iter()
        .any(|octet| matches!(octet, b'\r' | b'\n' | 0))
    {
        return Err(LocalError::Argument);
    }
    Ok(argument)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn line(command: &Command) -> Vec<u8> {
        let mut out = Vec::new();
        command.write(&mut out).unwrap();
        out
    }

    #[test]
    fn rfc1939_pass_takes_blanks_quotes_and_8_bit_characters_as_they_are() {
        assert_eq!(
            line(&Command::Pass(Secret::new(b" a \"b\" \xFC ".to_vec()))),
            b"PASS  a \"b\" \xFC \r\n"
        );
        assert_eq!(
            line(&Command::User("Jane Doe/Org".into())),
            b"USER Jane Doe/Org\r\n"
        );
    }

    #[test]
    fn an_argument_cannot_hold_a_second_command() {
        for evil in ["a\r\nDELE 1", "a\nDELE 1", "a\rb", "a\0b"] {
            let mut out = b"x".to_vec();
            assert_eq!(
                Command::User(evil.into()).write(&mut out),
                Err(LocalError::Argument)
            );
            assert_eq!(
                Command::Pass(Secret::new(evil.into())).write(&mut out),
                Err(LocalError::Argument)
            );
            assert_eq!(out, b"x", "nothing was written");
        }
    }

    #[test]
    fn rfc5034_the_initial_response_goes_along_only_if_the_line_has_at_most_255_octets() {
        for octets in 0..400 {
            let command = Command::Auth {
                mechanism: "PLAIN",
                initial: Some(Secret::new(vec![b'x'; octets])),
            };
            let line = line(&command);
            assert!(line.len() <= 255, "{octets}");
            assert_eq!(
                command.carries_initial(),
                line != b"AUTH PLAIN\r\n",
                "{octets}"
            );
        }
        assert_eq!(
            line(&Command::Auth {
                mechanism: "X",
                initial: Some(Secret::new(vec![]))
            }),
            b"AUTH X =\r\n"
        );
    }
}
