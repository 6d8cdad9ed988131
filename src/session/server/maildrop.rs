//! One maildrop in one session: operations over the protocol machine and the connection.
//!
//! Message numbers exist only here. A delete needs a [`Recorded`], and its number is looked up in
//! this session's listing.

mod blame;
mod coming;
mod deleting;
mod goodbye;
mod hearing;
mod proving;
mod tls;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::fault;
use crate::mail::{AccountName, Listing, UniqueId, limits};
use crate::net::Wire;
use crate::proto::pop3::{Client, ClientEvent, Kind};
use crate::seen::LastCapa;
use crate::session::server::left_out::LeftOut;
use crate::session::server::maildrop::coming::{Coming, Last};
use crate::session::server::maildrop::deleting::delete_answered;
use crate::session::server::maildrop::proving::Proving;
use crate::session::server::refusal::reason;
use crate::session::{During, SessionError};

pub(in crate::session) use blame::{Blamed, Deleting};
pub(in crate::session) use coming::Came;
pub(in crate::session) use goodbye::Goodbye;
pub(in crate::session) use hearing::Reply;

/// An open session with one server.
pub(in crate::session) struct OpenMaildrop {
    account: AccountName,
    wire: Wire,
    pub(in crate::session) client: Client,
    /// The announced capabilities, if they are worth remembering.
    pub(in crate::session) last_capa: Option<LastCapa>,
    pub(in crate::session) left_out: LeftOut,
    /// Whether PIPELINING is wanted.
    wants_pipelining: bool,
    /// Retrievals under way, in the order of their replies.
    coming: VecDeque<Coming>,
    coming_octets: u64,
    /// The message that came or was refused last.
    last: Option<Last>,
    /// Deletes that are not sent yet, because other answers must come first.
    backlog: VecDeque<(u32, UniqueId)>,
    /// Deletes sent, in the order of their replies.
    deleting: VecDeque<UniqueId>,
    /// The octet of the output, counted from the beginning of the connection, at which the first
    /// DELE begins.
    deletes_begin: Option<u64>,
    /// Whether sizes do not show where a message ends.
    pub(in crate::session) sizes_are_estimates: bool,
    /// The listing with the message numbers of this session.
    listing: Arc<Listing>,
    /// Numbers of listed messages whose delete was requested, by position.
    asked: Vec<bool>,
    /// The numbers of messages without unique-id, by the identity they were given; a number is
    /// removed when its delete is requested.
    identified: HashMap<UniqueId, VecDeque<u32>>,
    /// The numbers of those whose delete was requested.
    gone: Vec<u32>,
    proving: Proving,
    heard: Instant,
}

/// What the server did.
pub(in crate::session) enum Happened {
    /// A message arrived to its final dot.
    Retrieved(Box<Came>),
    /// The server refused to send this one.
    RetrieveRefused { at: usize, words: String },
    /// The body exceeded the limit; the connection cannot be used any more.
    TooLarge { at: usize, octets: u64 },
    /// A message is marked as deleted.
    Deleted,
    /// The server refused to delete it.
    DeleteRefused { unique_id: UniqueId, words: String },
    /// It answered NOOP, or the command that replaces NOOP.
    Alive,
    /// It gave an answer that belongs to the last command only.
    Proven,
    /// It refused that command.
    NotProven,
}

impl OpenMaildrop {
    /// Takes a fresh connection.
    pub(in crate::session) fn new(
        account: &AccountName,
        wire: Wire,
        wants_pipelining: bool,
    ) -> Self {
        Self {
            account: account.clone(),
            wire,
            client: Client::new(),
            last_capa: None,
            left_out: LeftOut::default(),
            wants_pipelining,
            coming: VecDeque::new(),
            coming_octets: 0,
            last: None,
            backlog: VecDeque::new(),
            deleting: VecDeque::new(),
            deletes_begin: None,
            sizes_are_estimates: false,
            listing: Arc::default(),
            asked: Vec::new(),
            identified: HashMap::new(),
            gone: Vec::new(),
            proving: Proving::default(),
            heard: Instant::now(),
        }
    }

    /// Waits a moment for anything that the server sends without a command.
    pub(in crate::session) async fn listen_for_a_moment(&mut self) {
        if self.is_quiet() {
            let moment = Duration::from_millis(limits::UNASKED_MILLISECONDS);
            let _ = timeout_at(
                Instant::now() + moment,
                self.wire.exchange(self.client.output()),
            )
            .await;
        }
    }

    /// Whether all input has been used: the server has sent nothing without a command.
    pub(in crate::session) fn is_quiet(&self) -> bool {
        self.wire.input().is_empty()
    }

    /// Seconds between logins, as the server announces them.
    pub(in crate::session) fn login_delay_seconds(&self) -> Option<u64> {
        self.client.capabilities().login_delay_seconds
    }

    /// Whether the server may hide retrieved messages after QUIT.
    pub(in crate::session) fn hides_retrieved(&self) -> bool {
        self.client.capabilities().hides_retrieved()
    }

    /// Whether commands may be sent before the last one is answered.
    pub(in crate::session) fn is_pipelining(&self) -> bool {
        self.wants_pipelining && self.client.capabilities().pipelining
    }

    /// Notes which numbers belong to which unique-id in this session.
    pub(in crate::session) fn number(&mut self, listing: Arc<Listing>) {
        self.asked = vec![false; listing.len()];
        self.proving
            .begin(Arc::clone(&listing), true, self.left_out);
        self.listing = listing;
    }

