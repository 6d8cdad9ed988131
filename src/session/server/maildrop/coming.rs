//! Messages that were requested and have not come yet.

use crate::mail::{Announced, Entry, limits};
use crate::session::SessionError;
use crate::session::server::maildrop::{Happened, OpenMaildrop};
use crate::spool::Draft;

/// A retrieved message, with the facts about its size.
pub(in crate::session) struct Came {
    /// Its position in the listing.
    pub(in crate::session) at: usize,
    pub(in crate::session) draft: Draft,
    pub(in crate::session) announced: Announced,
    /// Dots that were removed from the beginning of a line.
    pub(in crate::session) dots: u64,
    /// How many of them a server that stuffs never sends.
    pub(in crate::session) lone_dots: u64,
}

/// A message that has come or was refused.
#[derive(Clone, Copy)]
pub(super) struct Last {
    pub(super) at: usize,
    pub(super) number: u32,
}

/// A retrieval under way.
pub(super) struct Coming {
    pub(super) at: usize,
    pub(super) number: u32,
    pub(super) listed: Option<u64>,
    pub(super) expected: u64,
    pub(super) draft: Draft,
    pub(super) octets_max: u64,
    pub(super) begun: bool,
}

impl OpenMaildrop {
    /// Whether the window has room for one more message.
    pub(in crate::session) fn has_room_for(&self, octets: Option<u64>) -> bool {
        if !self.is_pipelining() || self.client.is_blank() {
            return self.client.pending() == 0;
        }
        let expected = expected_octets(octets);
        self.coming.is_empty()
            || (self.client.pending() < limits::PIPELINE_COMMANDS_MAX
                && self.coming_octets.saturating_add(expected) <= limits::PIPELINE_OCTETS_MAX)
    }

    /// Requests a message, to be written to `draft`; more than `octets_max` of it is too much.
    pub(in crate::session) fn retrieve(
        &mut self,
        at: usize,
        entry: Entry<'_>,
        draft: Draft,
        octets_max: u64,
    ) -> Result<(), SessionError> {
        self.client
            .retrieve(entry.number, entry.octets, self.sizes_are_estimates)?;
        self.want_proof();
        let expected = expected_octets(entry.octets);
        self.coming_octets += expected;
        self.coming.push_back(Coming {
            at,
            number: entry.number,
            listed: entry.octets,
            expected,
            draft,
            octets_max,
            begun: false,
        });
        Ok(())
    }
}

impl Coming {
    pub(super) const fn as_last(&self) -> Last {
        Last {
            at: self.at,
            number: self.number,
        }
    }

    pub(super) fn into_retrieved(self, said: Option<u64>, dots: u64, lone_dots: u64) -> Happened {
        Happened::Retrieved(Box::new(Came {
            at: self.at,
            draft: self.draft,
            announced: Announced {
                listed: self.listed,
                said,
            },
            dots,
            lone_dots,
        }))
    }
}

/// Sizes may be wrong; a message counts for at least this much of the window.
fn expected_octets(listed: Option<u64>) -> u64 {
    listed.unwrap_or(0).max(limits::EXPECTED_OCTETS_MIN)
}
