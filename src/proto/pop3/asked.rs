//! Which command a session owes its end to.

use crate::mail::limits;
use crate::proto::pop3::{Kind, RemoteError};

/// A command that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which command.
    pub command: Kind,
    /// Which message; 0 for none.
    pub number: u32,
}

/// A command that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    pub(super) number: u32,
    /// What LIST said of the message that is retrieved.
    pub(super) listed: Option<u64>,
    /// Whether sizes tell nothing of where it ends.
    pub(super) are_estimates: bool,
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
    /// The server said what makes no sense.
    Broken,
    /// The connection ended.
    Closed,
    /// The server said nothing for too long.
    Silent,
}

/// How the dialogue stands: the last reply, and the blank lines since.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    last: Option<Asked>,
    /// Whether that was `-ERR`.
    refused: bool,
    blank_lines: u32,
}

impl Dialogue {
    /// A command is sent while none waits: blank lines of before are not its reply.
    pub(super) fn begin(&mut self) {
        self.blank_lines = 0;
    }

    /// A status has come for this command.
    pub(super) fn answered(&mut self, asked: Asked, refused: bool) {
        *self = Self {
            last: Some(asked),
            refused,
            blank_lines: 0,
        };
    }

    /// The command whose status came last.
    pub(super) const fn last(&self) -> Option<Asked> {
        self.last
    }

    fn last_is(&self, command: Kind) -> bool {
        self.last.is_some_and(|last| last.command == command)
    }

    /// A blank line has come while so many commands waited for their replies. With one or none it
    /// is skipped: the status comes after it, or never. With more nobody can tell whether the next
    /// status is the first's or the second's.
    pub(super) fn blank(&mut self, pending: usize) -> Result<(), RemoteError> {
        self.blank_lines += 1;
        if pending > 1 || self.blank_lines > limits::BLANK_LINES_MAX {
            return Err(RemoteError::EmptyLine);
        }
        Ok(())
    }

    /// Whether a blank line has come since the last status.
    pub(super) const fn is_blank(&self) -> bool {
        self.blank_lines > 0
    }

    /// Who is to blame when the session ends between two replies; `next` is the command whose reply
    /// was due.
    pub(super) fn to_blame(&self, ending: Ending, next: Option<Asked>) -> Option<Asked> {
        match (ending, next) {
            (Ending::Closed, _) if self.refused => self.last,
            // Whether the line is CAPA's last or the next command's first cannot be told, and a
            // session can do without CAPA.
            (Ending::Broken, Some(_)) if self.last_is(Kind::Capa) => self.last,
            (_, Some(next)) => Some(next),
            (Ending::Broken, None) => self.last,
            // A server may hang up when nothing is asked of it for long.
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
    fn who_says_more_than_was_asked_answered_the_last_command_and_who_hangs_up_idle_none() {
        assert_eq!(after(false).to_blame(Ending::Broken, None), Some(retr(1)));
        assert_eq!(after(false).to_blame(Ending::Closed, None), None);
        assert_eq!(Dialogue::default().to_blame(Ending::Broken, None), None);
    }

    #[test]
    fn who_says_more_after_capa_answered_capa_even_when_the_next_command_is_under_way() {
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
