//! The command line of an MDA: the configured arguments with the facts of one delivery.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::mail::{Envelope, Origin, Percent, Recipient, Sender};
use crate::sink::mda::MdaError;

/// A configured command: a program and arguments with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MdaCommand {
    program: String,
    arguments: Vec<Vec<Part>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Fact(Fact),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    Sender,
    Recipient,
    Account,
    UniqueId,
}

/// The facts about a message for one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sink) struct Facts {
    sender_argument: String,
    sender_variable: String,
    recipient: String,
    account: String,
    unique_id: String,
}

impl MdaCommand {
    /// Checks the arguments and takes them.
    pub(super) fn parse(argv: &[String]) -> Result<Self, MdaError> {
        let (program, arguments) = argv.split_first().ok_or(MdaError::NoCommand)?;
        if argv.iter().any(|argument| argument.contains('\0')) {
            return Err(MdaError::Nul);
        }
        let is_path = program.contains('/');
        if program.is_empty() || (is_path && !program.starts_with('/')) {
            return Err(MdaError::Program(program.clone()));
        }
        if parts(program)?
            .iter()
            .any(|part| matches!(part, Part::Fact(_)))
        {
            return Err(MdaError::Program(program.clone()));
        }
        let arguments = arguments.iter().map(|argument| parts(argument));
        Ok(Self {
            program: program.clone(),
            arguments: arguments.collect::<Result<_, _>>()?,
        })
    }

    /// The program as configured; it is also its `argv[0]`.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// The present path of the program: it may be installed or replaced while the agent runs.
    pub(super) fn locate(&self, path: &OsStr) -> Option<PathBuf> {
        if self.program.starts_with('/') {
            return Some(PathBuf::from(&self.program));
        }
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(&self.program))
            .find(|candidate| is_program(candidate).is_ok())
    }

    /// The arguments for one delivery. A placeholder is replaced once: placeholders in the
    /// replacement are not replaced.
    pub(super) fn arguments(&self, facts: &Facts) -> Vec<String> {
        let value = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Fact(Fact::Sender) => facts.sender_argument.clone(),
            Part::Fact(Fact::Recipient) => facts.recipient.clone(),
            Part::Fact(Fact::Account) => facts.account.clone(),
            Part::Fact(Fact::UniqueId) => facts.unique_id.clone(),
        };
        let argument = |parts: &Vec<Part>| parts.iter().map(value).collect();
        self.arguments.iter().map(argument).collect()
    }
}

/// Whether a file exists and at least one user may execute it.
pub(super) fn is_program(path: &Path) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
        Ok(())
    } else {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
}

/// Why the system will not start a script: its first line ends in CRLF, and no interpreter has a
/// name that ends in CR. `None` for any other file, and for one that we may not read.
pub fn script_with_crlf(path: &Path) -> Option<String> {
    let mut first = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    std::io::Read::take(file, FIRST_LINE_OCTETS_MAX)
        .read_to_end(&mut first)
        .ok()?;
    let line = first.split(|octet| *octet == b'\n').next()?;
    let is_crlf = line.len() < first.len() && line.starts_with(b"#!") && line.ends_with(b"\r");
    is_crlf.then(|| {
        let path = path.display();
        format!(
            "the first line of {path} ends in CRLF, so the system looks for an interpreter whose \
             name ends in CR: run `sed -i 's/\\r$//' {path}`"
        )
    })
}

/// The octets that Linux reads of a script's first line (BINPRM_BUF_SIZE).
const FIRST_LINE_OCTETS_MAX: u64 = 256;

