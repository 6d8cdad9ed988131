//! What does the person say, and how does the answer look?
//!
//! Standard output is data, standard error has logs and errors, and the exit code is from
//! sysexits.h.

mod args;
mod ask;
mod check;
mod check_message;
mod dry_run;
mod exit;
mod help;
mod poll;
mod progress;
mod quarantine;
mod seen;
mod start;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::mail::limits;
use crate::operator::{Operator, PollRequest, Request, Response, Setup};
use crate::telemetry::{Backlog, Reporter};

pub use crate::operator::{Exit, Process};
use exit::CommandFailure;

use args::{CliCommand, CommandLine};

/// Executes the command line. `arguments` begin with the name of the program.
pub fn main(arguments: impl IntoIterator<Item = OsString>, process: Process) -> ExitCode {
    let line = match CommandLine::try_parse_from(arguments) {
        Ok(line) => line,
        Err(answer) => {
            // Help and version are answers; anything else is an error. A failure to print it cannot
            // be reported.
            let _ = answer.print();
            let complaint = answer.use_stderr();
            return if complaint { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let exit = answer(line, process).unwrap_or_else(|failure| {
        let exit = failure.exit();
        if exit != Exit::Done {
            // The sentence comes after the lines of the log. If no program reads those, it does not
            // wait for a reader either.
            let mut backlog = Backlog::of_stderr().clone();
            let line = format!("{failure}\n");
            if backlog.finish(Duration::from_secs(limits::LOG_LAST_LINES_SECONDS_MAX)) {
                let _ = io::stderr().lock().write_all(line.as_bytes());
            } else {
                let _ = backlog.write_all(line.as_bytes());
            }
        }
        exit
    });
    Backlog::of_stderr().finish(Duration::from_secs(limits::LOG_LAST_LINES_SECONDS_MAX));
    exit.into()
}

fn answer(line: CommandLine, process: Process) -> Result<Exit, CommandFailure> {
    let CommandLine { global, command } = line;
    match command {
        CliCommand::GenerateReference => {
            // It is asked before there is a configuration, and so without an operator.
            let mut out = io::stdout().lock();
            render(&Operator::reference(), &mut out)?;
            out.flush()?;
            Ok(Exit::Done)
        }
        CliCommand::Check(check) => {
            // All output of `check` is its answer, so it has no log.
            let setup = Setup::read(global.config.as_deref(), process)?;
            let operator = Operator::new(setup, Reporter::log(), |_| ());
            let request = match (&check.message, check.account) {
                (Some(file), Some(account)) => check_message::request(file, account)?,
                _ => Request::Check,
            };
            print(operator, request)
        }
        CliCommand::Run(run) => {
            if !run.once {
                Operator::heed_signals()
                    .map_err(|error| CommandFailure::said(Exit::TempFail, error.to_string()))?;
            }
            let operator = start::operator(&global, process, Reporter::log())?;
            if !run.once {
                return ask::block_on(async { Ok(operator.run().await?) }).map(|()| Exit::Done);
            }
            let request = Request::Poll(PollRequest::Due);
            ask::with(operator, async |operator| {
                // Under cron, each line of output is sent as mail, so a run without errors prints
                // nothing.
                ask::ask(operator, request, |_| Ok(())).await
            })
        }
        CliCommand::Poll(poll) => {
            let operator = start::operator(&global, process, progress::reporter())?;
            let accounts = poll.accounts;
            let request = match poll.dry_run {
                true => PollRequest::DryRun { accounts },
                false => PollRequest::Now { accounts },
            };
            print(operator, Request::Poll(request))
        }
        CliCommand::Seen(command) => {
            let operator = start::operator(&global, process, Reporter::log())?;
            print(operator, Request::Seen(seen::request(command)?))
        }
        CliCommand::Quarantine(command) => {
            let operator = start::operator(&global, process, Reporter::log())?;
            let mut out = io::BufWriter::new(io::stdout().lock());
            let exit = ask::with(operator, async |operator| {
                quarantine::quarantine(operator, command, &mut out).await
            })?;
            out.flush()?;
            Ok(exit)
        }
    }
}

/// Sends one request, and writes each response to standard output.
fn print(operator: Operator, request: Request) -> Result<Exit, CommandFailure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let exit = ask::with(operator, async |operator| {
        ask::ask(operator, request, |response| {
            Ok(render(&response, &mut out)?)
        })
        .await
    })?;
    out.flush()?;
    Ok(exit)
}

/// Writes one response for people and scripts.
fn render(response: &Response, out: &mut dyn Write) -> io::Result<()> {
    match response {
        Response::Reference(text) => out.write_all(text.as_bytes()),
        Response::Checked(checked) => check::render(checked, out),
        Response::MessageChecked(checked) => check_message::render(checked, out),
        Response::Polled(report) => poll::render(report, out),
        Response::Foreseen(response) => dry_run::render(response, out),
        Response::Seen(response) => seen::render(response, out),
        Response::Quarantine(response) => quarantine::render(response, out),
    }
}
