//! Waits for what the server says while nothing else is under way.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::mail::limits;
use crate::net::Read;
use crate::proto::pop3::{ClientEvent, Command, Kind, ResponseCode};
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::server::refusal::reason;
use crate::session::{During, SessionError};

/// The answer to one command while nothing else is under way.
pub(in crate::session) enum Reply {
    Ok,
    Refused {
        code: Option<ResponseCode>,
        words: String,
    },
    Challenge(Option<Vec<u8>>),
}

impl OpenMaildrop {
    /// Waits for the next event for which `interpret` returns a value.
    pub(in crate::session) async fn hear<T>(
        &mut self,
        during: During,
        interpret: impl FnMut(ClientEvent<'_>) -> Option<T>,
    ) -> Result<T, SessionError> {
        self.hear_within(limits::REPLY_SECONDS_MAX, during, interpret)
            .await
    }

    /// Waits for such an event, at most this many seconds.
    pub(super) async fn hear_within<T>(
        &mut self,
        seconds: u64,
        during: During,
        interpret: impl FnMut(ClientEvent<'_>) -> Option<T>,
    ) -> Result<T, SessionError> {
        let heard = self.hear_next(seconds, during, interpret).await;
        heard.map_err(|error| self.blaming_capa(error))
    }

    async fn hear_next<T>(
        &mut self,
        seconds: u64,
        during: During,
        mut interpret: impl FnMut(ClientEvent<'_>) -> Option<T>,
    ) -> Result<T, SessionError> {
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut in_a_row = 0;
        loop {
            if in_a_row > limits::READ_IN_A_ROW_OCTETS {
                in_a_row = 0;
                tokio::task::yield_now().await;
            }
            let mut input = self.wire.input();
            let before = input.len();
            let event = self.client.next(&mut input);
            let used = before - input.len();
            let heard = event.map(|event| event.map(&mut interpret));
            self.wire.consume(used);
            in_a_row += used;
            match heard? {
                Some(Some(something)) => return Ok(something),
                Some(None) => {}
                None => {
                    let until = if self.client.is_blank() {
                        until.min(self.heard + Duration::from_secs(limits::BLANK_LINE_SECONDS_MAX))
                    } else {
                        until
                    };
                    self.read_until(until, during).await?;
                }
            }
        }
    }

    /// Fails if there is input that belongs to no command: the server sent more than was requested.
    pub(in crate::session) fn check_in_step(&mut self) -> Result<(), SessionError> {
        if self.is_quiet() {
            return Ok(());
        }
        let mut input = self.wire.input();
        let before = input.len();
        let checked = self.client.next(&mut input).map(|_| ());
        let used = before - input.len();
        self.wire.consume(used);
        checked.map_err(|error| self.blaming_capa(error.into()))
    }

    async fn read_until(&mut self, until: Instant, during: During) -> Result<(), SessionError> {
        let seconds = limits::REPLY_SECONDS_MAX;
        match timeout_at(until, self.wire.exchange(self.client.output())).await {
            Ok(read) => self.not_at_end(read?, during),
            Err(_) => Err(SessionError::TimedOut { seconds, during }),
        }
    }

    pub(super) fn not_at_end(&mut self, read: Read, during: During) -> Result<(), SessionError> {
        self.heard = Instant::now();
        match read {
            Read::Some => Ok(()),
            Read::End => Err(SessionError::Lost { during }),
        }
    }

    /// Sends one command and waits for its status.
    pub(in crate::session) async fn ask(
        &mut self,
        command: &Command,
    ) -> Result<Reply, SessionError> {
        self.check_in_step()?;
        self.client.send(command)?;
        self.hear(waiting_for(command.kind()), |event| match event {
            ClientEvent::Ok { .. } => Some(Reply::Ok),
            ClientEvent::Err {
                code,
                text,
                command,
                ..
            } => Some(Reply::Refused {
                code,
                words: reason(&text, command),
            }),
            ClientEvent::Challenge(challenge) => Some(Reply::Challenge(challenge)),
            _ => None,
        })
        .await
    }
}

/// The stage in which the reply to a command is awaited.
const fn waiting_for(command: Kind) -> During {
    match command {
        Kind::Capa | Kind::Stls | Kind::User | Kind::Pass | Kind::Apop => During::After(command),
        Kind::Auth | Kind::AuthResponse | Kind::AuthAbort => During::In(Kind::Auth),
        Kind::Uidl | Kind::List => During::In(command),
        _ => During::BetweenMessages,
    }
}
