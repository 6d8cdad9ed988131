//! Reads a journal line by line, and checks each line.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use crate::mail::Timestamp;
use crate::seen::disk::checksum::chained;
use crate::seen::disk::journal::{HEADER, Journal, Position, damaged, disk, open};
use crate::seen::disk::line;
use crate::seen::{Batch, StoreError};

/// A line that was read and matches.
pub(in crate::seen) enum JournalLine {
    /// The first line: where the journal begins.
    Header,
    /// A line that the reader knows: only its CRC was checked.
    Known,
    /// The content of a line.
    Batch(Box<Batch>),
}

/// The state while reading a journal line by line.
#[derive(Default)]
pub(in crate::seen) struct Scan {
    pub(super) octets: u64,
    pub(super) last: Position,
    pub(super) lines: u64,
    pub(super) newest: Option<Timestamp>,
    begun: bool,
}

impl Scan {
    /// Checks a whole line, and decodes it if its number is above `known`. The error says what does
    /// not match.
    fn line(&mut self, raw: &[u8], known: u64) -> Result<JournalLine, String> {
        let number = self.lines + 2;
        let wrong = |what: &str| format!("line {number} of {} {what}", Journal::NAME);
        let text = std::str::from_utf8(raw)
            .map_err(|_| wrong("is not text"))?
            .trim_end_matches('\n');
        let (checked, rest) = text.split_once(' ').ok_or_else(|| wrong("has no CRC"))?;
        let found = chained(self.last.crc, rest.as_bytes());
        let written = u32::from_str_radix(checked, 16).ok();
        if checked.len() != 8
            || written != Some(found)
            || checked.contains(|c: char| c.is_ascii_uppercase() || c == '+')
        {
            return Err(wrong("does not match its CRC"));
        }
        if !self.begun {
            let base = rest
                .strip_prefix(HEADER)
                .and_then(|base| base.trim().parse().ok());
            let sequence = base.ok_or_else(|| {
                format!(
                    "the header of {} is of another version than {HEADER}",
                    Journal::NAME
                )
            })?;
            self.last = Position {
                sequence,
                crc: found,
            };
            self.begun = true;
            return Ok(JournalLine::Header);
        }
        let mut words = rest.splitn(3, ' ');
        let mut next = || words.next().ok_or_else(|| wrong("is too short"));
        let sequence: u64 = next()?
            .parse()
            .map_err(|_| wrong("has no sequence number"))?;
        let at: u64 = next()?.parse().map_err(|_| wrong("has no time"))?;
        let words = next()?;
        let line = if sequence > known {
            let batch = line::read_batch(words);
            let batch = batch.ok_or_else(|| wrong("is in no form known here"))?;
            JournalLine::Batch(Box::new(batch))
        } else {
            JournalLine::Known
        };
        if sequence != self.last.sequence + 1 {
            return Err(wrong("is out of sequence"));
        }
        self.last = Position {
            sequence,
            crc: found,
        };
        self.lines += 1;
        self.newest = Some(Timestamp(at));
        Ok(line)
    }
}

impl Journal {
    /// Reads every finished line within the first `until` octets, and changes nothing.
    pub(in crate::seen) fn read(
        directory: &Path,
        known: u64,
        until: u64,
        visit: &mut dyn FnMut(Position, JournalLine) -> Result<(), StoreError>,
    ) -> Result<Scan, StoreError> {
        let disk = |error: io::Error| disk(directory, &error);
        let file = open(directory, OpenOptions::new().read(true))?;
        let mut reader = BufReader::with_capacity(1 << 18, file.take(until));
        let mut scan = Scan::default();
        let mut raw = Vec::new();
        loop {
            raw.clear();
            let octets = reader.read_until(b'\n', &mut raw).map_err(disk)?;
            // A line that the machine did not finish was never reported as durable.
            if raw.last() != Some(&b'\n') {
                break;
            }
            let line = scan.line(&raw, known);
            let line = line.map_err(|what| damaged(directory, what))?;
            scan.octets += octets as u64;
            visit(scan.last, line)?;
        }
        if scan.octets == 0 {
            return Err(damaged(directory, "the journal has no header".to_owned()));
        }
        Ok(scan)
    }

    /// Returns the number of the last finished line, and checks all lines; changes nothing.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub(in crate::seen) fn last_line(directory: &Path) -> Result<u64, StoreError> {
        let scan = Self::read(directory, u64::MAX, u64::MAX, &mut |_, _| Ok(()))?;
        Ok(scan.last.sequence)
    }
}
