//! Where a password comes from. Loading only notes the place; the secret is read when it is needed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer};
use tokio::io::AsyncReadExt;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config::Environment;
use crate::config::secret_command;
use crate::config::value::{Command, FilePath, Line};
use crate::disk::read_regular;
use crate::mail::{Secret, limits};

/// Where a secret is kept.
///
/// Wherever it comes from it is taken byte for byte, and exactly one line end at its end is cut (LF or CR LF), because
/// editors and `echo` add one.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// A variable of the environment mailferry was started with.
    Env(String),
    /// What a program prints. It is run without a shell, in the environment mailferry was started with.
    Command(Vec<String>),
    /// A systemd credential: a file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A string in the configuration file.
    Inline(Secret),
}

/// Why a secret cannot be had. The secret itself is never part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The fields are the words of the sentence above them.
pub enum SecretError {
    /// The file cannot be read.
    #[error("the password file {path} cannot be read: {why}", path = .path.display())]
    File { path: PathBuf, why: String },
    /// The variable is not set.
    #[error("the environment variable {0} is not set")]
    Env(String),
    /// Nobody has set `$CREDENTIALS_DIRECTORY`.
    #[error(
        "there is no credential {0}, because $CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit that has \
         LoadCredential={0}:FILE"
    )]
    NoCredentials(String),
    /// The program cannot be started.
    #[error("the password command {program} cannot be started: {why}")]
    CommandStart { program: String, why: String },
    /// The program failed.
    #[error("the password command {program} ended with {status}{said}")]
    CommandFailed {
        program: String,
        status: String,
        said: String,
    },
    /// The program took too long.
    #[error(
        "the password command {program} took longer than {seconds} seconds; does it ask somebody for something?"
    )]
    CommandSlow { program: String, seconds: u64 },
    /// Nothing is there.
    #[error("the password from {0} is empty")]
    Empty(String),
    /// More than a password can be.
    #[error("the password from {origin} is longer than {max} octets", max = limits::SECRET_OCTETS_MAX)]
    TooLong { origin: String },
    /// A byte that cannot be sent.
    #[error(
        "the password from {0} holds CR, LF or NUL, which would end the command it is sent in. One line end at its \
         end is cut; is there a second line?"
    )]
    ControlByte(String),
}

impl SecretError {
    /// The stable name of the error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "secret_file",
            Self::Env(_) => "secret_env",
            Self::NoCredentials(_) => "secret_credential",
            Self::CommandStart { .. } => "secret_command_start",
            Self::CommandFailed { .. } => "secret_command_failed",
            Self::CommandSlow { .. } => "secret_command_slow",
            Self::Empty(_) => "secret_empty",
            Self::TooLong { .. } => "secret_too_long",
            Self::ControlByte(_) => "secret_control_byte",
        }
    }
}

impl SecretSource {
    /// Reads the secret. It may have changed since the last time.
    ///
    /// # Errors
    /// [`SecretError`] says which of its places failed and why.
    pub async fn read(&self, environment: &Environment) -> Result<Secret, SecretError> {
        let bytes = match self {
            Self::File(path) => read_file(path).await?,
            Self::Env(name) => {
                let value = environment.get(name);
                let value = value.ok_or_else(|| SecretError::Env(name.clone()))?;
                Zeroizing::new(value.as_encoded_bytes().to_vec())
            }
            Self::Command(words) => secret_command::run(words, environment).await?,
            Self::Credential(name) => {
                let folder = environment.get("CREDENTIALS_DIRECTORY");
                let folder = folder.ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                read_file(&Path::new(folder).join(name)).await?
            }
            Self::Inline(secret) => return Ok(secret.clone()),
        };
        checked(bytes, self)
    }

    /// Octets that change when the secret does: the secret itself, or the words of a command, which is not run. A place that
    /// cannot be read has other ones than any that can.
    pub async fn facts(&self, environment: &Environment) -> Zeroizing<Vec<u8>> {
        if let Self::Command(words) = self {
            return Zeroizing::new(words.join("\0").into_bytes());
        }
        let secret = self.read(environment).await;
        let octets = secret.map(|secret| secret.expose().to_vec());
        Zeroizing::new(octets.unwrap_or_default())
    }

