//! The proof that replies and commands belong together.
//!
//! A body that seems to end too early leaves replies over, and the next command is then answered by
//! the reply to an earlier one. NOOP cannot show that, because any late `+OK` answers it. So the
//! session sends a command whose answer no other command has: for the unique-id of one message,
//! chosen at random so that no message can contain the answer.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::mail::{Listing, UniqueId};
use crate::proto::pop3::{ClientEvent, Command, Kind, RemoteError, Stated};
use crate::session::server::left_out::LeftOut;
use crate::session::server::maildrop::{Happened, OpenMaildrop};
use crate::session::{During, SessionError};

/// Which command is sent as a proof, and what is known about the answers.
#[derive(Debug, Default)]
pub(super) struct Proving {
    by: By,
    /// The listing.
    listing: Arc<Listing>,
    /// The positions of the messages whose unique-id or size was requested, in the order of the
    /// answers.
    asked: VecDeque<usize>,
    /// Whether NOOP was sent as a proof.
    by_noop: bool,
    /// Whether a message was requested since the last proof.
    is_wanted: bool,
}

/// The commands for a proof, the best first. The next one is sent after the server has refused this
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum By {
    /// UIDL of one message.
    UniqueId,
    /// LIST of one message.
    Size,
    /// STAT.
    #[default]
    Total,
    /// NOOP, if the server knows none of the others, or nothing is listed.
    Noop,
}

/// The meaning of the answer to a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The session is in step.
    Proven,
    /// Nothing: the server refuses the command, and another one is sent next.
    Refused,
}

impl From<Proof> for Happened {
    fn from(proof: Proof) -> Self {
        match proof {
            Proof::Proven => Self::Proven,
            Proof::Refused => Self::NotProven,
        }
    }
}

impl Proving {
    /// Begins with the best command that the listing allows.
    pub(super) fn begin(&mut self, listing: Arc<Listing>, has_unique_ids: bool, left: LeftOut) {
        self.by = match () {
            () if left.noop => By::Total,
            () if listing.is_empty() => By::Noop,
            () if has_unique_ids => By::UniqueId,
            () => By::Size,
        };
        self.listing = listing;
    }

    /// The next command to send.
    fn ask(&mut self, left: LeftOut) -> Command {
        self.is_wanted = false;
        if self.by == By::Size && (left.list || left.list_one) {
            self.by = By::Total;
        }
        if self.by == By::Total && left.stat {
            self.by = By::Noop;
        }
        let at = fastrand::usize(..self.listing.len().max(1));
        match (self.by, self.listing.get(at)) {
            (By::UniqueId, Some(entry)) => {
                self.asked.push_back(at);
                Command::UidlOne(entry.number)
            }
            (By::Size, Some(entry)) => {
                self.asked.push_back(at);
                Command::ListOne(entry.number)
            }
            (By::Noop, _) => {
                self.by_noop = true;
                Command::Noop
            }
            _ => Command::Stat,
        }
    }

    /// Processes an event; `None` if it is not an answer to a proof.
    ///
    /// # Errors
    /// It is the answer to another command.
    pub(super) fn hear(&mut self, event: &ClientEvent<'_>) -> Result<Option<Proof>, RemoteError> {
        match event {
            ClientEvent::Ok {
                command,
                text,
                shown,
                ..
            } if is_proof(*command) => {
                let is_right = self.is_right(*command, text);
                let another = || RemoteError::AnotherAnswer {
                    command: *command,
                    text: shown.clone(),
                };
                is_right.then_some(Some(Proof::Proven)).ok_or_else(another)
            }
            ClientEvent::Err { command, .. } if is_proof(*command) => {
                if *command != Kind::Stat {
                    self.asked.pop_front();
                }
                self.by = self.by.max(match command {
                    Kind::UidlOne => By::Size,
                    Kind::ListOne => By::Total,
                    _ => By::Noop,
                });
                Ok(Some(Proof::Refused))
            }
            ClientEvent::Ok {
                command: Kind::Noop,
                ..
            }
            | ClientEvent::Err {
                command: Kind::Noop,
                ..
            } if self.by_noop => {
                self.by_noop = false;
                Ok(Some(Proof::Proven))
            }
            _ => Ok(None),
        }
    }

    fn is_right(&mut self, command: Kind, text: &[u8]) -> bool {
        let answer = Stated::read(command, text);
        if command == Kind::Stat {
            let count = self.listing.complete.then_some(self.listing.len() as u64);
            return matches!(answer, Some(Stated::Total(messages, _))
                if count.is_none_or(|count| messages == count));
        }
        let at = self.asked.pop_front();
        let Some(entry) = at.and_then(|at| self.listing.get(at)) else {
            return false;
        };
        match answer {
            Some(Stated::UniqueId(number, name)) => {
                number == entry.number
                    && UniqueId::new(name).is_ok_and(|name| name == entry.unique_id())
            }
            Some(Stated::Size(number, octets)) => {
                number == entry.number && entry.octets.is_none_or(|listed| listed == octets)
            }
            _ => false,
        }
    }
}

fn is_proof(command: Kind) -> bool {
    matches!(command, Kind::UidlOne | Kind::ListOne | Kind::Stat)
}

impl OpenMaildrop {
    /// Sends a command whose answer no other command has.
    pub(in crate::session) fn prove(&mut self) -> Result<(), SessionError> {
        let command = self.proving.ask(self.left_out);
        Ok(self.client.send(&command)?)
    }

    /// Notes that a message was requested: only a proof after it shows that its reply was its own.
    pub(super) fn want_proof(&mut self) {
        self.proving.is_wanted = true;
    }

    /// Sends the proof in one flight with the last messages.
    pub(in crate::session) fn prove_in_flight(&mut self) -> Result<(), SessionError> {
        let may_follow = self.is_pipelining() && !self.client.is_blank() && !self.coming.is_empty();
        if self.proving.is_wanted && may_follow {
            self.prove()?;
        }
        Ok(())
    }

    /// Sends the proof between two commands, until the server has given one.
    ///
    /// # Errors
    /// The session is out of step, or lost.
    pub(in crate::session) async fn prove_in_step(&mut self) -> Result<(), SessionError> {
        let mut last = Kind::Noop;
        let proven = async {
            loop {
                self.check_in_step()?;
                let command = self.proving.ask(self.left_out);
                last = command.kind();
                self.client.send(&command)?;
                let mut proving = std::mem::take(&mut self.proving);
                let during = During::BetweenMessages;
                let heard = self
                    .hear(during, |event| proving.hear(&event).transpose())
                    .await;
                self.proving = proving;
                if heard?? == Proof::Proven {
                    return self.check_in_step();
                }
            }
        };
        let proven: Result<(), SessionError> = proven.await;
        proven.map_err(|error| match self.left_out.suspect() {
            // Nothing was retrieved yet, so no message can have sent this answer.
            _ if last == Kind::Stat && error.is_broken() => {
                SessionError::Over(last, Box::new(error))
            }
            Some(command) if error.ending().is_some() => {
                let command = if command == Kind::Noop { last } else { command };
                SessionError::Over(command, Box::new(error))
            }
            _ => error,
        })
    }
}
