//! What a session that ended early owes its end to (DOUBT.md section 3).

use crate::proto::pop3::{Asked, Ending, Kind, RemoteError};
use crate::session::SessionError;
use crate::session::server::maildrop::Maildrop;

/// What a session that was lost owes its end to.
pub(in crate::session) enum Blamed {
    /// A message that was on its way, or next.
    Coming { at: usize },
    /// A message that had come or was refused before; nothing more is to be noted of it where it
    /// has a name.
    Settled { at: usize },
    /// A delete.
    Delete(Deleting),
    /// A command that no message is named in, and that a session can do without.
    Command(Kind),
}

/// A DELE that a session owes its end to.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Deleting {
    /// The number of its message.
    pub(in crate::session) number: u32,
    /// The DELE before it, when the line that ended the session may have been its second one.
    pub(in crate::session) before: Option<u32>,
}

impl Maildrop {
    /// An error that ends the session over CAPA says so. A challenge, or a line without an end, is
    /// none of CAPA's lines.
    pub(super) fn blaming_capa(&self, error: SessionError) -> SessionError {
        let asked = error
            .ending()
            .and_then(|ending| self.client.to_blame(ending));
        let is_capa = asked.is_some_and(|asked| asked.command == Kind::Capa);
        let is_of_the_next = matches!(
            error,
            SessionError::Remote(
                RemoteError::UnexpectedChallenge(_) | RemoteError::LineTooLong { .. }
            )
        );
        if is_capa && (!is_of_the_next || self.client.awaits(Kind::Capa)) {
            SessionError::Over(Kind::Capa, Box::new(error))
        } else {
            error
        }
    }

    /// Whether the messages of this session have unique-ids.
    fn names_messages(&self) -> bool {
        !self.listing.is_empty()
    }

    /// An error in the middle of the listing that the session owes to LIST says so, where
    /// unique-ids name the messages.
    pub(in crate::session) fn blaming_list(
        &self,
        error: SessionError,
        names_messages: bool,
    ) -> SessionError {
        let asked = error
            .ending()
            .and_then(|ending| self.client.to_blame(ending));
        match asked.map(|asked| asked.command) {
            Some(Kind::List) if names_messages && !self.left_out.list => {
                SessionError::Over(Kind::List, Box::new(error))
            }
            _ => error,
        }
    }

    /// The message that the session owes its end to when it is lost by this error (DOUBT.md section
    /// 3).
    pub(in crate::session) fn to_blame(&self, error: &SessionError) -> Option<Blamed> {
        let Asked { command, number } = self.client.to_blame(error.ending()?)?;
        let last = self.client.last_answered();
        let is_after_list = last.is_some_and(|last| last.command == Kind::List);
        match command {
            // Whether the line is LIST's last or this command's first cannot be told, and a session
            // can do without LIST.
            _ if error.is_broken() && is_after_list && self.names_messages() => {
                return Some(Blamed::Command(Kind::List));
            }
            Kind::Retr => {}
            Kind::Dele => return self.deletes_to_blame(error).map(Blamed::Delete),
            Kind::List if self.names_messages() => return Some(Blamed::Command(Kind::List)),
            Kind::Noop | Kind::UidlOne | Kind::ListOne => return Some(Blamed::Command(command)),
            _ => return None,
        }
        let coming = self.coming.front().filter(|one| one.number == number);
        let last = self.last.filter(|one| one.number == number);
        let coming = coming.map(|one| Blamed::Coming { at: one.at });
        coming.or(last.map(|one| Blamed::Settled { at: one.at }))
    }

    /// The same, for deletes.
    pub(super) fn deletes_to_blame(&self, error: &SessionError) -> Option<Deleting> {
        let asked = self.client.to_blame(error.ending()?)?;
        let is_line = self.is_pipelining()
            && matches!(
                error,
                SessionError::Remote(RemoteError::NotAStatus(_) | RemoteError::EmptyLine)
            );
        let before = self.client.last_answered().filter(|_| is_line);
        let before = before.filter(|last| last.command == Kind::Dele && *last != asked);
        (asked.command == Kind::Dele).then_some(Deleting {
            number: asked.number,
            before: before.map(|last| last.number),
        })
    }

    /// Whether a session that is lost by this error was out of step: nothing that was asked for
    /// after another command is surely the answer to what it seems to answer.
    pub(in crate::session) fn is_out_of_step(&self, error: &SessionError) -> bool {
        match error.ending() {
            Some(Ending::Broken) => true,
            Some(Ending::Closed | Ending::Silent) => self.inside().is_some(),
            None => false,
        }
    }
}
