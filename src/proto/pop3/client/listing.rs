//! The lines of a listing: LIST, UIDL and CAPA.

use std::borrow::Cow;
use std::ops::Range;

use crate::mail::limits;
use crate::proto::pop3::client::{Client, Expect};
use crate::proto::pop3::reply;
use crate::proto::pop3::{ClientEvent, Kind, RemoteError};

impl Client {
    pub(super) fn listing_line<'i>(
        &mut self,
        kind: Kind,
        input: &mut &'i [u8],
    ) -> Result<Option<ClientEvent<'i>>, RemoteError> {
        loop {
            let octets_max = limits::LISTING_LINE_OCTETS_MAX;
            let Expect::Lines(_, end) = &mut self.expect else {
                return Ok(None);
            };
            let line = self.lines.next_listed(input, end, octets_max);
            let line = line.map_err(|_| RemoteError::LineTooLong { octets_max })?;
            let Some(line) = line else {
                return Ok(None);
            };
            if *line == *b"." {
                self.expect = Expect::Status;
                return Ok(Some(self.listing_end(kind)));
            }
            self.count += 1;
            self.octets += line.len() as u64 + 2;
            let lines_max = if kind == Kind::Capa {
                limits::CAPABILITY_LINES_MAX
            } else {
                limits::LISTING_ENTRIES_MAX
            };
            if self.count > lines_max || self.octets > limits::LISTING_OCTETS_MAX {
                return Err(RemoteError::EndlessReply { command: kind });
            }
            let line = unstuffed(line);
            match kind {
                Kind::Capa => self.gathering.add(&line),
                Kind::Uidl => return Ok(Some(self.readable(unique_id(line)))),
                _ => return Ok(Some(self.readable(size(line)))),
            }
        }
    }

    fn listing_end(&mut self, kind: Kind) -> ClientEvent<'static> {
        if kind == Kind::Capa {
            self.capabilities = std::mem::take(&mut self.gathering);
            ClientEvent::Capabilities
        } else {
            ClientEvent::ListingEnd { command: kind }
        }
    }
}

/// Removes the stuffed dot at the start of a line (RFC 1939 section 3).
fn unstuffed(line: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let start = usize::from(line.first() == Some(&b'.'));
    let end = line.len();
    part(line, start..end)
}

/// This part of a line; borrowed if the line was.
fn part(line: Cow<'_, [u8]>, Range { start, end }: Range<usize>) -> Cow<'_, [u8]> {
    match line {
        Cow::Borrowed(line) => Cow::Borrowed(line.get(start..end).unwrap_or_default()),
        Cow::Owned(mut line) => {
            line.truncate(end);
            line.drain(..start.min(line.len()));
            Cow::Owned(line)
        }
    }
}

fn unique_id(line: Cow<'_, [u8]>) -> ClientEvent<'_> {
    match reply::uidl_line(&line) {
        Some((number, range)) => ClientEvent::UniqueId {
            number,
            unique_id: part(line, range),
        },
        None => ClientEvent::Malformed {
            command: Kind::Uidl,
            line,
        },
    }
}

fn size(line: Cow<'_, [u8]>) -> ClientEvent<'_> {
    match reply::list_line(&line) {
        Some((number, octets)) => ClientEvent::Size { number, octets },
        None => ClientEvent::Malformed {
            command: Kind::List,
            line,
        },
    }
}
