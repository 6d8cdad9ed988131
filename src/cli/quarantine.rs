//! `mailferry quarantine`: the copies of messages that no destination accepted.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::args;
use crate::cli::ask::ask;
use crate::cli::exit::CommandFailure;
use crate::cli::seen::time;
use crate::mail::Percent;
use crate::mail::text::Shown;
use crate::operator::{
    Copies, Exit, Operator, QuarantineCopy, QuarantineRequest, QuarantineResponse, Request,
    Response, RetryOutcome,
};

/// Executes one of the `quarantine` commands, with its output on `out`.
///
/// # Errors
/// Why it cannot be executed, with its exit code.
pub(super) async fn quarantine(
    operator: &Operator,
    command: args::QuarantineCommand,
    out: &mut dyn Write,
) -> Result<Exit, CommandFailure> {
    match command {
        args::QuarantineCommand::List { account } => {
            let request = QuarantineRequest::List { account };
            simple(operator, request, out).await
        }
        args::QuarantineCommand::Show { file } => show(operator, file, out).await,
        args::QuarantineCommand::Export { file, to } => {
            export(operator, file, to.as_deref(), out).await
        }
        args::QuarantineCommand::Retry(args::Retry { copies, unfiltered }) => {
            let copies = match copies {
                args::CopiesArguments { all: true, .. } => Copies::All,
                args::CopiesArguments {
                    account: Some(account),
                    ..
                } => Copies::OfAccount(account),
                args::CopiesArguments { files, .. } => Copies::Files(files),
            };
            let request = QuarantineRequest::Retry { copies, unfiltered };
            simple(operator, request, out).await
        }
        args::QuarantineCommand::Drop(drop) => {
            let mut worst = Exit::Done;
            for file in &drop.files {
                worst = worst.worst(drop_one(operator, &drop, file, out).await?);
            }
            Ok(worst)
        }
    }
}

/// Sends a request, and passes each response to `take`.
async fn each(
    operator: &Operator,
    request: QuarantineRequest,
    mut take: impl FnMut(QuarantineResponse) -> Result<(), CommandFailure>,
) -> Result<Exit, CommandFailure> {
    let request = Request::Quarantine(request);
    ask(operator, request, |response| match response {
        Response::Quarantine(response) => take(response),
        _ => Ok(()),
    })
    .await
}

/// Sends a request, and writes each response as lines.
async fn simple(
    operator: &Operator,
    request: QuarantineRequest,
    out: &mut dyn Write,
) -> Result<Exit, CommandFailure> {
    each(operator, request, |response| Ok(render(&response, out)?)).await
}

/// Writes one response as lines.
///
/// # Errors
/// Those of `out`.
pub(super) fn render(response: &QuarantineResponse, out: &mut dyn Write) -> io::Result<()> {
    match response {
        QuarantineResponse::Copy(copy) => writeln!(out, "{}", line(copy)),
        QuarantineResponse::Damaged { file, words } => {
            writeln!(out, "file={} damaged={words:?}", Shown::new(file))
        }
        QuarantineResponse::Octets(octets) => out.write_all(octets),
        QuarantineResponse::Retried { file, outcome } => {
            let file = Shown::new(file);
            match outcome {
                RetryOutcome::Delivered => writeln!(out, "{file}: delivered"),
                RetryOutcome::Refused { code, words, .. } => {
                    writeln!(out, "{file}: refused again ({code}: {words}); it stays")
                }
                RetryOutcome::Spare => writeln!(
                    out,
                    "{file}: removed, as its message was delivered or has another copy"
                ),
                RetryOutcome::NoRecord => writeln!(
                    out,
                    "{file}: no record refers to this copy, so it is unknown whether its message \
                     was delivered. Look at it with `quarantine show`, then save it with \
                     `quarantine export` or remove it with `quarantine drop`"
                ),
            }
        }
        QuarantineResponse::Deleted { file } => writeln!(out, "{file}: deleted on the server"),
        QuarantineResponse::NotListed { file } => {
            writeln!(out, "{file}: the server does not list it")
        }
        QuarantineResponse::NotDeleted { file, words } => {
            writeln!(
                out,
                "{file}: not deleted on the server: {words}; the copy stays"
            )
        }
        QuarantineResponse::MayBeLast { file } => writeln!(out, "{file}: stays"),
        QuarantineResponse::Dropped { file } => writeln!(out, "{file}: dropped"),
    }
}

