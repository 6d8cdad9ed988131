//! The text forms of the nouns of `mail/` in requests and responses.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mail::{
    AccountName, Digest, LoginMethod, Percent, Reasons, Retention, RetrievalOrder, Timestamp,
    TlsMode, UniqueId,
};

impl Serialize for AccountName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for UniqueId {
    /// With `%XX` for every octet that is not safe in text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Percent(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for UniqueId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let octets = Percent::decode(&String::deserialize(deserializer)?);
        let octets = octets.ok_or_else(|| D::Error::custom("two digits follow a %"))?;
        Self::new(&octets).map_err(D::Error::custom)
    }
}

impl Serialize for Digest {
    /// In 64 hexadecimal digits.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digest = Self::from_hex(&String::deserialize(deserializer)?);
        digest.ok_or_else(|| D::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

impl Serialize for Timestamp {
    /// In seconds since 1970.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}

/// [`TlsMode`] as a word.
#[derive(Serialize, Deserialize)]
#[serde(remote = "TlsMode", rename_all = "snake_case")]
pub(super) enum TlsModeWord {
    Implicit,
    StartTls,
    None,
}

/// [`LoginMethod`] as a word.
#[derive(Serialize, Deserialize)]
#[serde(remote = "LoginMethod", rename_all = "snake_case")]
pub(super) enum LoginMethodWord {
    Auto,
    UserPass,
    Plain,
    Apop,
}

/// [`Retention`] as a word, with its reasons where it has any.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Retention", rename_all = "snake_case")]
pub(super) enum RetentionWord {
    Keep,
    Delete,
    DeleteWhen(#[serde(with = "ReasonsWords")] Reasons),
}

/// [`Reasons`] by name.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Reasons")]
pub(super) struct ReasonsWords {
    after_seconds: Option<u64>,
    newest: Option<u64>,
    octets_max: Option<u64>,
}

/// [`RetrievalOrder`] as a word.
#[derive(Serialize, Deserialize)]
#[serde(remote = "RetrievalOrder", rename_all = "snake_case")]
pub(super) enum RetrievalOrderWord {
    Oldest,
    Newest,
    SmallFirst,
}
