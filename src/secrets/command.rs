//! Runs the program that prints a password.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::config::Environment;
use crate::mail::text::Shown;
use crate::mail::{is_out_of_files, limits};
use crate::process::{self, Listen, ProcessEnd, cancellation};
use crate::secrets::SecretError;

/// Returns the standard output of the program.
///
/// Standard input is empty, so that a program that asks a question fails at once instead of
/// waiting.
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
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .envs(environment.variables())
        .stdin(Stdio::null());
    let listen = Listen::Apart {
        // One octet more than a secret may have shows that it is too long.
        output: limits::SECRET_OCTETS_MAX + 1,
        errors: limits::SHOWN_CHARACTERS_MAX,
    };
    // Dropping this future ends the program.
    let (_canceller, cancellation) = cancellation();
    let timeout = Duration::from_secs(seconds);
    let run = move || process::run(command, listen, timeout, &cancellation);
    let ended = match spawn_blocking(run).await {
        Ok(ended) => ended,
        Err(stopped) => Err(std::io::Error::other(stopped)),
    };
    let ended = ended.map_err(|error| match is_out_of_files(&error) {
        true => SecretError::OutOfFiles {
            origin: format!("the command {}", program()),
            why: error.to_string(),
        },
        false => SecretError::CommandStart {
            program: program(),
            why: error.to_string(),
        },
    })?;
    match ended.end {
        ProcessEnd::Code(0) => Ok(ended.output),
        ProcessEnd::TimedOut { seconds, .. } => Err(SecretError::CommandSlow {
            program: program(),
            seconds,
        }),
        end => Err(SecretError::CommandFailed {
            program: program(),
            status: end.to_string(),
            said: match ended.errors.trim_ascii() {
                b"" => String::new(),
                said => format!(", saying: {}", Shown::new(said)),
            },
        }),
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
    async fn a_failure_shows_standard_error_and_not_standard_output() {
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
        // The sleeping process was killed: it has ended, or is a zombie until its new parent reaps
        // it.
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
        // It dies of SIGPIPE when we close the pipe.
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
