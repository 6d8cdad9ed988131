//! The machine: converts commands to bytes, and bytes to events.

mod listing;
mod status;

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::mail::Secret;
use crate::proto::dot::{LineEnd, Piece, Unstuff};
use crate::proto::line::LineReader;
use crate::proto::pop3::asked::{Asked, Dialogue, Ending, Pending};
use crate::proto::pop3::state::{self, ClientState};
use crate::proto::pop3::{Capabilities, ClientEvent, Command, Kind, LocalError, RemoteError};

/// The client side of one session.
pub struct Client {
    state: ClientState,
    expect: Expect,
    lines: LineReader,
    output: Vec<u8>,
    pending: VecDeque<Pending>,
    /// Determines which command is to blame when the session ends here.
    dialogue: Dialogue,
    capabilities: Capabilities,
    gathering: Capabilities,
    count: usize,
    octets: u64,
    /// Secrets that no text of the server may show.
    secrets: Vec<Secret>,
}

/// The kind of reply that the next octet belongs to.
#[derive(Debug)]
enum Expect {
    Greeting,
    Status,
    /// Lines of a listing, and their line end once the first has ended.
    Lines(Kind, Option<LineEnd>),
    /// A message, and the octets that its status line announced.
    Body(u32, Unstuff, Option<u64>),
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A new connection: the greeting comes next.
    pub fn new() -> Self {
        Self {
            state: ClientState::Greeting,
            expect: Expect::Greeting,
            lines: LineReader::default(),
            output: Vec::new(),
            pending: VecDeque::new(),
            dialogue: Dialogue::default(),
            capabilities: Capabilities::default(),
            gathering: Capabilities::default(),
            count: 0,
            octets: 0,
            secrets: Vec::new(),
        }
    }

    /// Hides this secret in all further texts of the server: some servers repeat the text that they
    /// refuse.
    pub fn hide(&mut self, secret: Secret) {
        self.secrets.push(secret);
    }

    /// The state of the session.
    pub const fn state(&self) -> ClientState {
        self.state
    }

    /// The capabilities from the last CAPA; none before it, after STLS, or after a refused one.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Sets the capabilities in a session that does not send CAPA.
    pub fn assume(&mut self, capabilities: Capabilities) {
        self.capabilities = capabilities;
    }

    /// The number of commands whose reply has not been read completely.
    pub fn pending(&self) -> usize {
        self.pending.len()
            + usize::from(matches!(self.expect, Expect::Lines(..) | Expect::Body(..)))
    }

    /// The command to blame if the session ends now: the one whose reply was being read or was due
    /// next. If the server closes the connection after `-ERR`, it is the refused command. If the
    /// server sends more than was asked for, it is the last answered command.
    pub fn to_blame(&self, ending: Ending) -> Option<Asked> {
        let reading = match self.expect {
            Expect::Lines(..) | Expect::Body(..) => self.dialogue.last(),
            Expect::Greeting | Expect::Status => None,
        };
        reading.or_else(|| {
            self.dialogue
                .to_blame(ending, self.pending.front().map(Pending::asked))
        })
    }

    /// The command whose status line arrived last.
    pub fn last_answered(&self) -> Option<Asked> {
        self.dialogue.last()
    }

    /// How many commands with a message number were answered.
    pub fn answered_about_messages(&self) -> u32 {
        self.dialogue.about_messages()
    }

    /// Whether the reply to this command is due next.
    pub fn awaits(&self, command: Kind) -> bool {
        self.pending
            .front()
            .is_some_and(|pending| pending.kind == command)
    }

    /// Whether only blank lines arrived where a status line is due: one may have been the reply.
    pub fn is_blank(&self) -> bool {
        !self.pending.is_empty() && self.dialogue.is_blank()
    }

    /// The bytes to write. The caller removes the bytes that it has written.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether this command could be sent now.
    ///
    /// # Errors
    /// [`LocalError`] says why not.
    pub fn allows(&self, command: Kind) -> Result<(), LocalError> {
        if state::replies(self.state, command).is_none() {
            return Err(LocalError::NotNow {
                command,
                state: self.state,
            });
        }
        let idle = self.pending() == 0;
        // After a blank line it is unknown which command was answered, until the next status line
        // arrives.
        let in_step = !self.is_blank();
        // QUIT may be last in a pipeline; no command follows it (RFC 2449 section 6.6).
        let pipelined = self.capabilities.pipelining
            && (command.may_be_pipelined()
                || (command == Kind::Quit && self.state == ClientState::Transaction));
        if idle || (pipelined && in_step) {
            Ok(())
        } else {
            Err(LocalError::NotPipelined { command })
        }
    }

