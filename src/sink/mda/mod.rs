//! Delivery by a program: a local MDA, or any script that acts as one.
//!
//! The program is run without a shell. Its standard input is a file with the complete message, its
//! environment contains only variables that we set, and its exit code is its answer. Each recipient
//! gets a separate process.

mod command;
mod exit;
mod file_user;
mod helper;
mod input;
mod plan;
mod settings;
mod user;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::mail::{Envelope, Origin};
use crate::process::{Cancellation, cancellation};
use crate::sink::worker::{Stage, Turn};
use crate::sink::{Begin, Fault, Offer, Outcome, Refusal, Sink};
use crate::spool::Message;
use crate::telemetry::WarningEvent;

pub use command::script_with_crlf;
pub(in crate::sink) use file_user::{AsFileUser, FileUser};
pub use helper::become_mda;
pub use settings::{MdaError, MdaSettings};
pub use user::find_user;

pub(in crate::sink) use command::Facts;
pub(in crate::sink) use exit::{meaning, with_output};
pub(in crate::sink) use plan::{MdaRunner, ProgramCodes};

/// A sink that runs a program for each recipient of a message.
pub struct Mda {
    plan: Arc<MdaRunner>,
    /// One thread for each program that may run at the same time.
    offered: Arc<Stage<Job>>,
}

/// A message that waits for a thread.
struct Job {
    origin: Origin,
    envelope: Envelope,
    trace: String,
    message: Message,
    cancellation: Cancellation,
    begin: Begin,
    answer: oneshot::Sender<Vec<Outcome>>,
}

impl Job {
    fn offer(&self) -> Offer<'_> {
        Offer {
            origin: &self.origin,
            envelope: &self.envelope,
            trace: &self.trace,
            message: &self.message,
        }
    }
}

impl Mda {
    /// Checks the settings. Looks up users, which may block.
    ///
    /// # Errors
    /// [`MdaError`] says which setting is wrong. Whether the program exists is checked later, by
    /// [`Sink::ready`].
    pub fn new(settings: MdaSettings) -> Result<Self, MdaError> {
        let parallel = settings.parallel;
        Ok(Self {
            plan: Arc::new(MdaRunner::new(settings, &CODES)?),
            offered: Stage::new(parallel),
        })
    }

    /// Warnings for the operator about settings that work, for example an MDA that runs as root.
    pub fn warnings(&self) -> Vec<WarningEvent<'_>> {
        self.plan.warnings()
    }
}

/// Runs the program for each recipient of each message. The next message waits until the process
/// has ended, even if the caller has dropped the offer.
fn work(plan: &MdaRunner, mut turn: Turn<Job>) {
    while let Some(jobs) = turn.next(1) {
        for job in jobs {
            // The caller would not learn that it was delivered.
            if job.answer.is_closed() || !job.begin.begin() {
                continue;
            }
            let outcomes = job.envelope.recipients.iter().map(|recipient| {
                let facts = Facts::new(&job.origin, &job.envelope, recipient);
                let deliver = || plan.deliver(job.offer(), &facts, &job.cancellation);
                // A panic in the delivery to one recipient must not undo the delivery to another.
                match catch_unwind(AssertUnwindSafe(deliver)) {
                    Ok(delivered) => delivered.unwrap_or_else(Outcome::Refused),
                    Err(_) => Outcome::Refused(broken(&"its thread panicked")),
                }
            });
            let outcomes = outcomes.collect();
            // A dropped offer has cancelled its process.
            let _ = job.answer.send(outcomes);
        }
    }
}

impl Sink for Mda {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        self.offer_in_turn(offer, Begin::default())
    }

    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            // Kept until the answer arrives: dropping this future cancels the process.
            let (_canceller, cancellation) = cancellation();
            let (answer, answered) = oneshot::channel();
            let job = Job {
                origin: offer.origin.clone(),
                envelope: offer.envelope.clone(),
                trace: offer.trace.to_owned(),
                message: offer.message.clone(),
                cancellation,
                begin,
                answer,
            };
            let plan = Arc::clone(&self.plan);
            self.offered.put(job, move |turn| work(&plan, turn));
            answered.await.unwrap_or_else(|_| {
                let refusal = broken(&"its thread stopped before it answered");
                vec![Outcome::Refused(refusal); offer.envelope.recipients.len()]
            })
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        let plan = self.plan.clone();
        Box::pin(async move {
            let found = spawn_blocking(move || plan.ready()).await;
            found.unwrap_or_else(|stopped| Err(broken(&stopped)))
        })
    }
}

/// The codes of an MDA that cannot run.
const CODES: ProgramCodes = ProgramCodes {
    program: "the MDA",
    missing: "mda_missing",
    start: "mda_start",
    full: "mda_full",
    file_size: "mda_file_size",
    disk: "mda_disk",
};

/// The refusal when this machine has no threads or file descriptors left.
fn broken(error: &dyn std::fmt::Display) -> Refusal {
    let words = format!("cannot start an MDA: {error}");
    Refusal::new(Fault::Destination, "mda_start", words)
}
