//! Delivery by a program: a local MDA, or any script that wants to be one.
//!
//! The program is run without a shell. Its standard input is a file that holds the complete message, its environment
//! is ours to the last variable, its exit code is its answer. One process for each recipient.

mod command;
mod exit;
mod helper;
mod input;
mod plan;
mod process;
mod settings;
mod user;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::mail::{Envelope, Recipient};
use crate::sink::{Fault, Outcome, Refusal, Sink};
use crate::spool::Message;

pub use exit::ExitClass;
pub use helper::become_mda;
pub use settings::{MdaError, MdaSettings};

use command::Facts;
use plan::Plan;
use process::cancellation;

/// A sink that runs a program for each recipient of a message.
pub struct Mda {
    plan: Arc<Plan>,
    /// Fair: who asked first runs first.
    turns: Arc<Semaphore>,
}

impl Mda {
    /// Checks the settings. Looks up users, which may block.
    ///
    /// # Errors
    /// [`MdaError`] says which setting is wrong. Whether the program exists is asked later, by [`Sink::ready`].
    pub fn new(settings: MdaSettings) -> Result<Self, MdaError> {
        let parallel = settings.parallel.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            plan: Arc::new(Plan::new(settings)?),
            turns: Arc::new(Semaphore::new(parallel)),
        })
    }

    /// What works but deserves a word to the operator: an MDA that runs as root, for one.
    pub fn warnings(&self) -> Vec<String> {
        self.plan.warnings()
    }

    /// Runs the program for one recipient. The turn is given back when the process is gone, even if nobody waits for
    /// it any more.
    async fn deliver(
        &self,
        envelope: &Envelope,
        recipient: &Recipient,
        message: &Message,
        turn: Arc<OwnedSemaphorePermit>,
    ) -> Outcome {
        let (_canceller, cancellation) = match cancellation() {
            Ok(ends) => ends,
            Err(error) => return Outcome::Refused(broken(&error)),
        };
        let (plan, message) = (self.plan.clone(), message.clone());
        let facts = Facts::new(message.origin(), envelope, recipient);
        let sender = envelope.sender.clone();
        let delivered = spawn_blocking(move || {
            let _turn = turn;
            plan.deliver(&message, &sender, &facts, &cancellation)
        });
        match delivered.await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(refusal)) => Outcome::Refused(refusal),
            Err(stopped) => Outcome::Refused(broken(&stopped)),
        }
    }
}

impl Sink for Mda {
    fn offer<'a>(
        &'a self,
        envelope: &'a Envelope,
        message: &'a Message,
    ) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            // Never closed; if it were, an empty answer takes nothing.
            let Ok(turn) = self.turns.clone().acquire_owned().await else {
                return Vec::new();
            };
            let turn = Arc::new(turn);
            let mut outcomes = Vec::with_capacity(envelope.recipients.len());
            for recipient in &envelope.recipients {
                let outcome = self
                    .deliver(envelope, recipient, message, turn.clone())
                    .await;
                outcomes.push(outcome);
            }
            outcomes
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        let plan = self.plan.clone();
        Box::pin(async move {
            let found = spawn_blocking(move || plan.program().map(drop)).await;
            found.unwrap_or_else(|stopped| Err(broken(&stopped)))
        })
    }
}

/// The machine under us has no threads or descriptors left.
fn broken(error: &dyn std::fmt::Display) -> Refusal {
    let words = format!("cannot start an MDA: {error}");
    Refusal::new(Fault::Destination, "mda_start", words)
}