/// Splits an argument at its placeholders. `{word}` must be a known one; other braces are text.
fn parts(argument: &str) -> Result<Vec<Part>, MdaError> {
    let mut parts = Vec::new();
    let (mut text, mut rest) = (String::new(), argument);
    while let Some(open) = rest.find('{') {
        let after = &rest[open + 1..];
        let length = after
            .find(|c: char| !(c.is_ascii_lowercase() || c == '_'))
            .unwrap_or(after.len());
        text.push_str(&rest[..open]);
        if length > 0 && after[length..].starts_with('}') {
            let fact = Fact::named(&after[..length]).ok_or_else(|| MdaError::Placeholder {
                word: after[..length].to_owned(),
                argument: argument.to_owned(),
            })?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(Part::Fact(fact));
            rest = &after[length + 1..];
        } else {
            text.push('{');
            rest = after;
        }
    }
    text.push_str(rest);
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

impl Fact {
    fn named(word: &str) -> Option<Self> {
        match word {
            "sender" => Some(Self::Sender),
            "recipient" => Some(Self::Recipient),
            "account" => Some(Self::Account),
            "unique_id" => Some(Self::UniqueId),
            _ => None,
        }
    }
}

impl Facts {
    /// The recipient.
    pub(super) fn recipient(&self) -> &str {
        &self.recipient
    }

    /// The facts of one delivery to one recipient.
    pub(in crate::sink) fn new(
        origin: &Origin,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> Self {
        let (sender_argument, sender_variable) = match &envelope.sender {
            Sender::Null => (NULL_SENDER, ""),
            Sender::Address(address) if is_safe_argument(address) => (&**address, &**address),
            // A variable is only data, unless a script uses it unquoted: then a leading `-` would
            // be an option.
            Sender::Address(address) if !address.starts_with('-') => (NULL_SENDER, &**address),
            Sender::Address(_) => (NULL_SENDER, ""),
        };
        Self {
            sender_argument: sender_argument.to_owned(),
            sender_variable: sender_variable.to_owned(),
            recipient: recipient.as_str().to_owned(),
            account: origin.account.as_str().to_owned(),
            unique_id: Percent(origin.unique_id.as_bytes()).to_string(),
        }
    }

    /// The same facts as environment variables.
    pub(super) fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("SENDER", &self.sender_variable),
            ("RECIPIENT", &self.recipient),
            ("ACCOUNT", &self.account),
            ("UNIQUE_ID", &self.unique_id),
        ]
    }
}

/// The null sender on a command line, as Postfix and sendmail write it.
const NULL_SENDER: &str = "MAILER-DAEMON";

