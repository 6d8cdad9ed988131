//! Runs one process for a message, and returns its answer.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::{Lack, advice};
use crate::fault;
use crate::mail::text::Shown;
use crate::mail::{is_out_of_files, limits};
use crate::process::{self, Cancellation, Finished, Listen, ProcessEnd};
use crate::sink::mda::command::{Facts, MdaCommand, is_program, script_with_crlf};
use crate::sink::mda::user::UserIdentity;
use crate::sink::mda::{MdaError, MdaSettings, exit, helper, input};
use crate::sink::render::{Layout, Rendering};
use crate::sink::{Fault, Offer, Outcome, Refusal};
use crate::telemetry::{Event, WarningEvent};

/// What a program is called, and the codes of refusals because it cannot run.
pub(in crate::sink) struct ProgramCodes {
    /// In words.
    pub(in crate::sink) program: &'static str,
    /// It does not exist, or may not be executed.
    pub(in crate::sink) missing: &'static str,
    /// It cannot be started.
    pub(in crate::sink) start: &'static str,
    /// There is no room for the file that it reads.
    pub(in crate::sink) full: &'static str,
    /// That file may not be so large.
    pub(in crate::sink) file_size: &'static str,
    /// That file cannot be written.
    pub(in crate::sink) disk: &'static str,
}

/// The values that are the same for each process of one program.
pub(in crate::sink) struct MdaRunner {
    command: MdaCommand,
    identity: UserIdentity,
    settings: MdaSettings,
    codes: &'static ProgramCodes,
    path: OsString,
    environment: Vec<(OsString, OsString)>,
    /// Whether a child process would inherit descriptors that are not ours.
    leaky: bool,
    /// Whether the operator was told that the program does not read its input.
    unread_said: AtomicBool,
}

impl MdaRunner {
    /// Checks the settings.
    pub(in crate::sink) fn new(
        settings: MdaSettings,
        codes: &'static ProgramCodes,
    ) -> Result<Self, MdaError> {
        let command = MdaCommand::parse(&settings.command)?;
        let identity = UserIdentity::find(settings.user.as_deref(), settings.group.as_deref())?;
        if identity.switch.is_some() && settings.helper.is_none() {
            return Err(MdaError::HelperNeeded);
        }
        let path = variable("PATH").unwrap_or_else(|| STANDARD_PATH.into());
        Ok(Self {
            environment: environment(&identity, &path, &settings.environment),
            leaky: helper::has_inheritable_descriptors(),
            unread_said: AtomicBool::new(false),
            command,
            identity,
            settings,
            codes,
            path,
        })
    }

