//! Detects that an account's settings or its secret changed, without storing anything that reveals
//! the secret.

use zeroize::Zeroizing;

use crate::mail::stable_hash;

/// A seal of an account's settings and secret when it began to wait.
///
/// A person who must not learn the password may be able to read the state directory, and a usual
/// digest of it, salted or slow, would confirm a guess. So only a few bits of a digest are stored:
/// of a thousand million likely passwords a quarter of a million fit, and it is unknown which of
/// them is right. One change in 4,096 goes unnoticed, and then the account waits as long as it
/// would have anyway. The salt of an account never changes, because every further salt would reveal
/// as many bits again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Makes equal secrets of different accounts look different.
    pub salt: u64,
    /// A digest of the settings, which contain no secret.
    pub settings: u64,
    /// A few bits of a digest of the secret.
    pub secret: u16,
}

impl Seal {
    /// The seal of these settings and this secret.
    pub fn of(salt: u64, settings: &str, secret: &[u8]) -> Self {
        let digest = |octets: &[u8]| {
            let salted = Zeroizing::new([&salt.to_le_bytes()[..], octets].concat());
            stable_hash(&salted)
        };
        let secret = digest(secret) & ((1 << SECRET_BITS) - 1);
        Self {
            salt,
            settings: digest(settings.as_bytes()),
            secret: u16::try_from(secret).unwrap_or_default(),
        }
    }
}

/// The stored bits of a secret's digest: too few to confirm a guess.
const SECRET_BITS: u32 = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_setting_or_secret_makes_another_seal() {
        let seal = Seal::of(7, "host", b"secret");
        assert_eq!(seal, Seal::of(7, "host", b"secret"));
        assert_ne!(seal, Seal::of(7, "other", b"secret"));
        assert_ne!(seal, Seal::of(7, "host", b"secre7"));
        assert_ne!(seal.secret, Seal::of(8, "host", b"secret").secret);
    }

    #[test]
    fn a_seal_confirms_no_guess() {
        let seal = Seal::of(7, "host", b"secret");
        let guesses = (0..200_000).map(|number| format!("guess{number}"));
        let fitting = guesses.filter(|guess| Seal::of(7, "host", guess.as_bytes()) == seal);
        assert!(
            fitting.count() > 20,
            "many wrong passwords fit as well as the right one"
        );
    }
}
