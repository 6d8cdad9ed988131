//! The source of a password. Only the place is stored here; [`crate::secrets`] reads the password
//! when it is needed.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::config::value::{CommandSetting, FilePath, Line};
use crate::mail::Secret;

/// Where a secret is stored.
///
/// A secret from any source is used exactly as it is, except that one line end at its end (LF or CR
/// LF) is removed, because editors and `echo` add one.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// A variable of the environment that mailferry was started with.
    Env(String),
    /// The output of a program. It is run without a shell, in the environment that mailferry was
    /// started with.
    Command(Vec<String>),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A string in the configuration file.
    Inline(Secret),
}

impl SecretSource {
    /// The same source, with a relative path resolved against `folder`.
    pub(super) fn within(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Command(words) => Self::Command(CommandSetting(words).within(folder)),
            other => other,
        }
    }
}

impl fmt::Display for SecretSource {
    /// Writes the source, never the secret. Of a command it writes only the program, because people
    /// put secrets into arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                write!(f, "the command {program}")
            }
            Self::Credential(name) => write!(f, "the credential {name}"),
            Self::Inline(_) => f.write_str(IN_THE_FILE),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({self})")
    }
}

/// How a message names the source of a password that is in the configuration itself.
const IN_THE_FILE: &str = "the configuration file";

/// The accepted forms of a secret. No error repeats the given text.
const EXPECTED: &str = "a password is { file = \"/path\" }, { env = \"NAME\" }, \
     { command = [\"program\", \"argument\"] }, { credential = \"name\" }, or a string in a file \
     that only you can read";

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Every TOML value is read as a `toml::Value` first, so that no error of another type can
        // quote the secret.
        let given =
            toml::Value::deserialize(deserializer).map_err(|_| de::Error::custom(EXPECTED))?;
        match given {
            toml::Value::String(text) => inline(text).map_err(de::Error::custom),
            toml::Value::Table(table) => {
                let mut entries = table.into_iter();
                match (entries.next(), entries.next()) {
                    (Some((kind, value)), None) => place(&kind, value).map_err(de::Error::custom),
                    _ => Err(de::Error::custom(EXPECTED)),
                }
            }
            _ => Err(de::Error::custom(EXPECTED)),
        }
    }
}

fn inline(text: String) -> Result<SecretSource, String> {
    Secret::from_text(Zeroizing::new(text.into_bytes()))
        .map(SecretSource::Inline)
        .map_err(|error| format!("the password from {IN_THE_FILE} {error}"))
}

fn place(kind: &str, value: toml::Value) -> Result<SecretSource, &'static str> {
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        _ => Err(EXPECTED),
    };
    match kind {
        "file" => {
            let path = FilePath::try_from(text(value)?)?;
            Ok(SecretSource::File(path.into_path()))
        }
        "env" => {
            let Line(name) = Line::try_from(text(value)?)?;
            Ok(SecretSource::Env(name))
        }
        "credential" => {
            let Line(name) = Line::try_from(text(value)?)?;
            if name.contains('/') || name == ".." {
                return Err(
                    "a credential is the name of a file in $CREDENTIALS_DIRECTORY, not a path",
                );
            }
            Ok(SecretSource::Credential(name))
        }
        "command" => {
            let CommandSetting(words) = CommandSetting::deserialize(value).map_err(
                |_| "the command is a list: [\"/path/of/program\", \"argument\"]; no shell is run",
            )?;
            Ok(SecretSource::Command(words))
        }
        _ => Err(EXPECTED),
    }
}
