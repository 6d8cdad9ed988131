//! The file with the state of a breaker. Polls that are started one by one (from cron) must not
//! forget each other's refusals.
//!
//! The file is an aid, not a record. It is replaced as a whole, and if it is lost or cannot be
//! read, only counts are lost, and no message.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::disk::{Acting, NewFile, make_private, open_regular};
use crate::mail::{Percent, limits};
use crate::sink::breaker::{BreakerState, text};

/// The file of one breaker.
#[derive(Clone, Debug)]
pub(super) struct Memory(PathBuf);

impl Memory {
    /// The file for the delivery of this name, in a directory that is created when it is first
    /// written.
    pub(super) fn of(directory: &Path, delivery: &str) -> Self {
        Self(directory.join(Percent(delivery.as_bytes()).to_string()))
    }

    /// The stored state; the initial state of a breaker if there is nothing to read.
    pub(super) fn recall(&self) -> BreakerState {
        text::read(&self.text().unwrap_or_default()).unwrap_or_default()
    }

    fn text(&self) -> io::Result<String> {
        let _acting = self.act()?;
        let file = open_regular(OpenOptions::new().read(true), &self.0)?;
        let mut text = String::new();
        file.take(limits::DESTINATION_FILE_OCTETS_MAX)
            .read_to_string(&mut text)?;
        Ok(text)
    }

    /// Acts as the owner of the state directory, if we are root and the owner is another user.
    fn act(&self) -> io::Result<Acting> {
        let state = self.0.parent().and_then(Path::parent);
        Acting::as_owner_of(state.unwrap_or(Path::new(".")))
    }

    /// Replaces the stored state by this text. May block.
    pub(super) fn keep(&self, text: &str) -> io::Result<()> {
        let _acting = self.act()?;
        if let Some(directory) = self.0.parent() {
            make_private(directory)?;
        }
        // The escaped form of a name never begins with a dot.
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let fresh = self.0.with_file_name(format!(".{name}"));
        let mut new = NewFile::create_over(OpenOptions::new().write(true), fresh)?;
        new.write_all(text.as_bytes())?;
        // Not made durable: if it is lost, that costs one probe or one offer.
        new.rename(&self.0).map(drop)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_state_is_restored_and_an_unreadable_one_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::of(&directory.path().join("destinations"), "to ../work");
        assert!(!memory.recall().is_open(), "nothing was kept yet");
        let text = "mailferry destination 1\nopen 99 3\n";
        memory.keep("something else").unwrap();
        memory.keep(text).unwrap();
        assert_eq!(text::write(&memory.recall()), text);
        std::fs::write(&memory.0, "mailferry destination 1\nopen x\n").unwrap();
        assert!(!memory.recall().is_open());
    }
}
