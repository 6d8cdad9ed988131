//! What is the secret now? Reads it from the source in the configuration.
//!
//! A secret is read again for every poll, so that a changed password needs no restart. This room
//! knows nothing about POP3 or SMTP, and none of its errors contains a secret.

mod command;
mod error;

use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config::{Environment, SecretSource};
use crate::disk::read_regular;
use crate::mail::{Secret, is_out_of_files, limits};

pub use error::SecretError;

/// Reads the secret. It may have changed since the last time.
///
/// # Errors
/// [`SecretError`] says which source failed and why.
pub async fn read(source: &SecretSource, environment: &Environment) -> Result<Secret, SecretError> {
    let octets = match source {
        SecretSource::File(path) => read_file(path).await?,
        SecretSource::Env(name) => {
            let value = environment.get(name);
            let value = value.ok_or_else(|| SecretError::Env(name.clone()))?;
            Zeroizing::new(value.as_encoded_bytes().to_vec())
        }
        SecretSource::Command(words) => command::run(words, environment).await?,
        SecretSource::Credential(name) => {
            let folder = environment.get("CREDENTIALS_DIRECTORY");
            let folder = folder.ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
            read_file(&Path::new(folder).join(name)).await?
        }
        SecretSource::Inline(secret) => return Ok(secret.clone()),
    };
    Secret::from_text(octets).map_err(|why| SecretError::Invalid {
        origin: source.to_string(),
        why,
    })
}

/// Returns octets that change when the secret changes: the secret itself, or the words of a
/// command, which is not run. They are empty for a source that cannot be read; `None` when this
/// process had no file descriptor left to read it.
pub async fn facts(source: &SecretSource, environment: &Environment) -> Option<Zeroizing<Vec<u8>>> {
    if let SecretSource::Command(words) = source {
        return Some(Zeroizing::new(words.join("\0").into_bytes()));
    }
    let secret = read(source, environment).await;
    if secret.as_ref().is_err_and(SecretError::is_ours) {
        return None;
    }
    let octets = secret.map(|secret| secret.expose().to_vec());
    Some(Zeroizing::new(octets.unwrap_or_default()))
}

async fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |error: std::io::Error| match is_out_of_files(&error) {
        true => SecretError::OutOfFiles {
            origin: format!("the file {}", path.display()),
            why: error.to_string(),
        },
        false => SecretError::File {
            path: path.to_owned(),
            why: error.to_string(),
        },
    };
    let named = path.to_owned();
    // If a file server does not answer, the thread stays blocked, and the poll continues with an
    // error.
    let reading = spawn_blocking(move || read_regular(&named, limits::SECRET_OCTETS_MAX as u64));
    let patience = Duration::from_secs(limits::FILE_SECONDS_MAX);
    match timeout(patience, reading).await {
        Ok(Ok(read)) => read.map(|(octets, _)| octets).map_err(failed),
        Ok(Err(stopped)) => Err(failed(std::io::Error::other(stopped))),
        Err(_) => Err(failed(std::io::Error::other(format!(
            "it was not read within {} seconds; does its file system hang?",
            limits::FILE_SECONDS_MAX
        )))),
    }
}
