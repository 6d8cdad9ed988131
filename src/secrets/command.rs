//! Runs the program that prints a password.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::config::Environment;
use crate::mail::text::Shown;
use crate::mail::{is_out_of_files, limits};
use crate::secrets::{SecretError, read_bounded};

/// What the program prints on standard output.
///
/// Standard input is empty, so that a program that asks somebody fails at once and does not wait.
pub(super) async fn run(
    words: &[String],
    environment: &Environment,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    run_within(words, environment, limits::SECRET_COMMAND_SECONDS_MAX).await
}

async fn run_within(
    words: &[String],
    environment: &Environment,
    seconds: u64,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (name, arguments) = words
        .split_first()
        .map_or(("", words), |(p, a)| (p.as_str(), a));
    let program = || Shown::new(name).to_string();
    let child = Command::new(name)
        .args(arguments)
        .env_clear()
        .envs(environment.variables())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own: when time is up, what the program has started goes with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match is_out_of_files(&error) {
            true => SecretError::OutOfFiles {
                origin: format!("the command {}", program()),
                why: error.to_string(),
            },
            false => SecretError::CommandStart {
                program: program(),
                why: error.to_string(),
            },
        })?;
    let group = Group::of(&child);
    let talk = tokio::time::timeout(Duration::from_secs(seconds), listen(child, group)).await;
    let Ok(talk) = talk else {
        return Err(SecretError::CommandSlow {
            program: program(),
            seconds,
        });
    };
    let failed = |status: String, said: &[u8]| SecretError::CommandFailed {
        program: program(),
        status,
        said: match said.trim_ascii() {
            b"" => String::new(),
            said => format!(", saying: {}", Shown::new(said)),
        },
    };
    let (printed, said, status) = talk.map_err(|error| failed(error.to_string(), b""))?;
    match status.success() {
        true => Ok(printed),
        false => Err(failed(status.to_string(), &said)),
    }
}

type Talk = (Zeroizing<Vec<u8>>, Vec<u8>, std::process::ExitStatus);

/// Reads both outputs to their ends while the program runs. Dropped halfway, it ends the group before the child is
/// reaped, so that the group's number cannot be somebody else's by then.
async fn listen(mut child: Child, group: Group) -> std::io::Result<Talk> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let printed = async {
        match stdout {
            Some(stdout) => read_bounded(stdout).await,
            None => Ok(Zeroizing::default()),
        }
    };
    let said = async {
        match stderr {
            Some(stderr) => read_first(stderr).await,
            None => Ok(Vec::new()),
        }
    };
    let (printed, said, status) = tokio::join!(printed, said, child.wait());
    group.forget();
    Ok((printed?, said?, status?))
}

/// Keeps the first octets and lets the rest go by, so that a talkative program does not block.
async fn read_first(mut from: impl AsyncRead + Unpin) -> std::io::Result<Vec<u8>> {
    let mut first = Vec::new();
    let bound = limits::SHOWN_CHARACTERS_MAX as u64;
    (&mut from).take(bound).read_to_end(&mut first).await?;
    tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    Ok(first)
}

/// Ends the program's process group when it is dropped, unless the program has ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The group may be gone already.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn sh(script: &str, seconds: u64) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let words = ["/bin/sh", "-c", script].map(str::to_owned);
        let environment = Environment::new([("PATH", "/usr/bin:/bin"), ("ONLY", "this")], false);
        run_within(&words, &environment, seconds).await
    }

    #[tokio::test]
    async fn the_program_gets_the_given_environment_and_nothing_else() {
        let printed = sh("printf %s \"$ONLY\"; printf %s \"$CARGO\"", 30).await;
        assert_eq!(**printed.as_ref().unwrap(), *b"this");
    }

    #[tokio::test]
    async fn a_failure_shows_what_the_program_said_and_not_what_it_printed() {
        let error = sh("printf hunter2; printf 'no \\033[2J key' >&2; exit 3", 30).await;
        let said = error.unwrap_err().to_string();
        assert_eq!(
            said,
            "the password command /bin/sh ended with exit status: 3, saying: no \\x1b[2J key"
        );
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_all_it_has_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        let error = sh(&script, 1).await.unwrap_err();
        assert!(matches!(error, SecretError::CommandSlow { seconds: 1, .. }));
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        // The sleeper was killed: it is gone, or a zombie until its new parent looks.
        let ended = |stat: &str| stat.contains(") Z") || stat.contains(") X");
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while state().is_ok_and(|stat| !ended(&stat)) {
            assert!(std::time::Instant::now() < deadline, "still running: {pid}");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn a_program_that_never_stops_printing_is_cut_off() {
        let printed = sh("exec yes", 30).await;
        // It dies of SIGPIPE once we have heard enough.
        assert!(matches!(printed, Err(SecretError::CommandFailed { .. })));
        let printed = sh("head -c 10000000 /dev/zero >&2; printf ok", 30).await;
        assert_eq!(**printed.as_ref().unwrap(), *b"ok");
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let words = ["/nonexistent/pass".to_owned()];
        let error = run(&words, &Environment::new([], false)).await.unwrap_err();
        assert_eq!(error.code(), "secret_command_start");
        assert!(error.to_string().contains("/nonexistent/pass"));
    }
}
