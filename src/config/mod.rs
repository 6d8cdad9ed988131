//! What did the operator ask for? There are two steps: parse the files into tables of settings,
//! then resolve those into complete values.
//!
//! A [`Config`] is complete, checked, immutable, and cheap to compare: a reload is the difference
//! of two. Nothing is executed here: no secret is read, no host is looked up, no folder is created.
//!
//! Every setting is declared once, in the file of its noun, with its type, its default and its
//! description. Both [`reference()`] and the parser use that declaration.

mod account;
mod delivery;
mod destinations;
mod envelope;
mod environment;
mod error;
mod file;
mod filter;
mod nearest;
mod reference;
mod resolve;
mod secret;
mod setting;
mod source;
mod system;
mod top;
mod value;
mod warning;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

pub use account::Account;
pub use delivery::{
    DeliveryConfig, DeliveryKind, LmtpConfig, MaildirConfig, MdaConfig, SmtpConfig, SmtpLogin,
};
pub use environment::Environment;
pub use error::{Complaint, ConfigError, ConfigErrors};
pub use filter::FilterConfig;
pub use nearest::nearest;
pub use reference::reference;
pub use secret::SecretSource;
pub use system::{Storage, System};
pub use top::{Config, LogConfig};
pub use warning::Warning;

use resolve::Resolver;
use setting::Complaints;
use source::ConfigSource;
use top::Tables;

/// Reads the configuration file at `path` and `accounts.d/*.toml` beside it.
///
/// # Errors
/// All errors of all files, each with its file, line and column. They contain no text of a secret,
/// and no line of a file, because a line may contain a secret.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let mut sources = Vec::new();
    let mut tables = Tables::default();
    let mut complaints = Complaints::new();
    for path in std::iter::once(Ok(path.to_owned())).chain(drop_ins(path)) {
        match path.and_then(|path| ConfigSource::read(&path)) {
            Ok(source) => {
                sources.push(source);
                tables.add(&sources, &mut complaints);
            }
            Err(error) if sources.is_empty() => return Err(ConfigErrors::one(error)),
            Err(error) => errors.push(error),
        }
    }
    // If a file could not be read, settings that seem to be missing may be in that file.
    let whole = errors.is_empty()
        && !complaints
            .iter()
            .any(|(_, c)| matches!(c, Complaint::Syntax(_)));
    let config = whole
        .then(|| Resolver::new(&sources, environment, &mut complaints).config(tables))
        .flatten();
    // One line of [defaults] may be wrong for a hundred accounts; it is reported once.
    let mut said = HashSet::new();
    complaints.retain(|found| said.insert(found.clone()));
    complaints.sort_by_key(|(place, _)| *place);
    errors.extend(complaints.into_iter().map(|(place, complaint)| {
        let source = &sources[place.source];
        ConfigError::at(source.path(), source.position(place.offset), complaint)
    }));
    config.ok_or_else(|| ConfigErrors::of(errors, path))
}

/// The files of `accounts.d` beside the main file, sorted by name. Files that begin with a dot or
/// do not end in `.toml` are ignored, because editors create such files.
fn drop_ins(main: &Path) -> Vec<Result<PathBuf, ConfigError>> {
    let folder = main.with_file_name("accounts.d");
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![Err(unreadable(&folder, &error))],
    };
    let mut files: Vec<_> = entries
        .map(|entry| match entry {
            Ok(entry) => Ok(folder.join(entry.file_name())),
            Err(error) => Err(unreadable(&folder, &error)),
        })
        .filter(|file| match file {
            Ok(path) => {
                let hidden = path
                    .file_name()
                    .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
                !hidden && path.extension().is_some_and(|e| e == "toml")
            }
            Err(_) => true,
        })
        .collect();
    files.sort_by_key(|file| file.as_ref().ok().cloned());
    files
}

fn unreadable(path: &Path, error: &std::io::Error) -> ConfigError {
    ConfigError::without_place(path, Complaint::Unreadable(error.to_string()))
}

/// The ports of POP3 over TLS (RFC 8314 section 3.2) and of POP3 (RFC 1939 section 3).
const LOGIN_PORTS: (u16, u16) = (995, 110);

/// The ports of submission over TLS (RFC 8314 section 3.3), of submission (RFC 6409) and of
/// relaying (RFC 5321).
const SUBMIT_PORTS: (u16, u16, u16) = (465, 587, 25);

/// The usual port of LMTP; none is assigned, and RFC 2033 forbids that of SMTP.
const LMTP_PORT: u16 = 24;
