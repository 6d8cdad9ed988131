//! The journal: an append-only file of text lines. `fdatasync` of it makes a record durable.
//!
//! The first line is a header, `CRC mailferry-seen 1 BASE`, where BASE is the sequence number
//! before the first line. Each further line is a batch (see the sibling module `line`) with the
//! next sequence number, and a CRC that includes the previous line's CRC, so that a lost, swapped
//! or doubled line is detected. An unfinished last line is cut off; any other mismatch is damage,
//! and nothing is guessed.

mod scan;

use std::borrow::Borrow;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::disk::{Identity, NewFile, is_full, open_regular, sync_directory};
use crate::fault;
use crate::mail::{Timestamp, limits};
use crate::seen::disk::checksum::chained;
use crate::seen::disk::line;
use crate::seen::{Batch, StoreError, StoreFault};

pub(in crate::seen) use scan::{JournalLine, Scan};

/// The open journal, ready to append.
#[derive(Debug)]
pub(in crate::seen) struct Journal {
    directory: PathBuf,
    /// `None` after an error, because the state of the descriptor is unknown then.
    file: Option<File>,
    /// The identity of the file that has the journal's name, unless it was removed or replaced.
    identity: Identity,
    /// Octets that are durable for certain.
    pub(in crate::seen) durable: u64,
    pub(in crate::seen) last: Position,
    /// Lines since the base.
    pub(in crate::seen) lines: u64,
    /// The time of the last line. One line from a day with the clock years ahead must not count as
    /// the newest for years.
    pub(in crate::seen) newest: Option<Timestamp>,
    line_started: String,
}

/// A position in the journal: the sequence number of a line and its CRC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::seen) struct Position {
    pub(in crate::seen) sequence: u64,
    pub(in crate::seen) crc: u32,
}

impl Journal {
    /// The file's name in the state directory.
    pub(in crate::seen) const NAME: &'static str = "seen.journal";

    /// Creates a new journal at `base` with the lines that `write` adds, and puts it in place.
    ///
    /// # Errors
    /// What prevents it; then the earlier journal is still in place, and in use.
    pub(in crate::seen) fn create(
        directory: &Path,
        base: u64,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut journal = Self::write_new(directory, base, write)?;
        let placed = fault::fail("journal.renamed").and_then(|()| sync_directory(directory));
        if placed.is_err() {
            // It is in place, but a power cut may undo that: nothing counts as durable before the
            // name is.
            journal.file = None;
        }
        Ok(journal)
    }

    /// Writes a whole journal beside the present one, makes it durable and gives it the name.
    fn write_new(
        directory: &Path,
        base: u64,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let disk = |error: io::Error| disk(directory, &error);
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let new = NewFile::create_over(&mut options, directory.join(TEMPORARY)).map_err(disk)?;
        let header = format!("{HEADER} {base}");
        let crc = chained(0, header.as_bytes());
        let mut out = io::BufWriter::with_capacity(1 << 16, new);
        writeln!(out, "{crc:08x} {header}").map_err(disk)?;
        let mut writer = Writer {
            directory,
            out,
            last: Position {
                sequence: base,
                crc,
            },
            lines: 0,
            newest: None,
        };
        write(&mut writer)?;
        let Writer {
            out,
            last,
            lines,
            newest,
            ..
        } = writer;
        let new = out.into_inner().map_err(|error| disk(error.into_error()))?;
        new.sync().map_err(disk)?;
        let identity = Identity::of(new.file()).map_err(disk)?;
        let durable = new.file().metadata().map_err(disk)?.len();
        fault::fail("journal.new").map_err(disk)?;
        let file = new.rename(&directory.join(Self::NAME)).map_err(disk)?;
        Ok(Self {
            directory: directory.to_owned(),
            file: Some(file),
            identity,
            durable,
            last,
            lines,
            newest,
            line_started: String::new(),
        })
    }

    /// Checks that the journal's name still refers to the open file: data in a file without a name
    /// is not recorded.
    ///
    /// # Errors
    /// `StoreFault::Replaced` when the file or its directory was removed or replaced.
    pub(in crate::seen) fn check_place(&self) -> Result<(), StoreError> {
        if self.identity.is_at(&self.directory.join(Self::NAME)) {
            return Ok(());
        }
        Err(StoreError::at(&self.directory, StoreFault::Replaced))
    }