    /// Notes the messages of a server without unique-ids.
    pub(in crate::session) fn count(&mut self, listing: Arc<Listing>) {
        self.proving.begin(listing, false, self.left_out);
    }

    /// Notes the identity of a message on a server without unique-ids.
    pub(in crate::session) fn identify(&mut self, number: u32, unique_id: &UniqueId) {
        self.identified
            .entry(unique_id.clone())
            .or_default()
            .push_back(number);
    }

    /// Sends NOOP, so that the server does not hang up while sinks work (RFC 1939 section 3).
    pub(in crate::session) fn keep_alive(&mut self) -> Result<(), SessionError> {
        Ok(self.client.send(&self.left_out.harmless())?)
    }

    /// Whether any command to the server is under way.
    pub(in crate::session) fn is_busy(&self) -> bool {
        self.client.pending() > 0 || !self.backlog.is_empty()
    }

    /// Whether a retrieval is under way.
    pub(in crate::session) fn is_retrieving(&self) -> bool {
        !self.coming.is_empty()
    }

    /// The message whose body has begun and not ended.
    pub(in crate::session) fn inside(&self) -> Option<usize> {
        self.coming
            .front()
            .filter(|coming| coming.begun)
            .map(|coming| coming.at)
    }

    /// The numbers of messages without unique-id whose delete was requested.
    pub(in crate::session) fn gone(&self) -> &[u32] {
        &self.gone
    }

    /// Waits until the server sends something. Dropping this future loses nothing.
    pub(in crate::session) async fn wait(&mut self) -> Result<(), SessionError> {
        let during = if self.inside().is_some() {
            During::Message
        } else {
            During::BetweenMessages
        };
        if !self.is_busy() {
            let read = self.wire.exchange(self.client.output()).await?;
            return self.not_at_end(read, during);
        }
        let seconds = if self.client.is_blank() {
            limits::BLANK_LINE_SECONDS_MAX
        } else if self.inside().is_some() {
            limits::STALL_SECONDS_MAX
        } else {
            limits::REPLY_SECONDS_MAX
        };
        let until = self.heard + Duration::from_secs(seconds);
        let deleting = if self.deleting.is_empty() {
            ""
        } else {
            "dele.sent"
        };
        let exchange = fault::begun(deleting, self.wire.exchange(self.client.output()));
        match timeout_at(until, exchange).await {
            Ok(read) => self.not_at_end(read?, during),
            Err(_) => Err(SessionError::TimedOut { seconds, during }),
        }
    }

    /// Processes the input.
    pub(in crate::session) async fn take(
        &mut self,
        happened: &mut Vec<Happened>,
    ) -> Result<(), SessionError> {
        let whole = self.wire.input();
        let mut input = whole;
        let mut result = Ok(());
        loop {
            match self.client.next(&mut input) {
                Ok(Some(ClientEvent::Body { octets, .. })) => {
                    if let Some(coming) = self.coming.front_mut() {
                        coming.begun = true;
                        if let Err(error) = coming.draft.write(octets).await {
                            result = Err(error.into());
                            break;
                        }
                        if coming.draft.octets() > coming.octets_max {
                            happened.push(Happened::TooLarge {
                                at: coming.at,
                                octets: coming.draft.octets(),
                            });
                            break;
                        }
                    }
                }
                Ok(Some(ClientEvent::BodyEnd {
                    said,
                    dots,
                    lone_dots,
                    ..
                })) => {
                    if let Some(coming) = self.coming.pop_front() {
                        self.last = Some(coming.as_last());
                        self.coming_octets -= coming.expected;
                        happened.push(coming.into_retrieved(said, dots, lone_dots));
                    }
                }
                Ok(Some(ClientEvent::Ok {
                    command: Kind::Retr,
                    ..
                })) => {
                    if let Some(coming) = self.coming.front_mut() {
                        coming.begun = true;
                    }
                }
                Ok(Some(event)) => match self.proving.hear(&event) {
                    Ok(Some(proof)) => happened.push(proof.into()),
                    Ok(None) => happened.extend(answered(
                        event,
                        &mut self.coming,
                        &mut self.coming_octets,
                        &mut self.last,
                        &mut self.deleting,
                    )),
                    Err(error) => {
                        result = Err(error.into());
                        break;
                    }
                },
                Ok(None) => break,
                Err(error) => {
                    result = Err(error.into());
                    break;
                }
            }
        }
        let used = whole.len() - input.len();
        self.wire.consume(used);
        result
    }
}

/// The meaning of a status reply in the middle of a session.
fn answered(
    event: ClientEvent<'_>,
    coming: &mut VecDeque<Coming>,
    coming_octets: &mut u64,
    last: &mut Option<Last>,
    deleting: &mut VecDeque<UniqueId>,
) -> Option<Happened> {
    match event {
        ClientEvent::Err {
            command: Kind::Retr,
            text,
            ..
        } => {
            let refused = coming.pop_front()?;
            *last = Some(refused.as_last());
            *coming_octets -= refused.expected;
            Some(Happened::RetrieveRefused {
                at: refused.at,
                words: reason(&text, Kind::Retr),
            })
        }
        ClientEvent::Ok {
            command: Kind::Noop,
            ..
        }
        | ClientEvent::Err {
            command: Kind::Noop,
            ..
        } => Some(Happened::Alive),
        event => delete_answered(event, deleting),
    }
}