    /// The same place, with a relative path seen from `folder`.
    pub(super) fn within(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Command(words) => Self::Command(Command(words).within(folder)),
            other => other,
        }
    }
}

/// Cuts one line end, and refuses what cannot be a password.
fn checked(mut bytes: Zeroizing<Vec<u8>>, from: &SecretSource) -> Result<Secret, SecretError> {
    let origin = || from.to_string();
    if bytes.len() > limits::SECRET_OCTETS_MAX {
        return Err(SecretError::TooLong { origin: origin() });
    }
    let line_end = if bytes.ends_with(b"\r\n") {
        2
    } else {
        usize::from(bytes.ends_with(b"\n"))
    };
    let length = bytes.len() - line_end;
    bytes.truncate(length);
    if bytes.is_empty() {
        Err(SecretError::Empty(origin()))
    } else if bytes.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        Err(SecretError::ControlByte(origin()))
    } else {
        Ok(Secret::new(std::mem::take(&mut *bytes)))
    }
}

async fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |error: std::io::Error| SecretError::File {
        path: path.to_owned(),
        why: error.to_string(),
    };
    let named = path.to_owned();
    // On a file server that does not answer, the thread stays behind; the poll goes on with an error.
    let reading = spawn_blocking(move || read_regular(&named, limits::SECRET_OCTETS_MAX as u64));
    let patience = Duration::from_secs(limits::FILE_SECONDS_MAX);
    match timeout(patience, reading).await {
        Ok(Ok(read)) => read.map(|(octets, _)| octets).map_err(failed),
        Ok(Err(stopped)) => Err(failed(std::io::Error::other(stopped))),
        Err(_) => Err(failed(std::io::Error::other(format!(
            "it was not read within {} seconds; does the file system that it is on answer?",
            limits::FILE_SECONDS_MAX
        )))),
    }
}

/// Reads to the end, or to one octet more than a secret may have; the buffer never moves, so no copy stays behind.
pub(super) async fn read_bounded(
    from: impl tokio::io::AsyncRead + Unpin,
) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let bound = limits::SECRET_OCTETS_MAX + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(bound + 1));
    from.take(bound as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl fmt::Display for SecretSource {
    /// The place, never the secret: of a command only the program, because people write secrets into arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                write!(f, "the command {program}")
            }
            Self::Credential(name) => write!(f, "the credential {name}"),
            Self::Inline(_) => f.write_str("the configuration file"),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({self})")
    }
}

/// What may be written for a secret. No complaint repeats what was written.
const EXPECTED: &str = "a password is { file = \"/path\" }, { env = \"NAME\" }, { command = [\"program\", \"argument\"] }, \
     { credential = \"name\" }, or a string in a file that only you can read";

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Every TOML value becomes a `toml::Value`, so that no error of another type can quote the secret.
        let given =
            toml::Value::deserialize(deserializer).map_err(|_| de::Error::custom(EXPECTED))?;
        match given {
            toml::Value::String(text) => inline(text).map_err(de::Error::custom),
            toml::Value::Table(table) => {
                let mut entries = table.into_iter();
                match (entries.next(), entries.next()) {
                    (Some((kind, value)), None) => kept(&kind, value).map_err(de::Error::custom),
                    _ => Err(de::Error::custom(EXPECTED)),
                }
            }
            _ => Err(de::Error::custom(EXPECTED)),
        }
    }
}

fn inline(text: String) -> Result<SecretSource, String> {
    let nowhere = SecretSource::Inline(Secret::new(Vec::new()));
    checked(Zeroizing::new(text.into_bytes()), &nowhere)
        .map(SecretSource::Inline)
        .map_err(|error| error.to_string())
}

fn kept(kind: &str, value: toml::Value) -> Result<SecretSource, &'static str> {
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
            let Command(words) = Command::deserialize(value).map_err(
                |_| "the command is a list: [\"/path/of/program\", \"argument\"]; no shell is run",
            )?;
            Ok(SecretSource::Command(words))
        }
        _ => Err(EXPECTED),
    }
}
