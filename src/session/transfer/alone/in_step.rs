//! When a session proves that it is in step, and what follows.

use crate::mail::limits;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::transfer::Transfer;
use crate::session::transfer::alone::{Doubts, LastAsked};

impl Doubts {
    /// How many proofs are left to ask of a server that lists this many messages. Where no size
    /// shows the end of a message, the message may contain the answers to some: they are of
    /// messages chosen at random, and so many that no message contains all.
    fn proofs_left(&self, entries: usize) -> u32 {
        let bits = entries.checked_ilog2().unwrap_or(0);
        let wanted = match bits {
            1.. if self.is_unsized => limits::PROOF_BITS.div_ceil(bits),
            _ => 1,
        };
        wanted.saturating_sub(self.proofs)
    }
}

impl Transfer<'_> {
    /// Requests, before DELE and QUIT, the proof that the retrieved messages are the requested
    /// ones. False if that is known.
    pub(in crate::session) fn prove_in_step(&mut self) -> bool {
        let Some(maildrop) = self.maildrop.as_mut() else {
            return false;
        };
        if !self.doubts.is_unproven {
            return false;
        }
        let entries = self.orders.listing.len();
        let left = self.doubts.proofs_left(entries);
        let count = if maildrop.is_pipelining() { left } else { 1 };
        for _ in 0..count.max(1) {
            if let Err(error) = maildrop.prove() {
                self.lose(error);
                break;
            }
        }
        true
    }

    /// Handles the proof that the server sent no more than was requested: passes on the messages
    /// that waited for it.
    pub(in crate::session) async fn proven_in_step(&mut self) {
        self.doubts.proofs = self.doubts.proofs.saturating_add(1);
        self.doubts.is_unproven = self.doubts.proofs_left(self.orders.listing.len()) > 0;
        if self.doubts.asked != LastAsked::Proving {
            return self.prove_lock_step();
        }
        self.doubts.asked = LastAsked::Nothing;
        if self.doubts.unsettled().is_some() {
            return;
        }
        for held in std::mem::take(&mut self.doubts.held) {
            self.arrived(held.at, held.draft, held.weighed).await;
        }
        self.doubts.is_unproven = self.doubts.is_unsized;
        self.prove_lock_step();
    }

    /// Without pipelining, no left-over input can answer a later command.
    fn prove_lock_step(&mut self) {
        if self.doubts.is_unproven {
            return;
        }
        let is_lock_step = |maildrop: &OpenMaildrop| !maildrop.is_pipelining();
        if self.maildrop.as_ref().is_some_and(is_lock_step) {
            self.ledger.prove();
        }
    }

    /// Handles a refusal of the command for the proof: the next kind of command is sent.
    pub(in crate::session) fn not_proven(&mut self) {
        if self.doubts.asked == LastAsked::Proving {
            self.doubts.must_prove = true;
        }
    }

    /// Whether each message is awaited because the last session was odd.
    pub(super) fn is_wary_in_lock_step(&self) -> bool {
        let maildrop = self.maildrop.as_ref();
        maildrop.is_some_and(|maildrop| !maildrop.is_pipelining() && maildrop.left_out.is_wary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::Sizes;

    #[test]
    fn without_sizes_the_fewer_messages_are_listed_the_more_proofs_are_asked() {
        let mut doubts = Doubts::new(&Sizes::default());
        assert_eq!(
            doubts.proofs_left(2),
            1,
            "a size shows where a message ends"
        );
        doubts.is_unsized = true;
        let left = [0, 1, 2, 3, 4, 1_000_000].map(|entries| doubts.proofs_left(entries));
        assert_eq!(
            left,
            [1, 1, 20, 20, 10, 2],
            "nothing comes after a single message"
        );
        doubts.proofs = 19;
        assert_eq!((doubts.proofs_left(2), doubts.proofs_left(4)), (1, 0));
    }
}
