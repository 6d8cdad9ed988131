//! The number of the journal's last line, in a separate file.
//!
//! A journal that lost its end is shorter than the index's mark says, unless the index is damaged,
//! too. This file covers that case. It is overwritten in place after each `fdatasync` of the
//! journal, so it never names a line that is not durable, and a power cut can only leave an earlier
//! number. It is an aid, not a record: if it cannot be written or read, nothing stops.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::disk::open_regular;
use crate::mail::limits;
use crate::seen::disk::checksum::crc;

/// The open file; `None` if it cannot be opened, and then nothing is noted.
#[derive(Debug)]
pub(in crate::seen) struct Witness(Option<File>);

impl Witness {
    /// The file's name in the state directory.
    pub(in crate::seen) const NAME: &'static str = "seen.last";

    /// Opens or creates the file in a state directory.
    pub(in crate::seen) fn open(directory: &Path) -> Self {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        Self(open_regular(&mut options, &directory.join(Self::NAME)).ok())
    }

    /// The content of the file in a state directory: the sequence number of the last line that was
    /// durable when it was written.
    pub(in crate::seen) fn read(directory: &Path) -> Option<u64> {
        let mut text = String::new();
        let path = directory.join(Self::NAME);
        let file = open_regular(OpenOptions::new().read(true), &path).ok()?;
        file.take(limits::WITNESS_OCTETS_MAX)
            .read_to_string(&mut text)
            .ok()?;
        let (checked, rest) = text.strip_suffix('\n')?.split_once(' ')?;
        let sequence = rest.strip_prefix(HEADER)?.strip_prefix(' ')?.parse().ok()?;
        (checked == digits(rest)).then_some(sequence)
    }

    /// Notes the last durable line. The length of the note never changes, so it is overwritten and
    /// never torn.
    pub(in crate::seen) fn note(&self, sequence: u64) {
        if let Some(file) = &self.0 {
            let rest = format!("{HEADER} {sequence:020}");
            // Without this note, only damage to both other files at once would remain unnoticed.
            let _ = file.write_all_at(format!("{} {rest}\n", digits(&rest)).as_bytes(), 0);
        }
    }

    /// Makes the note durable.
    pub(in crate::seen) fn sync(&self) {
        if let Some(file) = &self.0 {
            // As above: the earlier note still holds.
            let _ = file.sync_data();
        }
    }
}

fn digits(rest: &str) -> String {
    format!("{:08x}", crc(rest.as_bytes()))
}

const HEADER: &str = "mailferry-last 1";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_note_is_read_back_and_a_damaged_one_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Witness::read(directory.path()), None);
        let witness = Witness::open(directory.path());
        for sequence in [7, u64::MAX, 12] {
            witness.note(sequence);
            assert_eq!(Witness::read(directory.path()), Some(sequence));
        }
        let path = directory.path().join(Witness::NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).unwrap();
            assert_eq!(Witness::read(directory.path()), None, "octet {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(Witness::read(directory.path()), None, "cut at {at}");
        }
    }
}
