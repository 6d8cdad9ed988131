//! The notes of a record: doubts about its message, and how they were settled.

use std::fmt::{self, Write as _};

use crate::mail::{DAY_SECONDS, Timestamp, limits};

/// Facts that decide whether a listed message is the recorded one, and whether it may be deleted.
/// Nearly all records have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// When it was recorded that a DELE of this message is sent. If a message is listed under this
    /// unique-id after that, it is doubtful, because a server may reuse the unique-id of a deleted
    /// message (RFC 1939 section 7).
    pub asked: Option<Timestamp>,
    /// The last time the message was retrieved only for comparison.
    pub compared: Option<Compared>,
    /// The server lists another message under this unique-id. The record, with its digest, still
    /// proves what was delivered.
    pub displaced: bool,
    /// When a doubt was settled by the message's head alone, or when the message came in a session
    /// that was out of step: it is compared by digest before it is deleted.
    pub by_head: Option<Timestamp>,
    /// The message came in a session out of step: another one may have been taken for it. It is
    /// compared under any retention.
    pub out_of_step: bool,
    /// The message waits for another try, or has no Message-ID and Date, and a complete listing
    /// lacked it since: another one may have its unique-id now.
    pub returned: bool,
    /// The message was shorter than announced, twice with the same octets: it is not deleted while
    /// the server announces more.
    pub octets_differ: bool,
    /// The operator confirmed that a message which came shorter than announced counts as delivered:
    /// its size does not forbid a delete any more.
    pub octets_accepted: bool,
    /// The message had other octets each time, and the last ones were delivered: it is not deleted.
    pub varies: bool,
    /// The digest of what lasts of the message, if its head does not identify it or it came short:
    /// a server may change the rest.
    pub lasting: Option<u64>,
    /// Of a record that waits for another try and stands for several equal messages: how many of
    /// them were delivered. Only the others are offered again.
    pub taken: u32,
}

/// A comparison by RETR, and the number of comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// When.
    pub at: Timestamp,
    /// The number of comparisons, this one included.
    pub times: u8,
}

impl Compared {
    /// Whether the message may be compared once more: 1, 2, 4 ... days after the last time, 30 at
    /// most.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let doublings = u32::from(self.times.saturating_sub(1)).min(5);
        let days = (1_u64 << doublings).min(limits::COMPARED_AGAIN_DAYS_MAX);
        // A time in the future came from a wrong clock.
        self.at > now || now.since(self.at) >= days * DAY_SECONDS
    }
}

impl Notes {
    /// Whether there are no notes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The notes after the message was retrieved and compared, and its bytes are those of the
    /// record.
    #[must_use]
    pub fn found_alike(self, now: Timestamp) -> Self {
        let times = self.compared.map_or(0, |compared| compared.times);
        Self {
            asked: None,
            compared: Some(Compared {
                at: now,
                times: times.saturating_add(1),
            }),
            displaced: false,
            by_head: None,
            out_of_step: false,
            returned: false,
            ..self
        }
    }

    /// The notes after a doubt was settled by the message's head.
    #[must_use]
    pub fn found_by_head(self, now: Timestamp) -> Self {
        Self {
            asked: None,
            displaced: false,
            by_head: Some(now),
            out_of_step: false,
            returned: false,
            ..self
        }
    }

    /// The notes after the operator confirmed that the received octets count as the message.
    #[must_use]
    pub fn accepted(self) -> Self {
        Self {
            octets_differ: false,
            octets_accepted: true,
            ..self
        }
    }

    /// Whether the message came shorter than the server announced, even if the operator has
    /// confirmed it since: a message with the whole of it is another one.
    pub const fn came_short(&self) -> bool {
        self.octets_differ || self.octets_accepted
    }

    /// Whether the notes alone forbid a delete.
    pub const fn forbid_delete(&self) -> bool {
        self.octets_differ || self.varies
    }

    /// Reads the text that [`Self`] writes after its `~`.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        let mut notes = Self::default();
        for part in word.split(',') {
            let (kind, value) = part.split_at_checked(1)?;
            match (kind, value) {
                ("a", at) => notes.asked = Some(Timestamp(at.parse().ok()?)),
                ("c", compared) => {
                    let (at, times) = compared.split_once('x')?;
                    notes.compared = Some(Compared {
                        at: Timestamp(at.parse().ok()?),
                        times: times.parse().ok()?,
                    });
                }
                ("d", "") => notes.displaced = true,
                ("h", at) => notes.by_head = Some(Timestamp(at.parse().ok()?)),
                ("o", "") => notes.octets_differ = true,
                ("w", "") => notes.octets_accepted = true,
                ("v", "") => notes.varies = true,
                ("b", digest) => notes.lasting = Some(digest.parse().ok()?),
                ("s", "") => notes.out_of_step = true,
                ("r", "") => notes.returned = true,
                ("t", taken) => notes.taken = taken.parse().ok()?,
                _ => return None,
            }
        }
        Some(notes)
    }
}

impl fmt::Display for Notes {
    /// Writes the present parts, separated by commas: `a1800000000,c1800000000x1,d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut part = |f: &mut fmt::Formatter<'_>, words: fmt::Arguments<'_>| {
            if !std::mem::take(&mut first) {
                f.write_char(',')?;
            }
            f.write_fmt(words)
        };
        if let Some(at) = self.asked {
            part(f, format_args!("a{}", at.0))?;
        }
        if let Some(Compared { at, times }) = self.compared {
            part(f, format_args!("c{}x{times}", at.0))?;
        }
        if let Some(at) = self.by_head {
            part(f, format_args!("h{}", at.0))?;
        }
        if let Some(digest) = self.lasting {
            part(f, format_args!("b{digest}"))?;
        }
        if self.taken > 0 {
            part(f, format_args!("t{}", self.taken))?;
        }
        let flags = [
            (self.displaced, 'd'),
            (self.octets_differ, 'o'),
            (self.octets_accepted, 'w'),
            (self.varies, 'v'),
            (self.out_of_step, 's'),
            (self.returned, 'r'),
        ];
        for (_, letter) in flags.into_iter().filter(|(is_set, _)| *is_set) {
            part(f, format_args!("{letter}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_compared_again_after_1_2_4_8_16_and_then_30_days() {
        let due = |times, days: u64, seconds: u64| {
            let at = Timestamp(1_800_000_000);
            let compared = Compared { at, times };
            compared.is_due(at.plus(days * DAY_SECONDS - seconds))
        };
        for (times, days) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (200, 30)] {
            assert!(!due(times, days, 1), "{times}");
            assert!(due(times, days, 0), "{times}");
        }
    }
}