/// Whether an address is safe on a command line, even inside `sh -c`.
fn is_safe_argument(address: &str) -> bool {
    let safe = |c: char| c.is_alphanumeric() || "._-+=@/:%,^!#~".contains(c);
    !address.starts_with(['-', '#', '~', '/', '.']) && address.chars().all(safe)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::mail::{AccountName, UniqueId};

    fn command(argv: &[&str]) -> Result<MdaCommand, MdaError> {
        let argv: Vec<String> = argv.iter().map(|&s| s.to_owned()).collect();
        MdaCommand::parse(&argv)
    }

    fn facts(sender: &[u8], unique_id: &[u8]) -> Facts {
        let recipient = Recipient::new("jane@home.lan").unwrap();
        let envelope = Envelope {
            sender: Sender::from_path(sender),
            recipients: vec![recipient.clone()],
        };
        let origin = Origin {
            account: AccountName::new("work").unwrap(),
            unique_id: UniqueId::new(unique_id).unwrap(),
        };
        Facts::new(&origin, &envelope, &recipient)
    }

    #[test]
    fn placeholders_stand_alone_or_inside_an_argument() {
        let command = command(&[
            "lda",
            "-f",
            "{sender}",
            "--to={recipient}/{account}",
            "{unique_id}",
            "",
        ]);
        assert_eq!(
            command.unwrap().arguments(&facts(b"s@x", b"7")),
            ["-f", "s@x", "--to=jane@home.lan/work", "7", ""]
        );
    }

    #[test]
    fn inserted_values_are_not_expanded_again() {
        let command = command(&["lda", "{unique_id}", "{sender}"]).unwrap();
        assert_eq!(
            command.arguments(&facts(b"{recipient}", b"{account}")),
            ["%7Baccount%7D", "MAILER-DAEMON"]
        );
    }

    #[test]
    fn a_wrong_placeholder_is_an_error_and_other_braces_are_text() {
        for wrong in ["{recipent}", "x{user}y"] {
            assert!(
                matches!(command(&["lda", wrong]), Err(MdaError::Placeholder { .. })),
                "{wrong}"
            );
        }
        let command = command(&["sh", "-c", "f() { cat; }; echo ${X} {a,b} {} {"]).unwrap();
        assert_eq!(
            command.arguments(&facts(b"", b"1")),
            ["-c", "f() { cat; }; echo ${X} {a,b} {} {"]
        );
    }

    #[test]
    fn a_program_is_absolute_or_a_name_in_path() {
        for wrong in ["", "./lda", "bin/lda", "{account}", "/bin/{account}"] {
            assert!(
                matches!(command(&[wrong]), Err(MdaError::Program(_))),
                "{wrong}"
            );
        }
        assert!(matches!(command(&[]), Err(MdaError::NoCommand)));
        assert!(matches!(command(&["sh", "a\0b"]), Err(MdaError::Nul)));
        let path = OsStr::new("relative:/nonexistent:/bin");
        assert_eq!(
            command(&["sh"]).unwrap().locate(path),
            Some(PathBuf::from("/bin/sh"))
        );
        assert_eq!(command(&["no-such-mda"]).unwrap().locate(path), None);
        assert_eq!(
            command(&["/x/y"]).unwrap().locate(path),
            Some(PathBuf::from("/x/y"))
        );
    }

    /// Holds 4.4.shell.
    #[test]
    fn a_sender_that_a_command_line_could_obey_becomes_mailer_daemon() {
        for (sender, argument, variable) in [
            ("s@x", "s@x", "s@x"),
            (
                "bounce+jane=home.lan@list.example",
                "bounce+jane=home.lan@list.example",
                "bounce+jane=home.lan@list.example",
            ),
            (
                "jürgen@bücher.example",
                "jürgen@bücher.example",
                "jürgen@bücher.example",
            ),
            ("", "MAILER-DAEMON", ""),
            ("-oQ/tmp@x", "MAILER-DAEMON", ""),
            ("\"-oQ/tmp\"@x", "MAILER-DAEMON", "\"-oQ/tmp\"@x"),
            ("$(touch/tmp/x)@a", "MAILER-DAEMON", ""),
            ("\"$(id)\"@a", "MAILER-DAEMON", "\"$(id)\"@a"),
            ("`id`@x", "MAILER-DAEMON", "`id`@x"),
            ("';rm@x", "MAILER-DAEMON", ""),
            ("@", "MAILER-DAEMON", ""),
            ("unknown", "MAILER-DAEMON", ""),
            ("user@host.", "MAILER-DAEMON", ""),
            ("a\nb@x", "MAILER-DAEMON", ""),
            ("a\0b@x", "MAILER-DAEMON", ""),
        ] {
            let facts = facts(sender.as_bytes(), b"1");
            assert_eq!(facts.sender_argument, argument, "{sender:?}");
            assert_eq!(facts.variables()[0], ("SENDER", variable), "{sender:?}");
        }
        assert_eq!(
            facts(&[b'x'; 65_536], b"1").sender_argument,
            "MAILER-DAEMON"
        );
    }

    #[test]
    fn a_unique_id_is_printed_as_one_harmless_word() {
        for (unique_id, word) in [
            (&b"../../etc/passwd"[..], "%2E.%2F..%2Fetc%2Fpasswd"),
            (b"-rf", "%2Drf"),
            (b"() { :;}; id", "%28%29%20%7B%20:%3B%7D%3B%20id"),
            (b"000001a2.UIDL-7", "000001a2.UIDL-7"),
        ] {
            assert_eq!(facts(b"", unique_id).unique_id, word);
        }
    }
}