    /// Warnings for the operator about settings that work.
    pub(in crate::sink) fn warnings(&self) -> Vec<WarningEvent<'_>> {
        let program = self.command.program();
        let mut warnings = Vec::new();
        if nix::unistd::geteuid().is_root() && self.identity.switch.is_none() {
            warnings.push(WarningEvent::MdaIsRoot { program });
        }
        if self.leaky && self.settings.helper.is_none() {
            warnings.push(WarningEvent::MdaInherits { program });
        }
        warnings
    }

    /// Its settings.
    pub(in crate::sink) fn settings(&self) -> &MdaSettings {
        &self.settings
    }

    /// The path of the program, if it exists and is executable. May block.
    ///
    /// A script that cannot be started is detected by [`Self::ready`], once for each poll.
    pub(super) fn program(&self) -> Result<PathBuf, Refusal> {
        let missing = |path: &Path, error: &io::Error| {
            let words = format!(
                "cannot execute {}: {error}. Is it installed, and `command` right?",
                path.display()
            );
            Refusal::new(Fault::Destination, self.codes.missing, words)
        };
        let Some(program) = self.command.locate(&self.path) else {
            let error = io::Error::other("it is in no folder of PATH");
            return Err(missing(Path::new(self.command.program()), &error));
        };
        match is_program(&program) {
            Ok(()) => Ok(program),
            Err(error) => Err(missing(&program, &error)),
        }
    }

    /// Whether the program can be started. May block.
    pub(in crate::sink) fn ready(&self) -> Result<(), Refusal> {
        let program = self.program()?;
        match script_with_crlf(&program) {
            Some(words) => Err(Refusal::new(Fault::Destination, self.codes.start, words)),
            None => Ok(()),
        }
    }

    /// Delivers to one recipient. Blocks until the process has ended.
    pub(super) fn deliver(
        &self,
        offer: Offer<'_>,
        facts: &Facts,
        cancellation: &Cancellation,
    ) -> Result<Outcome, Refusal> {
        let settings = &self.settings;
        if cancellation.is_requested() {
            return Ok(exit::outcome(
                ProcessEnd::Cancelled,
                &settings.exit_codes,
                &[],
            ));
        }
        let layout = Layout {
            line_ends: settings.line_ends,
            return_path: true,
            delivered_to: settings.delivered_to.then(|| facts.recipient()),
            from_line: settings.from_line.then(|| settings.clock.now()),
            without_from_lines: false,
        };
        let (ended, offset) = self.run(offer, facts, &layout, LISTEN, cancellation)?;
        fault::pass("mda.exited");
        let outcome = exit::outcome(ended.end, &settings.exit_codes, &ended.output);
        if matches!(outcome, Outcome::Accepted(_)) {
            self.warn_if_unread(offset);
        }
        Ok(outcome)
    }

    /// Runs the program with the message on its standard input. Also returns the file that it
    /// read, whose offset tells how far. Blocks until the process has ended.
    pub(in crate::sink) fn run(
        &self,
        offer: Offer<'_>,
        facts: &Facts,
        layout: &Layout<'_>,
        listen: Listen,
        cancellation: &Cancellation,
    ) -> Result<(Finished, Option<File>), Refusal> {
        let settings = &self.settings;
        let program = self.program()?;
        let switch = self.identity.switch.as_ref();
        let input = Rendering::new(offer.message, offer.trace, &offer.envelope.sender, layout)
            .and_then(|rendering| {
                input::file(rendering, offer.message.octets(), &settings.spool, switch)
            })
            .map_err(|error| self.no_input(&error))?;
        let mut command = self.process(&program, facts);
        // The program's descriptor shares this offset.
        let offset = input.try_clone().ok();
        command.stdin(input);
        let ended = process::run(command, listen, settings.timeout, cancellation)
            .map_err(|error| self.not_started(&program, &error))?;
        Ok((ended, offset))
    }

    fn no_input(&self, error: &io::Error) -> Refusal {
        let codes = self.codes;
        let words = format!(
            "cannot put the message into a file for {}: {error}. {}",
            codes.program,
            advice(error)
        );
        let lack = Lack::of(error);
        let code = match lack {
            Some(Lack::Room) => codes.full,
            Some(Lack::FileSize) => codes.file_size,
            Some(Lack::Descriptors) | None => codes.disk,
        };
        Refusal::of_system(lack, code, words)
    }

    fn not_started(&self, program: &Path, error: &io::Error) -> Refusal {
        let missing = matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
        );
        let code = match missing {
            true => self.codes.missing,
            false => self.codes.start,
        };
        let words = format!("cannot start {}: {error}", program.display());
        let words = Shown::new(&words).to_string();
        let lack = is_out_of_files(error).then_some(Lack::Descriptors);
        Refusal::of_system(lack, code, words)
    }

    /// Reports once that the program accepted a message without reading any of it. A program that
    /// opens `/dev/stdin` itself leaves the offset unchanged.
    fn warn_if_unread(&self, offset: Option<File>) {
        let unread = offset.is_some_and(|mut file| file.stream_position().is_ok_and(|at| at == 0));
        if !unread || self.unread_said.swap(true, Ordering::Relaxed) {
            return;
        }
        let program = self.command.program();
        let warning = WarningEvent::MdaUnread { program };
        self.settings.reporter.say(Event::Warning(warning));
    }

    /// The process for one delivery, started directly, or through the helper if ids or descriptors
    /// must change before the program is executed.
    fn process(&self, program: &Path, facts: &Facts) -> Command {
        use std::os::unix::process::CommandExt;

        let (name, arguments) = (self.command.program(), self.command.arguments(facts));
        let switch = self.identity.switch.as_ref();
        let mut command = match &self.settings.helper {
            Some(path) if switch.is_some() || self.leaky => {
                let mut command = Command::new(path);
                command.args(helper::arguments(
                    switch,
                    program.as_os_str(),
                    name,
                    arguments,
                ));
                command
            }
            _ => {
                let mut command = Command::new(program);
                command.arg0(name).args(arguments);
                command
            }
        };
        command
            .current_dir("/")
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(facts.variables());
        command
    }
}

/// The environment of every process: these variables and no others, so that it contains no secret
/// of ours.
fn environment(
    identity: &UserIdentity,
    path: &OsStr,
    further: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let name = &identity.name;
    let mut all: Vec<(OsString, OsString)> = [
        ("PATH", path.to_owned()),
        ("HOME", identity.home.clone().into()),
        ("USER", name.clone()),
        ("LOGNAME", name.clone()),
        ("SHELL", identity.shell.clone().into()),
        ("LANG", variable("LANG").unwrap_or_else(|| "C".into())),
    ]
    .map(|(name, value)| (name.into(), value))
    .into();
    all.extend_from_slice(further);
    all
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// An MDA's exit code is its answer, and the end of its output the reason.
const LISTEN: Listen = Listen::Together {
    last: limits::MDA_OUTPUT_OCTETS_MAX,
};

/// The search path for programs if our own environment has none.
const STANDARD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
