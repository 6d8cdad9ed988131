//! What may be asked, and what is the answer?
//!
//! Everything that a person can ask is a [`Request`], and every answer is a sequence of
//! [`Response`]s: plain values that the command line renders as text, and that a socket can
//! transfer unchanged. An [`Operator`] turns requests into responses. It opens the state directory
//! once, when the first request needs it. [`Operator::run`] alone is no request; it says why.
//!
//! A person may do two things that no session may: create records that no delivery earned (import,
//! mark), and forget records. Only this room calls these functions of the seen store.

mod answer;
mod changes;
mod check;
mod check_files;
mod check_maildirs;
mod check_message;
mod checked;
mod checked_message;
mod copies;
mod dry_run;
mod exit;
mod failure;
mod foreseen;
mod house;
mod names;
mod poll;
mod polled;
mod quarantine;
mod reload;
mod request;
mod response;
mod run;
mod seen;
mod setup;
mod words;

use std::sync::{Arc, Mutex, PoisonError};

use crate::config;
use crate::mail::LogLevel;
use crate::operator::house::{House, OwnSinks, Rooms};
use crate::seen::{OperatorsWord, Seen};
use crate::sink::Sink;
use crate::telemetry::Reporter;

pub use answer::Answer;
pub use checked::{
    Checked, CheckedAccount, CheckedDelivery, CheckedDestination, CheckedEnvelope, CheckedFilter,
    CheckedKind, CheckedPassword, CheckedServer,
};
pub use checked_message::{CheckedMessage, MessageFate};
pub use copies::{QuarantineCopy, QuarantineResponse, RetryOutcome};
pub use dry_run::{DryRun, DryRunCounts, DryRunFate, DryRunMessage};
pub use exit::Exit;
pub use failure::Failure;
pub use polled::{PollCounts, PollFailure, PollReport, PollWaiting};
pub use request::{Copies, PollRequest, QuarantineRequest, Request, SeenRequest, Which};
pub use response::{Changes, RecordState, Response, SeenRecord, SeenResponse};
pub use setup::{Process, Setup};

/// The operator's confirmation, which the seen store requires for records that no delivery earned.
/// The code that takes it is responsible for its use.
pub const fn operators_word() -> OperatorsWord {
    OperatorsWord::given()
}

/// The function that sets the level of the log.
type Levels = Arc<dyn Fn(LogLevel) + Send + Sync>;

/// Answers requests about one configuration and its state directory.
pub struct Operator {
    setup: Arc<Setup>,
    reporter: Reporter,
    levels: Levels,
    sinks: OwnSinks,
    house: Mutex<House>,
}

impl Operator {
    /// Creates an operator that has opened nothing yet. Events go to `reporter`. `set_level` is
    /// called with the level of a configuration that was read again.
    pub fn new(
        setup: Setup,
        reporter: Reporter,
        set_level: impl Fn(LogLevel) + Send + Sync + 'static,
    ) -> Self {
        Self {
            setup: Arc::new(setup),
            reporter,
            levels: Arc::new(set_level),
            sinks: OwnSinks::new(),
            house: Mutex::default(),
        }
    }

    /// The same with a destination of the calling program, for the delivery of this name with
    /// `type = "own"`.
    #[must_use]
    pub fn with_sink(mut self, delivery: &str, sink: Arc<dyn Sink>) -> Self {
        self.sinks.insert(delivery.to_owned(), sink);
        self
    }

    /// Answers one request; `answer` receives each response as soon as it exists.
    ///
    /// # Errors
    /// Why the request was not answered to its end. Everything answered before that was done.
    pub async fn answer(&self, request: Request, answer: &Answer) -> Result<(), Failure> {
        match request {
            Request::Reference => answer.say(Self::reference()).await,
            Request::Check => self.answer_check(answer).await,
            Request::CheckMessage {
                account,
                head,
                octets,
            } => {
                let message = (&head[..], octets);
                self.answer_check_message(&account, message, answer).await
            }
            Request::Poll(request) => self.answer_poll(request, answer).await,
            Request::Seen(request) => self.answer_seen(request, answer).await,
            Request::Quarantine(request) => self.answer_quarantine(request, answer).await,
        }
    }

    /// Takes SIGHUP and SIGUSR1 for requests to an agent that is still starting, not for its end.
    ///
    /// # Errors
    /// The system's error.
    pub fn heed_signals() -> std::io::Result<()> {
        crate::agent::note_early_signals()
    }

    /// The response to [`Request::Reference`], for a caller that has no configuration yet.
    pub fn reference() -> Response {
        Response::Reference(config::reference())
    }

    /// Ends all work on the state directory. Everything committed is on disk when this returns.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn close(self) -> Result<(), Failure> {
        let house = self.house.into_inner();
        house.unwrap_or_else(PoisonError::into_inner).close().await
    }

    /// The seen store. It is opened if it was not yet. May block.
    fn seen(&self) -> Result<Seen, Failure> {
        let mut house = self.house.lock().unwrap_or_else(PoisonError::into_inner);
        house.seen(&self.setup)
    }

    /// Everything in the state directory. It is opened if it was not yet. May block.
    fn rooms(&self) -> Result<Rooms, Failure> {
        let mut house = self.house.lock().unwrap_or_else(PoisonError::into_inner);
        house.rooms(&self.setup, &self.reporter, &self.sinks)
    }
}
