//! What may be asked, and what is the answer?
//!
//! Everything that a person can ask is a [`Request`], and every answer a row of [`Response`]s:
//! plain values that the command line renders as text, and that a socket can carry as they are. An
//! [`Operator`] turns one into the other. It opens the state directory once, when the first request
//! needs it.
//!
//! A person may do what no session may: make records that no delivery earned (import, mark), and
//! forget records. Those doors of the seen store are opened here only.

mod answer;
mod changes;
mod check;
mod check_files;
mod checked;
mod copies;
mod exit;
mod failure;
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
use crate::operator::house::{House, Rooms};
use crate::seen::{OperatorsWord, Seen};
use crate::telemetry::Reporter;

pub use answer::Answer;
pub use checked::{
    Checked, CheckedAccount, CheckedDelivery, CheckedKind, CheckedPassword, CheckedServer,
};
pub use copies::{QuarantineCopy, QuarantineResponse, RetryOutcome};
pub use exit::Exit;
pub use failure::Failure;
pub use polled::{PollCounts, PollFailure, PollReport, PollWaiting};
pub use request::{Copies, PollRequest, QuarantineRequest, Request, SeenRequest, Which};
pub use response::{Changes, RecordState, Response, SeenRecord, SeenResponse};
pub use setup::{Process, Setup};

/// The word of a person, which the seen store wants where no delivery earns a record. Whoever takes
/// it answers for what it is given with.
pub const fn operators_word() -> OperatorsWord {
    OperatorsWord::given()
}

/// Sets the level of the log.
type Levels = Arc<dyn Fn(LogLevel) + Send + Sync>;

/// Answers requests about one configuration and its state directory.
pub struct Operator {
    setup: Arc<Setup>,
    reporter: Reporter,
    levels: Levels,
    house: Mutex<House>,
}

impl Operator {
    /// An operator that has opened nothing yet. Events of what it does go to `reporter`, and
    /// `set_level` hears what level of the log a configuration asks for that was read again.
    pub fn new(
        setup: Setup,
        reporter: Reporter,
        set_level: impl Fn(LogLevel) + Send + Sync + 'static,
    ) -> Self {
        Self {
            setup: Arc::new(setup),
            reporter,
            levels: Arc::new(set_level),
            house: Mutex::default(),
        }
    }

    /// Answers one request: `answer` hears each response as soon as there is one.
    ///
    /// # Errors
    /// Why the request was not answered to its end. What was answered before that was done.
    pub async fn answer(&self, request: Request, answer: &Answer) -> Result<(), Failure> {
        match request {
            Request::Check => self.answer_check(answer).await,
            Request::Poll(request) => self.answer_poll(request, answer).await,
            Request::Seen(request) => self.answer_seen(request, answer).await,
            Request::Quarantine(request) => self.answer_quarantine(request, answer).await,
        }
    }

    /// A configuration with every setting and its default, to begin with.
    pub fn reference() -> String {
        config::reference()
    }

    /// Ends all work on the state directory: what was committed is on disk when this returns.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(self) -> Result<(), Failure> {
        let house = self.house.into_inner();
        house.unwrap_or_else(PoisonError::into_inner).close().await
    }

    /// The seen store, opened if it was not yet. May block.
    fn seen(&self) -> Result<Seen, Failure> {
        let mut house = self.house.lock().unwrap_or_else(PoisonError::into_inner);
        house.seen(&self.setup)
    }

    /// Everything in the state directory, opened if it was not yet. May block.
    fn rooms(&self) -> Result<Rooms, Failure> {
        let mut house = self.house.lock().unwrap_or_else(PoisonError::into_inner);
        house.rooms(&self.setup, &self.reporter)
    }
}
