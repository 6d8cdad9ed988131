//! QUIT and its result.

use std::time::Duration;

use tokio::time::timeout;

use crate::fault;
use crate::mail::limits;
use crate::proto::pop3::{ClientEvent, Command, Kind};
use crate::session::judge::taken::QuitAnswer;
use crate::session::server::maildrop::deleting::delete_answered;
use crate::session::server::maildrop::{Blamed, Deleting, Happened, OpenMaildrop};
use crate::session::{During, SessionError};

/// The result of QUIT.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::session) struct Goodbye {
    /// The answer.
    pub(in crate::session) answer: QuitAnswer,
    /// Whether the DELEs were to go out in one flight with QUIT, and no octet of them was written.
    pub(in crate::session) deletes_unwritten: bool,
    /// The DELE at which the server ended the session.
    pub(in crate::session) ended_by: Option<Deleting>,
    /// How many commands about messages were answered, if the server ended the session at a DELE.
    pub(in crate::session) lost_after: Option<u32>,
    /// The command without a message at which the server ended the session.
    pub(in crate::session) ended_over: Option<Kind>,
    /// Whether replies may not match commands.
    pub(in crate::session) out_of_step: bool,
}

impl Goodbye {
    /// Whether the answer was positive.
    pub(in crate::session) fn is_yes(self) -> bool {
        self.answer == QuitAnswer::Yes
    }
}

impl OpenMaildrop {
    /// Sends QUIT in a session without deletes.
    pub(in crate::session) async fn quit(self) -> Goodbye {
        let mut happened = Vec::new();
        self.quit_within(limits::QUIT_SECONDS_MAX, &mut happened)
            .await
    }

    /// Sends QUIT, which commits the deletes, and waits at most this many seconds. No record waits
    /// for its answer, because the next complete listing shows the result. Earlier answers to
    /// deletes are added to `happened`.
    pub(in crate::session) async fn quit_within(
        mut self,
        seconds: u64,
        happened: &mut Vec<Happened>,
    ) -> Goodbye {
        let had_deletes = !self.deleting.is_empty();
        let leave = async {
            self.client.send(&Command::Quit)?;
            let mut deleting = std::mem::take(&mut self.deleting);
            let in_one_flight = !deleting.is_empty();
            let goodbye =
                self.hear_within(seconds, During::After(Kind::Quit), |event| match event {
                    ClientEvent::Ok {
                        command: Kind::Quit,
                        ..
                    } => Some(true),
                    ClientEvent::Err {
                        command: Kind::Quit,
                        ..
                    } => Some(false),
                    event => {
                        happened.extend(delete_answered(event, &mut deleting));
                        None
                    }
                });
            let point = if in_one_flight { "dele.sent" } else { "" };
            fault::begun(point, fault::begun("quit.sent", goodbye)).await
        };
        let answer = timeout(Duration::from_secs(seconds), leave).await;
        let lost = match &answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(&SessionError::TimedOut {
                seconds,
                during: During::After(Kind::Quit),
            }),
        };
        let deletes_unwritten = had_deletes && !self.has_written_deletes();
        // No command is to blame for what was never sent.
        let lost = lost.filter(|_| !deletes_unwritten);
        let ended_by = lost.and_then(|error| self.deletes_to_blame(error));
        let goodbye = Goodbye {
            deletes_unwritten,
            answer: match answer {
                Ok(Ok(true)) => QuitAnswer::Yes,
                Ok(Ok(false)) => QuitAnswer::No,
                Ok(Err(_)) | Err(_) => QuitAnswer::None,
            },
            ended_by,
            lost_after: lost
                .filter(|_| ended_by.is_some())
                .and_then(|error| self.lost_after(error)),
            ended_over: match lost.and_then(|error| self.to_blame(error)) {
                Some(Blamed::Command(command)) => Some(command),
                _ => None,
            },
            out_of_step: matches!(answer, Ok(Err(SessionError::Remote(_)))),
        };
        if answer.is_ok() {
            let _ = timeout(
                Duration::from_secs(limits::CLOSE_SECONDS_MAX),
                self.wire.close(),
            )
            .await;
        }
        goodbye
    }
}
