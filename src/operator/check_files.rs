//! The part of `check` that looks at the users, certificates, folders and password files in the
//! configuration.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::config::{Config, DeliveryConfig, DeliveryKind, Environment, SecretSource};
use crate::mail::{ServerAddress, TlsPolicy};
use crate::net::{Connector, Roots};
use crate::operator::house::QUARANTINE;
use crate::quarantine::Quarantine;
use crate::seen::examine;
use crate::seen::{StoreError, StoreFault};
use crate::sink::mda::find_user;

/// TLS settings that would make every poll fail. The check uses the same code as a poll.
pub(super) fn problems_of_tls(title: &str, tls: &TlsPolicy, roots: &Roots) -> Option<String> {
    let connector = Connector::new(tls, roots);
    connector.err().map(|error| format!("{title}: {error}"))
}

/// A user or group of a delivery that does not exist.
pub(super) fn problem_of_delivery(title: &str, delivery: &DeliveryConfig) -> Option<String> {
    let (user, group) = match &delivery.kind {
        DeliveryKind::Mda(mda) => (&mda.user, &mda.group),
        DeliveryKind::Maildir(maildir) => (&maildir.user, &maildir.group),
        DeliveryKind::Smtp(_) | DeliveryKind::Lmtp(_) | DeliveryKind::Own => (&None, &None),
    };
    problem_of_user(title, user.as_deref(), group.as_deref())
}

/// A user or group that does not exist.
pub(super) fn problem_of_user(
    title: &str,
    user: Option<&str>,
    group: Option<&str>,
) -> Option<String> {
    let found = find_user(user, group);
    found.err().map(|error| format!("{title}: {error}"))
}

/// Why the state directory cannot be used: the path is no folder, or the folder above a configured
/// one does not exist. That folder is never created.
pub(super) fn problems_of_state(config: &Config, environment: &Environment) -> Vec<String> {
    let directory = config.state_dir.clone();
    let mut problems = Vec::new();
    problems.extend(no_folder("state_dir", &directory));
    let above = directory.parent();
    problems.extend(above.and_then(|above| no_folder("state_dir", above)));
    let quarantine = directory.join(QUARANTINE);
    problems.extend(no_maildir("state_dir", &quarantine));
    if problems.is_empty()
        && let Err(error) = Quarantine::existing(&quarantine)
    {
        problems.push(format!("state_dir: {error}"));
    }
    if directory.is_dir()
        && access(
            &directory,
            Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
        )
        .is_err()
    {
        let directory = directory.display();
        problems.push(format!(
            "state_dir: this user may not read and write {directory}: run `check` as the user \
             that mailferry runs as, or give the folder to that user"
        ));
    }
    let named = !environment.is_default_state_dir(&directory);
    let here = Path::new("");
    let there = directory
        .parent()
        .is_none_or(|above| above == here || above.exists());
    if named && !there {
        problems.push(StoreError::at(&directory, StoreFault::NoFolderAbove).to_string());
    }
    if problems.is_empty()
        && let Err(error) = examine(&config.state_dir)
    {
        problems.push(error.to_string());
    }
    problems
}

/// The files that have the names of a Maildir and its parts.
pub(super) fn no_maildir(title: &str, path: &Path) -> Vec<String> {
    let parts = ["new", "cur", "tmp"].map(|part| path.join(part));
    let all = std::iter::once(path).chain(parts.iter().map(PathBuf::as_path));
    all.filter_map(|part| no_folder(title, part)).collect()
}

pub(super) fn no_folder(title: &str, path: &Path) -> Option<String> {
    let is_other = path.exists() && !path.is_dir();
    is_other.then(|| format!("{title}: {} is a file, not a folder", path.display()))
}

/// Warns of a password file that every user may read or write.
pub(super) fn warning_of_secret(
    title: &str,
    source: &SecretSource,
    environment: &Environment,
) -> Option<String> {
    let path = match source {
        SecretSource::File(path) => path.clone(),
        SecretSource::Credential(name) => {
            Path::new(environment.get("CREDENTIALS_DIRECTORY")?).join(name)
        }
        SecretSource::Env(_) | SecretSource::Command(_) | SecretSource::Inline(_) => return None,
    };
    let mode = path.metadata().ok().filter(|file| file.is_file())?.mode() & 0o7777;
    (mode & OTHERS != 0).then(|| {
        let path = path.display();
        format!(
            "{title}: every user of this machine may read or write the password file {path} (mode \
             {mode:04o}): run `chmod 600 {path}`, or 640 where a group must read it"
        )
    })
}

/// Warns of what a delivery would fail at later.
pub(super) fn warning_of_delivery(title: &str, delivery: &DeliveryConfig) -> Option<String> {
    match &delivery.kind {
        DeliveryKind::Lmtp(lmtp) => match &lmtp.address {
            ServerAddress::Socket(path) => warning_of_socket(title, path),
            ServerAddress::Tcp { .. } => None,
        },
        DeliveryKind::Mda(_)
        | DeliveryKind::Smtp(_)
        | DeliveryKind::Maildir(_)
        | DeliveryKind::Own => None,
    }
}

/// Warns of a socket that nothing listens on, or that this user may not use. The server may be
/// started later.
fn warning_of_socket(title: &str, path: &Path) -> Option<String> {
    let shown = path.display();
    let what = match access(path, Access::WRITE_OK) {
        Ok(()) => return None,
        Err(rustix::io::Errno::NOENT) => {
            format!("there is no socket {shown}: is its server running?")
        }
        Err(_) => format!(
            "this user may not write to the socket {shown}: run `check` as the user that mailferry \
             runs as, or let the server give that user access"
        ),
    };
    Some(format!("{title}: {what}"))
}

/// The rights of users other than the owner and group to read or write.
const OTHERS: u32 = 0o006;
