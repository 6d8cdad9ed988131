//! What a breaker knew when the program ended: polls that are started one by one must not forget each other's refusals.
//!
//! ```text
//! mailferry destination 1
//! open UNTIL FAILURES
//! streak|suspect|blamed ACCOUNT UNIQUE-ID DIGEST        words as in the journal, `-` for no digest
//! ```
//!
//! It is a help, not a record: it is replaced as a whole, and one that is lost or cannot be read costs no message anything but a
//! count.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::disk::{Acting, open_regular};

use super::{Named, Open, State, note};
use crate::mail::{AccountName, Digest, Percent, Timestamp, UniqueId};
use crate::seen::RecordKey;
use crate::session::Undo;

/// The file of one breaker.
#[derive(Clone, Debug)]
pub(super) struct Memory(PathBuf);

impl Memory {
    /// The file for the delivery of this name, in a directory that is made when it is first written.
    pub(super) fn of(directory: &Path, delivery: &str) -> Self {
        Self(directory.join(Percent(delivery.as_bytes()).to_string()))
    }

    /// What was kept; the state of a breaker that knows nothing, when there is nothing to read.
    pub(super) fn recall(&self) -> State {
        read(&self.text().unwrap_or_default()).unwrap_or_default()
    }

    fn text(&self) -> io::Result<String> {
        let _acting = self.act()?;
        let file = open_regular(OpenOptions::new().read(true), &self.0)?;
        let mut text = String::new();
        file.take(OCTETS_MAX).read_to_string(&mut text)?;
        Ok(text)
    }

    /// Acts as the owner of the state directory, if we are root and he is another.
    fn act(&self) -> io::Result<Acting> {
        let state = self.0.parent().and_then(Path::parent);
        Acting::as_owner_of(state.unwrap_or(Path::new(".")))
    }

    /// Keeps a state in place of the one before.
    pub(super) fn keep(&self, state: &State) -> io::Result<()> {
        let _acting = self.act()?;
        if let Some(directory) = self.0.parent() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(directory)?;
        }
        // No word of that form begins with a dot.
        let name = self.0.file_name().unwrap_or_default().to_string_lossy();
        let fresh = self.0.with_file_name(format!(".{name}"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        open_regular(&mut options, &fresh)?.write_all(write(state).as_bytes())?;
        std::fs::rename(&fresh, &self.0)
    }
}

/// Some twenty lines stand in a file.
const OCTETS_MAX: u64 = 1024 * 1024;

const HEADER: &str = "mailferry destination 1";

fn write(state: &State) -> String {
    let mut text = format!("{HEADER}\n");
    if let Some(open) = &state.open {
        let _ = writeln!(text, "open {} {}", open.until.0, open.failures);
    }
    for undo in &state.streak {
        write_named(&mut text, "streak", &undo.account, &undo.key);
    }
    for (word, named) in [("suspect", &state.suspects), ("blamed", &state.blamed)] {
        for (account, key) in named {
            write_named(&mut text, word, account, key);
        }
    }
    text
}

fn write_named(text: &mut String, word: &str, account: &AccountName, key: &RecordKey) {
    let id = Percent(key.unique_id.as_bytes());
    let digest = key
        .digest
        .map_or("-".to_owned(), |digest| digest.to_string());
    let _ = writeln!(text, "{word} {account} {id} {digest}");
}

fn read(text: &str) -> Option<State> {
    let mut lines = text.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let mut state = State::default();
    for line in lines {
        let (word, rest) = line.split_once(' ')?;
        if word == "open" {
            let (until, failures) = rest.split_once(' ')?;
            state.open = Some(Open {
                until: Timestamp(until.parse().ok()?),
                failures: failures.parse().ok()?,
                probe: None,
            });
            continue;
        }
        let (account, key) = read_named(rest)?;
        match word {
            "streak" => state.streak.push(Undo {
                account,
                key,
                before: None,
            }),
            "suspect" => noted(&mut state.suspects, (account, key)),
            "blamed" => noted(&mut state.blamed, (account, key)),
            _ => return None,
        }
    }
    Some(state)
}

fn noted(known: &mut VecDeque<Named>, named: Named) {
    note(known, named);
}

fn read_named(words: &str) -> Option<Named> {
    let mut words = words.split(' ');
    let account = AccountName::new(words.next()?).ok()?;
    let unique_id = UniqueId::new(&Percent::decode(words.next()?)?).ok()?;
    let digest = match words.next()? {
        "-" => None,
        hex => Some(Digest::from_hex(hex)?),
    };
    words
        .next()
        .is_none()
        .then(|| (account, RecordKey::new(unique_id, digest)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn named(id: &[u8], digest: Option<u8>) -> Named {
        let digest = digest.map(|octet| Digest::new([octet; 32]));
        let key = RecordKey::new(UniqueId::new(id).unwrap(), digest);
        (AccountName::new("work").unwrap(), key)
    }

    #[test]
    fn what_was_kept_is_recalled_and_what_cannot_be_read_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let memory = Memory::of(&directory.path().join("destinations"), "to ../work");
        assert!(memory.recall().open.is_none(), "nothing was kept yet");
        let (account, key) = named(b"with blank\xFF", Some(7));
        let state = State {
            streak: vec![Undo {
                account,
                key,
                before: None,
            }],
            suspects: [named(b"a", None), named(b"b", Some(1))].into(),
            blamed: [named(b"c", Some(2))].into(),
            open: Some(Open {
                until: Timestamp(99),
                failures: 3,
                probe: None,
            }),
            probes: 0,
        };
        memory.keep(&state).unwrap();
        memory.keep(&state).unwrap();
        assert_eq!(format!("{:?}", memory.recall()), format!("{state:?}"));
        std::fs::write(&memory.0, "mailferry destination 1\nopen x\n").unwrap();
        assert!(memory.recall().open.is_none());
    }
}
