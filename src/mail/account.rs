//! The name of an account: the key of its records, and a word in every log line.

use std::fmt;
use std::sync::Arc;

use crate::mail::{Maildrop, limits};

/// The configured name of one account: `[account.NAME]`.
///
/// It is the key of the account's seen records, so that a server may change its host name without
/// its mail being fetched again. It has 1 to 64 of `A-Z a-z 0-9 . _ @ + -` and does not begin with
/// `.` or `-`: such a name is safe in a log line, a file name and a metric label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Arc<str>);

/// Why a text cannot be the name of an account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an account's name is 1 to {max} of A-Z a-z 0-9 . _ @ + - and begins with a letter, a digit \
     or _",
    max = limits::ACCOUNT_NAME_OCTETS_MAX
)]
pub struct InvalidAccountName;

impl AccountName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`InvalidAccountName`] when a character or the length is not allowed.
    pub fn new(name: &str) -> Result<Self, InvalidAccountName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._@+-".contains(&b);
        let first = name.bytes().next().ok_or(InvalidAccountName)?;
        if name.len() > limits::ACCOUNT_NAME_OCTETS_MAX
            || !(first.is_ascii_alphanumeric() || first == b'_')
            || !name.bytes().all(allowed)
        {
            return Err(InvalidAccountName);
        }
        Ok(Self(name.into()))
    }

    /// The name under which the records of another maildrop of this account are stored. No account
    /// can have this name.
    pub fn elsewhere(&self, maildrop: &Maildrop) -> Self {
        let mut hash = 0xCBF2_9CE4_8422_2325_u64;
        for octet in maildrop.text().bytes() {
            hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3);
        }
        Self(format!("{self}/{hash:016x}").into())
    }

    /// Whether this is the name for records of another maildrop of that account.
    pub fn is_elsewhere_of(&self, account: &Self) -> bool {
        let rest = self.0.strip_prefix(account.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns the same name for the account's new name; `None` when this is not a name of `old`'s
    /// records.
    pub fn renamed_elsewhere(&self, old: &Self, new: &Self) -> Option<Self> {
        let tag = self.0.strip_prefix(old.as_str())?.strip_prefix('/')?;
        Some(Self(format!("{new}/{tag}").into()))
    }

    /// Whether this is the name of an account, not the name for records of another maildrop.
    pub fn is_account(&self) -> bool {
        !self.0.contains('/')
    }

    /// Checks and takes a name of records: an account's name, or one from [`Self::elsewhere`].
    ///
    /// # Errors
    /// [`InvalidAccountName`] when it is neither.
    pub fn of_records(name: &str) -> Result<Self, InvalidAccountName> {
        let Some((account, tag)) = name.split_once('/') else {
            return Self::new(name);
        };
        Self::new(account)?;
        let is_tag = tag.len() == 16 && tag.bytes().all(|b| b.is_ascii_hexdigit());
        if is_tag {
            Ok(Self(name.into()))
        } else {
            Err(InvalidAccountName)
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_name_is_accepted_only_if_it_is_safe_everywhere() {
        for good in ["work", "jane@example.org", "a", "_x", "a+b-c.d"] {
            assert!(AccountName::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".hidden",
            "-v",
            "a b",
            "a/b",
            "ä",
            "a\n",
            &"x".repeat(65),
        ] {
            assert_eq!(AccountName::new(bad), Err(InvalidAccountName), "{bad:?}");
        }
    }
}
