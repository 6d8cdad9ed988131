//! Programs that see a message before any destination does: a spam filter, a virus scanner.
//!
//! A filter runs once for a message, with the message as received on its standard input and the
//! environment of an MDA. Exit code 0 lets the message pass, perhaps replaced by what the program
//! wrote to its standard output.

mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::fault;
use crate::mail::{Envelope, LineEnds, Origin, limits};
use crate::process::{Cancellation, Listen, cancellation};
use crate::sink::mda::{Facts, MdaError, MdaRunner, MdaSettings, ProgramCodes};
use crate::sink::render::Layout;
use crate::sink::worker::{Stage, Turn};
use crate::sink::{Begin, Fault, Offer, Refusal};
use crate::spool::Message;
use crate::telemetry::WarningEvent;

use verdict::{check, check_length, no_output, passed};

/// Sees a message before any destination does.
pub trait Filter: Send + Sync {
    /// Shows it the message, for all recipients together. Returns the message that goes on; `None`
    /// if the request was withdrawn before it began. Dropping the future is safe.
    ///
    /// # Errors
    /// A refusal keeps the message from all destinations.
    fn pass<'a>(
        &'a self,
        offer: Offer<'a>,
        begin: Begin,
    ) -> BoxFuture<'a, Option<Result<Message, Refusal>>>;

    /// Whether it could see a message, as far as that is known without one.
    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// A filter that is a program.
pub struct ProgramFilter {
    run: Arc<FilterRunner>,
    /// One thread for each program that may run at the same time.
    offered: Arc<Stage<FilterJob>>,
}

/// The values that are the same for each process of one filter.
struct FilterRunner {
    program: MdaRunner,
    replaces: bool,
}

/// A message that waits for a thread.
struct FilterJob {
    origin: Origin,
    envelope: Envelope,
    message: Message,
    cancellation: Cancellation,
    begin: Begin,
    answer: oneshot::Sender<Option<Result<Message, Refusal>>>,
}

impl ProgramFilter {
    /// Checks the settings. Line ends and fields on top are ignored: a filter sees the message with
    /// lines that end in LF, and without our fields. If `replaces` is true, its output is the
    /// message from then on. Looks up users, which may block.
    ///
    /// # Errors
    /// [`MdaError`] says which setting is wrong.
    pub fn new(settings: MdaSettings, replaces: bool) -> Result<Self, MdaError> {
        let parallel = settings.parallel;
        let program = MdaRunner::new(settings, &CODES)?;
        Ok(Self {
            run: Arc::new(FilterRunner { program, replaces }),
            offered: Stage::new(parallel),
        })
    }

    /// Warnings for the operator about settings that work.
    pub fn warnings(&self) -> Vec<WarningEvent<'_>> {
        self.run.program.warnings()
    }
}

impl Filter for ProgramFilter {
    fn pass<'a>(
        &'a self,
        offer: Offer<'a>,
        begin: Begin,
    ) -> BoxFuture<'a, Option<Result<Message, Refusal>>> {
        Box::pin(async move {
            // Kept until the answer arrives: dropping this future cancels the process.
            let (_canceller, cancellation) = cancellation();
            let (answer, answered) = oneshot::channel();
            let job = FilterJob {
                origin: offer.origin.clone(),
                envelope: offer.envelope.clone(),
                message: offer.message.clone(),
                cancellation,
                begin,
                answer,
            };
            let run = Arc::clone(&self.run);
            self.offered.put(job, move |turn| work(&run, turn));
            let stopped = |_| Some(Err(broken(&"its thread stopped before it answered")));
            answered.await.unwrap_or_else(stopped)
        })
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        let run = self.run.clone();
        Box::pin(async move {
            let found = spawn_blocking(move || run.program.ready()).await;
            found.unwrap_or_else(|stopped| Err(broken(&stopped)))
        })
    }
}

