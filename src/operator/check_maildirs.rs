//! The part of `check` that looks at the Maildirs of a delivery: those of the accounts that use it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::config::{Account, MaildirConfig};
use crate::mail::Mailbox;
use crate::operator::check_files::{no_folder, no_maildir};
use crate::sink::maildir::{Folder, MaildirError};

/// What is wrong with the Maildirs of a delivery.
#[derive(Default)]
pub(super) struct MaildirFindings {
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// Looks at the Maildir that each account gets.
pub(super) fn look<'a>(
    title: &str,
    maildir: &MaildirConfig,
    accounts: impl Iterator<Item = &'a Account>,
) -> MaildirFindings {
    let place = &maildir.place;
    let mut found = MaildirFindings::default();
    if let Some(shared) = place.shared().filter(|shared| !shared.is_dir()) {
        let problem = match no_folder(title, &shared) {
            Some(problem) => problem,
            None => format!("{title}: there is no folder {}", shared.display()),
        };
        found.problems.push(problem);
        return found;
    }
    let mut mailboxes: Vec<Mailbox> = place.fixed().into_iter().collect();
    if mailboxes.is_empty() {
        for account in accounts {
            match place.of(&account.name, &account.recipient) {
                Ok(mailbox) if mailboxes.contains(&mailbox) => {}
                Ok(mailbox) => mailboxes.push(mailbox),
                Err(why) => {
                    let problem = format!("{title}: account {}: {why}", account.name);
                    found.problems.push(problem);
                }
            }
        }
    }
    for mailbox in mailboxes {
        found.problems.extend(problems(title, &mailbox));
        let warning = warning(title, maildir, &mailbox.root);
        found.warnings.extend(warning);
    }
    found
}

/// Paths that are no folders, and folders that are no Maildirs.
fn problems(title: &str, mailbox: &Mailbox) -> Vec<String> {
    let (path, folder) = (&mailbox.root, mailbox.path());
    let mut problems = Vec::new();
    let above = path.parent();
    if path.exists() {
        problems.extend(no_maildir(title, path));
        if folder != *path {
            problems.extend(no_maildir(title, &folder));
        }
        if problems.is_empty()
            && let Err(error @ MaildirError::NoMaildir { .. }) = Folder::new(path).exists()
        {
            problems.push(format!("{title}: {error}"));
        }
    } else if let Some(above) = above.filter(|above| above.exists()) {
        problems.extend(no_folder(title, above));
    } else {
        let path = path.display();
        problems.push(format!(
            "{title}: neither {path} nor the folder above it exists"
        ));
    }
    problems
}

/// Warns of a Maildir of root in a folder of another user, who could not read the messages that
/// root stores there.
fn warning(title: &str, maildir: &MaildirConfig, path: &Path) -> Option<String> {
    let owner = |path: &Path| path.metadata().ok().map(|folder| folder.uid());
    let (own, above) = (owner(path)?, owner(path.parent()?)?);
    let foreign = own == 0 && above != 0 && maildir.user.is_none();
    foreign.then(|| {
        let path = path.display();
        format!(
            "{title}: the Maildir {path} belongs to root, but the folder above it belongs to \
             another user, who cannot read the messages in it: run `chown -R --reference={path}/.. \
             {path}`"
        )
    })
}
