//! The status lines: the greeting, and the first line of each reply.

use std::borrow::Cow;

use crate::mail::text::Shown;
use crate::mail::{Announced, limits};
use crate::proto::dot::{LineEnd, Unstuff};
use crate::proto::pop3::asked::Pending;
use crate::proto::pop3::client::{Client, Expect};
use crate::proto::pop3::reply::{self, Status};
use crate::proto::pop3::state::{self, ClientState};
use crate::proto::pop3::{Capabilities, ClientEvent, Kind, RemoteError};
use crate::proto::sasl;

impl Client {
    pub(super) fn greeting<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<ClientEvent<'i>>, RemoteError> {
        let line = loop {
            let line = self
                .lines
                .next(input, LineEnd::Lf, limits::STATUS_LINE_OCTETS_MAX);
            match line.map_err(|_| RemoteError::status_line())? {
                None => return Ok(None),
                Some((line, _)) if line.is_empty() => self.dialogue.blank(0)?,
                Some((line, _)) => break line,
            }
        };
        self.expect = Expect::Status;
        match reply::status(&line) {
            Some(Status::Ok { text }) => {
                self.state = ClientState::Authorization;
                let timestamp = reply::timestamp(text).map(str::to_owned);
                let text = self.shown(text);
                Ok(Some(ClientEvent::Greeting { text, timestamp }))
            }
            Some(Status::Err { code, text }) => {
                self.state = ClientState::Closed;
                let text = self.shown(text);
                Ok(Some(ClientEvent::Rejected { code, text }))
            }
            _ => Err(RemoteError::NotAStatus(
                Shown::new(&self.shown(&line)).to_string(),
            )),
        }
    }

    pub(super) fn status<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<ClientEvent<'i>>, RemoteError> {
        let Some(pending) = self.pending.front().copied() else {
            return self.unasked(input).map(|()| None);
        };
        if input.is_empty() {
            return Ok(None);
        }
        let Pending { kind, number, .. } = pending;
        let in_auth = matches!(kind, Kind::Auth | Kind::AuthResponse | Kind::AuthAbort);
        let octets_max = if in_auth {
            limits::CHALLENGE_OCTETS_MAX
        } else {
            limits::STATUS_LINE_OCTETS_MAX
        };
        let (line, with_cr) = loop {
            let line = self.lines.next(input, LineEnd::Lf, octets_max);
            match line.map_err(|_| RemoteError::LineTooLong { octets_max })? {
                None => return Ok(None),
                Some((line, _)) if line.is_empty() => self.dialogue.blank(self.pending.len())?,
                Some(line) => break line,
            }
        };
        let event = match reply::status(&line) {
            Some(Status::Ok { text }) => {
                let said = reply::announced(text);
                let end = if with_cr { LineEnd::CrLf } else { LineEnd::Lf };
                let text = if kind.answers_in_its_text() {
                    text
                } else {
                    b""
                };
                self.accepted(pending, (end, said), text)
            }
            Some(Status::Err { code, text }) => {
                let text = self.shown(text);
                self.go_on(kind, false);
                ClientEvent::Err {
                    command: kind,
                    number,
                    code,
                    text,
                }
            }
            Some(Status::Continue { challenge })
                if matches!(kind, Kind::Auth | Kind::AuthResponse) =>
            {
                self.state = ClientState::Authenticating;
                ClientEvent::Challenge(sasl::decode(challenge))
            }
            Some(Status::Continue { .. }) => {
                return Err(RemoteError::UnexpectedChallenge(
                    Shown::new(&self.shown(&line)).to_string(),
                ));
            }
            None => {
                return Err(RemoteError::NotAStatus(
                    Shown::new(&self.shown(&line)).to_string(),
                ));
            }
        };
        self.pending.pop_front();
        let refused = matches!(event, ClientEvent::Err { .. });
        self.dialogue.answered(pending.asked(), refused);
        Ok(Some(event))
    }

    /// Skips blank lines that arrive while no command waits. Any other data would be mistaken for
    /// the reply to the next command.
    fn unasked(&mut self, input: &mut &[u8]) -> Result<(), RemoteError> {
        while !input.is_empty() {
            match (self.lines.is_inside(), *input) {
                (_, [b'\n', ..]) | (false, [b'\r'] | [b'\r', b'\n', ..]) => {}
                _ => return Err(RemoteError::Unasked),
            }
            // A CR alone waits for its LF.
            if let Ok(Some(_)) = self.lines.next(input, LineEnd::Lf, 2) {
                self.dialogue.blank(0)?;
            }
        }
        Ok(())
    }

    /// Handles `+OK`; its line ended in `status` and announced `said` octets.
    fn accepted(
        &mut self,
        pending: Pending,
        (status, said): (LineEnd, Option<u64>),
        text: &[u8],
    ) -> ClientEvent<'static> {
        let Pending {
            kind,
            number,
            listed,
            are_estimates,
            keeps_dots,
        } = pending;
        self.go_on(kind, true);
        if kind.is_multi_line() {
            self.count = 0;
            self.octets = 0;
            self.gathering = Capabilities {
                announced: true,
                ..Capabilities::default()
            };
            let announced = if are_estimates {
                Announced::default()
            } else {
                Announced { listed, said }
            };
            self.expect = match kind {
                Kind::Retr => {
                    let unstuff = Unstuff::new(status, announced);
                    let unstuff = if keeps_dots {
                        unstuff.keeping_dots()
                    } else {
                        unstuff
                    };
                    Expect::Body(number, unstuff, said)
                }
                Kind::Top => Expect::Body(number, Unstuff::part(status), None),
                _ => Expect::Lines(kind, None),
            };
        }
        let shown = match text {
            [] => String::new(),
            text => Shown::new(&self.shown(text)).to_string(),
        };
        ClientEvent::Ok {
            command: kind,
            number,
            text: Cow::Owned(text.to_vec()),
            shown,
        }
    }

    /// Changes the state by the table. Of pipelined commands only QUIT changes the state.
    fn go_on(&mut self, kind: Kind, ok: bool) {
        let from = match (self.state, kind) {
            (ClientState::Leaving, Kind::Quit) => ClientState::Transaction,
            (ClientState::Leaving, _) => return,
            (state, _) => state,
        };
        if let Some((on_ok, on_err)) = state::replies(from, kind) {
            self.state = if ok { on_ok } else { on_err };
        }
        // A login may change the capabilities (RFC 2449 section 5), and a refused CAPA announces
        // none.
        let forgets = matches!(
            kind,
            Kind::Pass | Kind::Apop | Kind::Auth | Kind::AuthResponse | Kind::AuthAbort
        );
        if (ok && forgets) || (!ok && kind == Kind::Capa) {
            self.capabilities = Capabilities::default();
        }
    }
}
