//! When a session proves that it is in step, and what follows.

use crate::session::server::maildrop::Maildrop;
use crate::session::transfer::Transfer;
use crate::session::transfer::alone::LastAsked;

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
        if let Err(error) = maildrop.prove() {
            self.lose(error);
        }
        true
    }

    /// Handles the proof that the server sent no more than was requested: passes on the messages
    /// that waited for it.
    pub(in crate::session) async fn proven_in_step(&mut self) {
        self.doubts.is_unproven = false;
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
        self.doubts.is_unproven = false;
        self.prove_lock_step();
    }

    /// Without pipelining, no left-over input can answer a later command.
    fn prove_lock_step(&mut self) {
        let is_lock_step = |maildrop: &Maildrop| !maildrop.is_pipelining();
        if self.maildrop.as_ref().is_some_and(is_lock_step) {
            self.doubts.prove();
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
