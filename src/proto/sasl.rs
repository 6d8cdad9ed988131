//! SASL mechanisms (RFC 4422): they convert challenges and secrets to responses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::mail::Secret;

/// A mechanism during an exchange. More mechanisms become more variants.
pub enum Mechanism {
    /// RFC 4616: one message with everything; the server chooses the authorization identity.
    Plain {
        /// The authentication identity.
        user: String,
        /// The password.
        secret: Secret,
    },
}

/// The server sent a challenge that this mechanism cannot answer: cancel with `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent a challenge that {mechanism} does not have")]
pub struct UnexpectedChallenge {
    /// The mechanism.
    pub mechanism: &'static str,
}

impl Mechanism {
    /// The registered name of the mechanism.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Plain { .. } => "PLAIN",
        }
    }

    /// The first message of a mechanism in which the client begins; `None` if the server begins.
    pub fn initial(&self) -> Option<Secret> {
        match self {
            Self::Plain { user, secret } => {
                let mut message = vec![0];
                message.extend_from_slice(user.as_bytes());
                message.push(0);
                message.extend_from_slice(secret.expose());
                Some(Secret::new(message))
            }
        }
    }

    /// The response to a challenge.
    ///
    /// # Errors
    /// [`UnexpectedChallenge`] when the mechanism has no response to it.
    pub fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, UnexpectedChallenge> {
        match self {
            // RFC 4616 section 2: the only challenge, before the message, is empty. Servers put
            // various prompts into it, and the message is the same for all of them.
            Self::Plain { .. } => self
                .initial()
                .ok_or(UnexpectedChallenge { mechanism: "PLAIN" }),
        }
    }
}

/// Encodes a message in base64. An empty one becomes `=`, as in the AUTH command itself (RFC 5034
/// section 4).
pub fn encode(message: &Secret) -> Secret {
    if message.expose().is_empty() {
        return Secret::new(b"=".to_vec());
    }
    Secret::new(STANDARD.encode(message.expose()).into_bytes())
}

/// Decodes a challenge from base64; `None` when it is invalid.
pub fn decode(challenge: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(challenge).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rfc4616_plain_is_nul_user_nul_password() {
        let plain = Mechanism::Plain {
            user: "tim".into(),
            secret: Secret::new(b"tanstaaftanstaaf".to_vec()),
        };
        let initial = plain.initial().unwrap();
        assert_eq!(initial.expose(), b"\0tim\0tanstaaftanstaaf");
        assert_eq!(encode(&initial).expose(), b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
    }

    #[test]
    fn rfc5034_an_empty_initial_response_is_an_equals_sign() {
        assert_eq!(encode(&Secret::new(Vec::new())).expose(), b"=");
    }

    #[test]
    fn a_challenge_that_is_not_base64_is_none() {
        assert_eq!(decode(b"***"), None);
        assert_eq!(decode(b""), Some(Vec::new()));
    }
}