    /// Makes sure that there is space for the records of all running offers, before a message is
    /// offered.
    pub(in crate::seen) fn make_room(&mut self) -> Result<(), StoreError> {
        self.check_place()?;
        let file = match self.file.take() {
            Some(file) => file,
            None => self.reopen()?,
        };
        match fallocate(
            &file,
            FallocateFlags::KEEP_SIZE,
            self.durable,
            limits::JOURNAL_ROOM_OCTETS,
        ) {
            // If the file system cannot reserve space, nothing can be done.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.file = Some(file);
                Ok(())
            }
            // Earlier data is as durable as it was.
            Err(errno) => {
                self.file = Some(file);
                Err(disk(&self.directory, &errno.into()))
            }
        }
    }

    /// Opens the journal and checks every line. `visit` gets the header, then each line with its
    /// position. The content of lines up to number `known` is not decoded, because that is most of
    /// the work at a start, and the index has it. `check` gets the number of the last line before
    /// anything is changed.
    ///
    /// # Errors
    /// `StoreFault::Damaged` when a line does not match; `StoreFault::Disk` when the file cannot
    /// be read.
    pub(in crate::seen) fn open(
        directory: &Path,
        known: u64,
        mut visit: impl FnMut(Position, JournalLine) -> Result<(), StoreError>,
        check: impl FnOnce(u64) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let disk = |error: io::Error| disk(directory, &error);
        let file = open(directory, OpenOptions::new().read(true).append(true))?;
        let identity = Identity::of(&file).map_err(disk)?;
        let scan = Self::read(directory, known, u64::MAX, &mut visit)?;
        check(scan.last.sequence)?;
        let length = file.metadata().map_err(disk)?.len();
        if length > scan.octets {
            file.set_len(scan.octets).map_err(disk)?;
        }
        // The data that was read, and its name, may never have been synced; from here on both are
        // durable.
        file.sync_all().map_err(disk)?;
        sync_directory(directory).map_err(disk)?;
        let Scan {
            octets,
            last,
            lines,
            newest,
            ..
        } = scan;
        let directory = directory.to_owned();
        Ok(Self {
            directory,
            file: Some(file),
            identity,
            durable: octets,
            last,
            lines,
            newest,
            line_started: String::new(),
        })
    }

    /// Appends batches and makes them durable together. If this fails, none of them is durable for
    /// certain, and the next call first goes back to the durable part.
    pub(in crate::seen) fn append(
        &mut self,
        batches: &[impl Borrow<Batch>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut file = self.file.take().map_or_else(|| self.reopen(), Ok)?;
        let mut last = self.last;
        let mut text = std::mem::take(&mut self.line_started);
        for batch in batches {
            last = push_line(&mut text, last, now, batch.borrow());
        }
        // After an error the descriptor stays closed: a failed fdatasync may have dropped data.
        file.write_all(text.as_bytes())
            .map_err(|error| disk(&self.directory, &error))?;
        fault::fail("journal.written")
            .and_then(|()| file.sync_data())
            .map_err(|error| disk(&self.directory, &error))?;
        // Checked after the sync, so that nothing counts as recorded that went to a file without a
        // name.
        self.check_place()?;
        self.durable += text.len() as u64;
        self.last = last;
        self.lines += batches.len() as u64;
        self.newest = Some(now);
        text.clear();
        // The memory of a batch for a whole maildrop is not kept.
        text.shrink_to(limits::JOURNAL_TEXT_KEPT_OCTETS);
        self.line_started = text;
        self.file = Some(file);
        Ok(())
    }

    /// Opens a new descriptor on exactly the durable part.
    fn reopen(&self) -> Result<File, StoreError> {
        // Another journal under this name must not be cut to our length.
        self.check_place()?;
        let file = open(&self.directory, OpenOptions::new().read(true).append(true))?;
        let cut = file.set_len(self.durable).and_then(|()| file.sync_all());
        cut.and_then(|()| sync_directory(&self.directory))
            .map_err(|error| disk(&self.directory, &error))?;
        Ok(file)
    }
}

/// Writes the lines of a new journal.
pub(in crate::seen) struct Writer<'d> {
    directory: &'d Path,
    out: io::BufWriter<NewFile>,
    last: Position,
    lines: u64,
    newest: Option<Timestamp>,
}

impl Writer<'_> {
    /// Adds one batch with its time.
    pub(in crate::seen) fn add(&mut self, batch: &Batch, at: Timestamp) -> Result<(), StoreError> {
        let mut text = String::new();
        self.last = push_line(&mut text, self.last, at, batch);
        self.lines += 1;
        self.newest = Some(at);
        self.out
            .write_all(text.as_bytes())
            .map_err(|error| disk(self.directory, &error))
    }
}

fn push_line(text: &mut String, last: Position, at: Timestamp, batch: &Batch) -> Position {
    let sequence = last.sequence + 1;
    let start = text.len();
    // A placeholder for the CRC.
    let _ = write!(text, "{:08x} {sequence} {} ", 0, at.0);
    line::push_batch(text, batch);
    let crc = chained(last.crc, &text.as_bytes()[start + 9..]);
    text.replace_range(start..start + 8, &format!("{crc:08x}"));
    text.push('\n');
    Position { sequence, crc }
}

/// Opens the journal of a directory; an error names the file.
fn open(directory: &Path, options: &mut OpenOptions) -> Result<File, StoreError> {
    open_regular(options, &directory.join(Journal::NAME)).map_err(|error| {
        let words = format!("{}: {error}", Journal::NAME);
        disk(directory, &io::Error::new(error.kind(), words))
    })
}

pub(in crate::seen) fn disk(directory: &Path, error: &io::Error) -> StoreError {
    let what = error.to_string();
    let kind = if is_full(error.kind()) {
        StoreFault::Full { what }
    } else {
        StoreFault::Disk { what }
    };
    StoreError::at(directory, kind)
}

/// The error for a journal that is shorter than the witness says.
pub(in crate::seen) fn cut_short(
    directory: &Path,
    last: u64,
    witnessed: u64,
    witness: &str,
) -> StoreError {
    let hint = format!(
        "Nothing was changed. Restore the state directory from a backup. If {NAME} itself is from \
         a backup, remove {witness}; messages recorded after line {last} may be delivered again",
        NAME = Journal::NAME
    );
    let what = format!(
        "{} ends at line {last}, and {witness} says that there was line {witnessed}",
        Journal::NAME
    );
    StoreError::at(directory, StoreFault::Damaged { what }).with_hint(hint)
}

pub(in crate::seen) fn damaged(directory: &Path, what: String) -> StoreError {
    let hint = "Nothing was changed. Restore the state directory from a backup; or move \
                seen.journal, seen.last and index aside and use first_run = \"skip\" or `seen \
                 import`";
    StoreError::at(directory, StoreFault::Damaged { what }).with_hint(hint)
}

/// The name of a journal that is not complete yet.
const TEMPORARY: &str = "seen.journal.new";

const HEADER: &str = "mailferry-seen 1";

#[cfg(test)]
mod tests;