/// One copy as `key=value` words.
fn line(copy: &QuarantineCopy) -> String {
    let mut line = format!(
        "file={} account={} unique_id={} octets={} at={} code={} sender=<{}>",
        Shown::new(&copy.file),
        copy.account,
        Percent(copy.unique_id.as_bytes()),
        copy.octets,
        time(copy.at),
        Shown::new(&copy.code),
        Shown::new(&copy.sender),
    );
    for recipient in &copy.recipients {
        let _ = write!(line, " recipient={}", Shown::new(recipient));
    }
    // They were escaped when the file was written, but another program may have written it.
    let words = Shown::new(&copy.words).to_string();
    let _ = write!(line, " words=\"{}\"", words.replace('"', "'"));
    line
}

/// Shows the details of a copy and the beginning of its message, with everything escaped that could
/// harm a terminal.
async fn show(
    operator: &Operator,
    file: String,
    out: &mut dyn Write,
) -> Result<Exit, CommandFailure> {
    let (mut total, mut beginning) = (0, Vec::new());
    let request = QuarantineRequest::Show { file: file.clone() };
    let exit = each(operator, request, |response| {
        match response {
            QuarantineResponse::Copy(copy) => {
                total = copy.octets;
                writeln!(out, "{}\n", line(&copy))?;
            }
            QuarantineResponse::Octets(octets) => beginning.extend(octets),
            other => render(&other, out)?,
        }
        Ok(())
    })
    .await?;
    for text in beginning.split(|octet| *octet == b'\n') {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        writeln!(out, "{}", Shown::new(text))?;
    }
    let rest = total.saturating_sub(beginning.len() as u64);
    if rest > 0 {
        writeln!(
            out,
            "[{rest} more octets: mailferry quarantine export {file}]"
        )?;
    }
    Ok(exit)
}

/// Writes the message exactly as it was received, to a file or on `out`.
async fn export(
    operator: &Operator,
    file: String,
    to: Option<&Path>,
    out: &mut dyn Write,
) -> Result<Exit, CommandFailure> {
    let mut opened = None;
    let request = QuarantineRequest::Export { file };
    let exit = each(operator, request, |response| {
        match (response, to, &mut opened) {
            (QuarantineResponse::Copy(_), None, _) => harms_no_terminal()?,
            // The file is created only now, when it is certain that the message exists.
            (QuarantineResponse::Copy(_), Some(path), opened) => {
                *opened = Some(create(path).map_err(|error| cannot_write(path, &error))?);
            }
            (QuarantineResponse::Octets(octets), Some(path), Some(file)) => file
                .write_all(&octets)
                .map_err(|error| cannot_write(path, &error))?,
            (other, _, _) => render(&other, out)?,
        }
        Ok(())
    })
    .await?;
    if let (Some(file), Some(path)) = (opened, to) {
        file.sync_all()
            .map_err(|error| cannot_write(path, &error))?;
    }
    Ok(exit)
}

fn harms_no_terminal() -> Result<(), CommandFailure> {
    if io::stdout().is_terminal() {
        let sentence = "a message may contain control characters that harm a terminal: give a \
             file, or use `quarantine show`";
        return Err(CommandFailure::said(Exit::Usage, sentence));
    }
    Ok(())
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn cannot_write(path: &Path, error: &io::Error) -> CommandFailure {
    let sentence = format!("{} cannot be written: {error}", path.display());
    CommandFailure::said(Exit::TempFail, sentence)
}

/// Removes a copy. If it may be the last copy of its message, the person is asked first.
async fn drop_one(
    operator: &Operator,
    drop: &args::Drop,
    file: &str,
    out: &mut dyn Write,
) -> Result<Exit, CommandFailure> {
    let request = |delete, even_last| QuarantineRequest::Drop {
        file: file.to_owned(),
        delete,
        even_last,
    };
    let mut may_be_last = false;
    let ended = each(operator, request(drop.delete, drop.yes), |response| {
        if let QuarantineResponse::MayBeLast { .. } = response {
            may_be_last = true;
            return Ok(());
        }
        Ok(render(&response, out)?)
    })
    .await?;
    if !may_be_last {
        return Ok(ended);
    }
    if agrees(file)? {
        // The server was asked already, and does not list the message.
        return simple(operator, request(false, true), out).await;
    }
    writeln!(out, "{file}: stays")?;
    Ok(Exit::Unavailable)
}

/// Asks on the terminal.
fn agrees(file: &str) -> Result<bool, CommandFailure> {
    let why = "the server may no longer have the message, so this copy may be the last one";
    if !io::stdin().is_terminal() {
        let sentence = format!("{file}: {why}. Give --yes to drop it anyway");
        return Err(CommandFailure::said(Exit::Unavailable, sentence));
    }
    let mut terminal = io::stderr().lock();
    write!(terminal, "{file}: {why}. Drop it? [y/N] ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
