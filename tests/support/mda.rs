//! Shell scripts as MDAs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mailferry::mail::LineEnds;
use mailferry::mail::{Clock, Timestamp};
use mailferry::sink::mda::{Mda, MdaSettings};
use mailferry::sink::{Outcome, Refusal, Sink};
use mailferry::spool::Spool;
use mailferry::telemetry::Reporter;

use crate::support::mail::{self, envelope, message};

/// A message with everything that a careless program would change.
pub const SMALL: &[u8] = b"Subject: small\r\n\r\nline\r\nbare \r and \n kept\0\xFF\r\n";

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(1_795_435_200)
    }
}

/// Settings for a shell script that gets `directory` as `$1` and `further` after it.
pub fn script(directory: &Path, script: &str, further: &[&str]) -> MdaSettings {
    let mut command = vec!["/bin/sh", "-c", script, "mda", directory.to_str().unwrap()];
    command.extend(further);
    settings(directory, &command)
}

/// Settings for a command.
pub fn settings(directory: &Path, command: &[&str]) -> MdaSettings {
    MdaSettings {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        user: None,
        group: None,
        timeout: Duration::from_secs(60),
        parallel: 1,
        line_ends: LineEnds::Lf,
        from_line: false,
        delivered_to: false,
        exit_codes: BTreeMap::new(),
        environment: Vec::new(),
        helper: Some(PathBuf::from(env!("CARGO_BIN_EXE_mailferry"))),
        spool: Spool::new(directory),
        clock: Arc::new(Noon),
        reporter: Reporter::log(),
    }
}

/// The answer to an offer of these octets.
pub async fn offer(settings: MdaSettings, octets: &[u8]) -> Outcome {
    let message = message(&std::env::temp_dir(), octets).await;
    let mda = Mda::new(settings).unwrap();
    let mut outcomes = mda
        .offer(mail::offer(&envelope("s@x", "jane@home.lan"), &message))
        .await;
    assert_eq!(outcomes.len(), 1);
    outcomes.remove(0)
}

/// The refusal of these octets.
pub async fn refusal(settings: MdaSettings, octets: &[u8]) -> Refusal {
    match offer(settings, octets).await {
        Outcome::Refused(refusal) => refusal,
        Outcome::Accepted(words) => panic!("accepted: {words}"),
    }
}

/// The words of the acceptance of these octets.
pub async fn accepted(settings: MdaSettings, octets: &[u8]) -> String {
    match offer(settings, octets).await {
        Outcome::Accepted(words) => words,
        Outcome::Refused(refusal) => panic!("refused: {refusal}"),
    }
}

/// What a script has written.
pub fn written(directory: &Path, name: &str) -> String {
    String::from_utf8(std::fs::read(directory.join(name)).unwrap()).unwrap()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    id.stdout == b"0\n"
}
