//! Determines which command caused the end of a session.

use crate::mail::limits;
use crate::proto::pop3::{Kind, RemoteError};

/// A command that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The verb.
    pub command: Kind,
    /// The message number; 0 for none.
    pub number: u32,
}

/// A command that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    pub(super) number: u32,
    /// The size that LIST gave for the message that is retrieved.
    pub(super) listed: Option<u64>,
    /// Whether announced sizes must not be used to find its end.
    pub(super) are_estimates: bool,
    /// Whether dots at the beginning of its lines are content.
    pub(super) keeps_dots: bool,
}

impl Pending {
    pub(super) const fn asked(&self) -> Asked {
        Asked {
            command: self.kind,
            number: self.number,
        }
    }
}

/// How a session ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server sent an invalid reply.
    Broken,
    /// The connection ended.
    Closed,
    /// The server sent nothing for too long.
    Silent,
}

/// The state of the dialogue: the last reply, and the blank lines since.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    last: Option<Asked>,
    /// Whether the last reply was `-ERR`.
    refused: bool,
    blank_lines: u32,
    /// How many commands with a message number were answered.
    about_messages: u32,
}

impl Dialogue {
    /// A command is sent while none waits for a reply: earlier blank lines are not its reply.
    pub(super) fn begin(&mut self) {
        self.blank_lines = 0;
    }

    /// The status line for this command has arrived.
    pub(super) fn answered(&mut self, asked: Asked, refused: bool) {
        *self = Self {
            last: Some(asked),
            refused,
            blank_lines: 0,
            about_messages: self.about_messages + u32::from(asked.number > 0),
        };
    }

    /// How many commands with a message number were answered.
    pub(super) const fn about_messages(&self) -> u32 {
        self.about_messages
    }

    /// The command whose status line arrived last.
    pub(super) const fn last(&self) -> Option<Asked> {
        self.last
    }

    fn last_is(&self, command: Kind) -> bool {
        self.last.is_some_and(|last| last.command == command)
    }

    /// Counts a blank line that arrived while `pending` commands waited for their replies. With one
    /// or none it is skipped: the status line comes after it, or never. With more, it is unclear
    /// whether the next status line is for the first or the second command.
    pub(super) fn blank(&mut self, pending: usize) -> Result<(), RemoteError> {
        self.blank_lines += 1;
        if pending > 1 || self.blank_lines > limits::BLANK_LINES_MAX {
            return Err(RemoteError::EmptyLine);
        }
        Ok(())
    }

    /// Whether a blank line has arrived since the last status line.
    pub(super) const fn is_blank(&self) -> bool {
        self.blank_lines > 0
    }

    /// The command to blame when the session ends between two replies; `next` is the command whose
    /// reply was due.
    pub(super) fn to_blame(&self, ending: Ending, next: Option<Asked>) -> Option<Asked> {
        match (ending, next) {
            (Ending::Closed, _) if self.refused => self.last,
            // It is unclear whether the line is CAPA's last or the next command's first. CAPA is
            // blamed, because a session can work without it.
            (Ending::Broken, Some(_)) if self.last_is(Kind::Capa) => self.last,
            (_, Some(next)) => Some(next),
            (Ending::Broken, None) => self.last,
            // A server may close the connection when no command is sent for long.
            (Ending::Closed | Ending::Silent, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn retr(number: u32) -> Asked {
        Asked {
            command: Kind::Retr,
            number,
        }
    }

    fn after(refused: bool) -> Dialogue {
        let mut dialogue = Dialogue::default();
        dialogue.answered(retr(1), refused);
        dialogue
    }

    #[test]
    fn the_command_whose_reply_was_due_is_to_blame() {
        for ending in [Ending::Broken, Ending::Closed, Ending::Silent] {
            let blamed = after(false).to_blame(ending, Some(retr(2)));
            assert_eq!(blamed, Some(retr(2)), "{ending:?}");
        }
    }

    #[test]
    fn a_server_that_hangs_up_after_err_meant_the_command_it_refused() {
        let refused = after(true);
        assert_eq!(
            refused.to_blame(Ending::Closed, Some(retr(2))),
            Some(retr(1))
        );
        assert_eq!(refused.to_blame(Ending::Closed, None), Some(retr(1)));
        assert_eq!(
            refused.to_blame(Ending::Silent, Some(retr(2))),
            Some(retr(2))
        );
        assert_eq!(
            refused.to_blame(Ending::Broken, Some(retr(2))),
            Some(retr(2))
        );
    }

    #[test]
    fn extra_lines_belong_to_the_last_command_and_an_idle_hang_up_to_none() {
        assert_eq!(after(false).to_blame(Ending::Broken, None), Some(retr(1)));
        assert_eq!(after(false).to_blame(Ending::Closed, None), None);
        assert_eq!(Dialogue::default().to_blame(Ending::Broken, None), None);
    }

    #[test]
    fn extra_lines_after_capa_belong_to_capa_even_if_the_next_command_is_under_way() {
        let capa = Asked {
            command: Kind::Capa,
            number: 0,
        };
        let mut dialogue = Dialogue::default();
        dialogue.answered(capa, false);
        let user = Asked {
            command: Kind::User,
            number: 0,
        };
        assert_eq!(dialogue.to_blame(Ending::Broken, Some(user)), Some(capa));
        assert_eq!(dialogue.to_blame(Ending::Closed, Some(user)), Some(user));
    }

    #[test]
    fn a_blank_line_is_skipped_unless_it_may_be_the_reply_to_one_of_several() {
        let mut dialogue = Dialogue::default();
        for _ in 0..limits::BLANK_LINES_MAX {
            assert_eq!(dialogue.blank(1), Ok(()));
        }
        assert_eq!(dialogue.blank(1), Err(RemoteError::EmptyLine));
        assert_eq!(Dialogue::default().blank(2), Err(RemoteError::EmptyLine));
    }
}
