//! Finds the command or message at which a session ended early.

use crate::proto::pop3::{Asked, Ending, Kind, RemoteError};
use crate::session::SessionError;
use crate::session::server::maildrop::OpenMaildrop;

/// The cause of a lost session.
pub(in crate::session) enum Blamed {
    /// A message that was under way, or next.
    Coming { at: usize },
    /// A message that had come or was refused before; nothing more is noted about it if it has a
    /// unique-id.
    Settled { at: usize },
    /// A delete.
    Delete(Deleting),
    /// A command without a message, which a session can do without.
    Command(Kind),
}

/// A DELE at which a session ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Deleting {
    /// The number of its message.
    pub(in crate::session) number: u32,
    /// The DELE before it, if the line that ended the session may have been the second line of its
    /// answer.
    pub(in crate::session) before: Option<u32>,
}

impl OpenMaildrop {
    /// Adds CAPA to an error that ended the session at CAPA. A challenge, or a line without an end,
    /// is not a line of CAPA.
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

    /// Adds LIST to an error that ended the session in the middle of LIST, if messages have
    /// unique-ids.
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

    /// How many commands about messages were answered, if the server ended the session without an
    /// invalid reply.
    pub(in crate::session) fn lost_after(&self, error: &SessionError) -> Option<u32> {
        let is_over = matches!(error.ending(), Some(Ending::Closed | Ending::Silent));
        is_over.then(|| self.client.answered_about_messages())
    }

    /// What ended the session, if it is lost by this error.
    pub(in crate::session) fn to_blame(&self, error: &SessionError) -> Option<Blamed> {
        let Asked { command, number } = self.client.to_blame(error.ending()?)?;
        let last = self.client.last_answered();
        let is_after_list = last.is_some_and(|last| last.command == Kind::List);
        match command {
            // The line may be LIST's last or this command's first, and a session can do without
            // LIST.
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

    /// The DELE that ended the session, if it is lost by this error.
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

    /// Whether a session that is lost by this error was out of step: then a reply after pipelined
    /// commands may belong to another command than it seems.
    pub(in crate::session) fn is_out_of_step(&self, error: &SessionError) -> bool {
        match error.ending() {
            Some(Ending::Broken) => true,
            Some(Ending::Closed | Ending::Silent) => self.inside().is_some(),
            None => false,
        }
    }
}
