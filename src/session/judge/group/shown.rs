//! What the heads that the server showed say about the listed messages of one unique-id.

use crate::seen::Known;
use crate::session::judge::alike::KnownHeads;
use crate::session::judge::group::Group;
use crate::session::judge::heads_said::Head;

/// What the heads of all entries of a group show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Each is like the head of a record.
    Alike,
    /// One is like the head of no record.
    Another,
    /// Nothing: the server did not show one, or a record has none.
    Nothing,
    /// They were not asked for, and would help.
    NotAsked,
    /// One was not asked for, for lack of time: the next session asks.
    Later,
}

impl Group<'_> {
    pub(super) fn said(&self) -> Said {
        self.said_of(|| self.settled())
    }

    /// What the heads show about some records.
    pub(super) fn said_of<'k, I: Iterator<Item = &'k Known<'k>>>(
        &self,
        records: impl Fn() -> I,
    ) -> Said {
        let has_head = |known: &Known<'_>| known.record.head.is_some();
        if !records().all(has_head) {
            return Said::Nothing;
        }
        let mut said = Said::Alike;
        let known = KnownHeads::of(records());
        for at in self.positions {
            match self.heads.get(*at) {
                Head::Shown(digests) => {
                    if !known.are_like(&digests) {
                        return Said::Another;
                    }
                }
                _ if said == Said::Later => {}
                Head::Later => said = Said::Later,
                Head::NotAsked if self.circumstances.names.heads_work => said = Said::NotAsked,
                Head::NotAsked | Head::Refused => said = Said::Nothing,
            }
        }
        said
    }

    /// Whether the only listed message has the Message-ID, Date and From of a record.
    pub(super) fn is_of_known_origin(&self) -> bool {
        let [at] = self.positions else {
            return false;
        };
        let Head::Shown(digests) = self.heads.get(*at) else {
            return false;
        };
        let mut heads = self.settled().filter_map(|known| known.record.head);
        heads.any(|head| digests.have_origin_of(head) == Some(true))
    }

    pub(super) fn are_all_shown(&self) -> bool {
        let mut heads = self.positions.iter().map(|at| self.heads.get(*at));
        heads.all(|head| matches!(head, Head::Shown(_)))
    }

    /// The entries whose heads are like that of no record.
    pub(super) fn unlike(&self) -> impl Iterator<Item = u32> {
        let known = KnownHeads::of(self.settled());
        let positions = self.positions.iter().copied();
        positions.filter(move |at| {
            matches!(self.heads.get(*at), Head::Shown(digests) if !known.are_like(&digests))
        })
    }

    /// Whether an equal head means an equal message: there is one, and the head identifies it.
    pub(super) fn head_is_proof(&self) -> bool {
        self.entries.len() == 1 && self.heads_have_origin()
    }

    /// Whether the heads that were shown identify their messages, by Message-ID and Date.
    pub(super) fn heads_have_origin(&self) -> bool {
        self.positions.iter().all(
            |at| matches!(self.heads.get(*at), Head::Shown(digests) if digests.parted.has_origin()),
        )
    }
}