/// Runs the program for each message.
fn work(run: &FilterRunner, mut turn: Turn<FilterJob>) {
    while let Some(jobs) = turn.next(1) {
        for job in jobs {
            if job.answer.is_closed() {
                continue;
            }
            let answer = job.begin.begin().then(|| {
                let pass = || run.pass(&job);
                catch_unwind(AssertUnwindSafe(pass))
                    .unwrap_or_else(|_| Err(broken(&"its thread panicked")))
            });
            // A request that was dropped has cancelled its process.
            let _ = job.answer.send(answer);
        }
    }
}

impl FilterRunner {
    /// Shows the message to one process. Blocks until it has ended.
    fn pass(&self, job: &FilterJob) -> Result<Message, Refusal> {
        let Some(recipient) = job.envelope.recipients.first() else {
            return Ok(job.message.clone());
        };
        let facts = Facts::new(&job.origin, &job.envelope, recipient);
        let offer = Offer {
            origin: &job.origin,
            envelope: &job.envelope,
            trace: "",
            message: &job.message,
        };
        let layout = Layout {
            line_ends: LineEnds::Lf,
            ..Layout::default()
        };
        let octets_max = job
            .message
            .octets()
            .saturating_mul(2)
            .saturating_add(limits::FILTER_GROWTH_OCTETS_MAX);
        let spool = &self.program.settings().spool;
        let (mut output, mut listen) = (None, LISTEN);
        if self.replaces {
            let file = spool.scratch().map_err(|error| no_output(&error))?;
            output = Some(file.try_clone().map_err(|error| no_output(&error))?);
            listen = Listen::IntoFile {
                file,
                octets_max,
                errors: limits::MDA_OUTPUT_OCTETS_MAX,
            };
        }
        let (ended, _) = self
            .program
            .run(offer, &facts, &layout, listen, &job.cancellation)?;
        fault::pass("filter.exited");
        let codes = &self.program.settings().exit_codes;
        // If not all output was taken, the program may have ended because of that.
        if let Some(error) = ended.not_written {
            return Err(no_output(&error));
        }
        if let Some(output) = &output {
            check_length(output, octets_max)?;
        }
        let said = said(&ended.output, &ended.errors, &job.message);
        passed(ended.end, codes, &said)?;
        let Some(output) = output else {
            return Ok(job.message.clone());
        };
        let message = spool
            .message_in(output)
            .map_err(|error| no_output(&error))?;
        check(&message, &job.message)?;
        Ok(message)
    }
}

/// The codes of a filter that cannot run.
const CODES: ProgramCodes = ProgramCodes {
    program: "the filter",
    missing: "filter_missing",
    start: "filter_start",
    full: "filter_full",
    file_size: "filter_file_size",
    disk: "filter_disk",
};

/// The output of a filter that replaces nothing: its end may be the reason.
const LISTEN: Listen = Listen::Heads {
    output: SHORT_OCTETS + 1,
    errors: limits::MDA_OUTPUT_OCTETS_MAX,
};

/// Standard output up to this length may be shown: "stream: Eicar FOUND".
const SHORT_OCTETS: usize = 200;

/// The words of a filter: its standard error, and its standard output if that is short and does not
/// repeat the message, which belongs in no log.
fn said(output: &[u8], errors: &[u8], message: &Message) -> Vec<u8> {
    fn first_line(text: &[u8]) -> &[u8] {
        text.split(|octet| *octet == b'\n')
            .next()
            .map_or(text, <[u8]>::trim_ascii_end)
    }
    let repeats = match message.head(SHORT_OCTETS) {
        Ok(head) => first_line(&head).starts_with(first_line(output)),
        Err(_) => true,
    };
    let output = if output.len() > SHORT_OCTETS || repeats {
        &[]
    } else {
        output
    };
    [output, b"\n", errors].concat()
}

/// The refusal when this machine has no threads left.
fn broken(error: &dyn std::fmt::Display) -> Refusal {
    let words = format!("cannot start a filter: {error}");
    Refusal::new(Fault::Destination, "filter_start", words)
}