    /// Writes a command to the output.
    ///
    /// # Errors
    /// [`LocalError`] when the state, an outstanding reply or an argument forbids it; then nothing
    /// is written.
    pub fn send(&mut self, command: &Command) -> Result<(), LocalError> {
        let kind = command.kind();
        self.allows(kind)?;
        command.write(&mut self.output)?;
        if self.pending.is_empty() {
            self.dialogue.begin();
        }
        self.pending.push_back(Pending {
            kind,
            number: command.number().unwrap_or(0),
            listed: None,
            are_estimates: false,
            keeps_dots: false,
        });
        if kind == Kind::Quit {
            self.state = ClientState::Leaving;
        }
        Ok(())
    }

    /// Writes a RETR to the output. If the line ends do not show where the message ends, the octets
    /// from LIST and from `+OK` decide, unless the sizes of this server are estimates.
    ///
    /// # Errors
    /// Those of [`Client::send`].
    pub fn retrieve(
        &mut self,
        number: u32,
        listed: Option<u64>,
        are_estimates: bool,
    ) -> Result<(), LocalError> {
        self.send(&Command::Retr(number))?;
        if let Some(pending) = self.pending.back_mut() {
            pending.listed = listed;
            pending.are_estimates = are_estimates;
        }
        Ok(())
    }

    /// Takes dots at the beginning of a line of the message that was asked for last for content:
    /// the server does not stuff.
    pub fn keep_dots(&mut self) {
        if let Some(pending) = self.pending.back_mut() {
            pending.keeps_dots = true;
        }
    }

    /// TLS is established: capabilities announced without it are forgotten (RFC 2595 section 4).
    pub fn upgraded(&mut self) {
        if self.state == ClientState::Upgrading {
            self.state = ClientState::Authorization;
            self.capabilities = Capabilities::default();
        }
    }

    /// Takes the next event off the front of `input`; `None` when more input is needed.
    ///
    /// # Errors
    /// [`RemoteError`] when the server broke the protocol; then the connection is unusable.
    pub fn next<'i>(
        &mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<ClientEvent<'i>>, RemoteError> {
        if self.state == ClientState::Upgrading && !input.is_empty() {
            return Err(RemoteError::InjectedPlaintext);
        }
        match &mut self.expect {
            Expect::Greeting => self.greeting(input),
            Expect::Status => self.status(input),
            Expect::Lines(kind, _) => {
                let kind = *kind;
                self.listing_line(kind, input)
            }
            Expect::Body(number, unstuff, said) => {
                let number = *number;
                let event = match unstuff.next(input) {
                    None => return Ok(None),
                    Some(Piece::Content(octets)) => ClientEvent::Body { number, octets },
                    Some(Piece::Unclear) => return Err(RemoteError::UnclearEnd { number }),
                    Some(Piece::End) => {
                        let event = ClientEvent::BodyEnd {
                            number,
                            said: *said,
                            dots: unstuff.dots(),
                            lone_dots: unstuff.lone_dots(),
                        };
                        self.expect = Expect::Status;
                        event
                    }
                };
                Ok(Some(event))
            }
        }
    }

    /// Whether it is correct that the server closes the connection now. It is correct only after
    /// the reply to QUIT, or after a greeting of `-ERR`.
    pub fn is_end_in_order(&self) -> bool {
        self.state == ClientState::Closed && self.pending() == 0 && !self.lines.is_inside()
    }

    /// A text of the server without the secrets. Its meaning was determined before, because a
    /// password may be any word of the protocol.
    fn shown(&self, text: &[u8]) -> Cow<'static, [u8]> {
        let text = Cow::Owned(text.to_vec());
        self.secrets
            .iter()
            .fold(text, |text, secret| secret.hidden_in(text))
    }

    /// Hides secrets in an invalid line, which is only ever shown.
    fn readable<'i>(&self, event: ClientEvent<'i>) -> ClientEvent<'i> {
        match event {
            ClientEvent::Malformed { command, line } => ClientEvent::Malformed {
                command,
                line: self.shown(&line),
            },
            event => event,
        }
    }
}
