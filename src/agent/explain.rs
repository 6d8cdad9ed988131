//! Adds to a session's failure what the session does not know: the source of the password, and the
//! settings that may be wrong.

use crate::disk::Lack;
use crate::mail::{LoginMethod, OUT_OF_FILES_HINT, TlsMode};
use crate::secrets::SecretError;
use crate::session::{During, SessionError, Visit};
use crate::sink::Refusal;

/// Returns the error with a hint about the settings of its account, if there is one.
pub(super) fn explain(error: SessionError, visit: &Visit, password: Option<&str>) -> SessionError {
    let hint = match &error {
        SessionError::Login { words, .. }
            if visit.tls == TlsMode::None && speaks_of(words, &TLS_WORDS) =>
        {
            Some(WANTS_TLS.to_owned())
        }
        SessionError::Login { words, .. }
            if visit.login.method != LoginMethod::UserPass
                && speaks_of(words, &UNKNOWN_COMMAND_WORDS) =>
        {
            Some(OTHER_LOGIN.to_owned())
        }
        SessionError::Login { .. } => password.map(|source| {
            let mark = if visit.login.secret.has_byte_order_mark() {
                ", and begins with a byte order mark (EF BB BF), which some editors add: save it \
                 without one"
            } else {
                ""
            };
            format!("The password came from {source}{mark}")
        }),
        SessionError::Recipient { .. } => Some(format!(
            "The recipient is {}: check `recipient` of the account",
            visit.recipient
        )),
        SessionError::TimedOut {
            during: During::Greeting,
            ..
        } => (visit.tls != TlsMode::Implicit).then(|| SILENT_IN_CLEAR.to_owned()),
        SessionError::Net(net) if net.is_ours() => Some(OUT_OF_FILES_HINT.to_owned()),
        SessionError::Spool(spool) if spool.lack() == Some(Lack::Descriptors) => {
            Some(OUT_OF_FILES_HINT.to_owned())
        }
        _ => error.no_status().and_then(service).map(|service| {
            format!(
                "That is {service} and not POP3: check `host`, `port` (now {}) and `tls`",
                visit.port
            )
        }),
    };
    match hint {
        Some(hint) => SessionError::Hinted {
            error: Box::new(error),
            hint,
        },
        None => error,
    }
}

/// Whether the words of a server hold one of these, whatever the case of letters.
fn speaks_of(words: &str, known: &[&str]) -> bool {
    let words = words.to_ascii_lowercase();
    known.iter().any(|one| words.contains(one))
}

/// Words of servers that take no password without TLS.
const TLS_WORDS: [&str; 6] = ["plaintext", "cleartext", "ssl", "tls", "secure", "encrypt"];

const WANTS_TLS: &str = "The server seems to want TLS, and `tls` of the account is \"none\": try \
                         \"starttls\", or \"implicit\" with port 995";

/// Words of servers that do not know a command.
const UNKNOWN_COMMAND_WORDS: [&str; 5] = [
    "unknown command",
    "command unknown",
    "unrecognized",
    "not implemented",
    "invalid command",
];

const OTHER_LOGIN: &str = "The server seems not to know the command, perhaps an AUTH that it \
                           announces: try `auth = \"user-pass\"`";

/// Without its password an account is held, unless the password could not be read because no file
/// descriptor was left.
pub(super) fn no_secret(error: SecretError) -> SessionError {
    if error.is_ours() {
        let lack = Some(Lack::Descriptors);
        let refusal = Refusal::of_system(lack, error.code(), error.to_string());
        return SessionError::of_refusal("password", refusal);
    }
    SessionError::Account {
        code: error.code(),
        words: error.to_string(),
        hint: "`mailferry check` tries every password source".to_owned(),
    }
}

/// A relay that we cannot log in to accepts nothing.
pub(super) fn no_relay_secret(error: &SecretError) -> Refusal {
    let lack = error.is_ours().then_some(Lack::Descriptors);
    Refusal::of_system(lack, "smtp_auth", error.to_string())
}

/// Recognises another protocol by the first words of its server.
fn service(said: &str) -> Option<&'static str> {
    SERVICES
        .iter()
        .find(|(start, _)| said.starts_with(start))
        .map(|(_, service)| *service)
}

const SERVICES: &[(&str, &str)] = &[
    ("220", "an SMTP or FTP server"),
    ("554", "an SMTP server"),
    ("421", "an SMTP or FTP server"),
    ("* OK", "an IMAP server"),
    ("* PREAUTH", "an IMAP server"),
    ("* BYE", "an IMAP server"),
    ("SSH-", "an SSH server"),
    ("HTTP/", "a web server"),
    ("<!DOCTYPE", "a web server"),
    ("OK ", "a ManageSieve server or a proxy"),
    ("\"IMPLEMENTATION\"", "a ManageSieve server"),
];

const SILENT_IN_CLEAR: &str = "A server that expects TLS at once sends no greeting: should `tls` \
                               be \"implicit\" (port 995)?";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_services_are_known_by_their_first_words() {
        assert_eq!(service("* OK IMAP4rev1 ready"), Some("an IMAP server"));
        assert_eq!(
            service("220 mx.example.org ESMTP"),
            Some("an SMTP or FTP server")
        );
        assert_eq!(service("hello"), None);
    }

    #[test]
    fn servers_that_want_tls_or_know_no_auth_are_known_by_their_words() {
        let words =
            "[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.";
        assert!(speaks_of(words, &TLS_WORDS));
        assert!(speaks_of("Unknown command.", &UNKNOWN_COMMAND_WORDS));
        for words in ["[AUTH] Authentication failed.", "bad password"] {
            assert!(!speaks_of(words, &TLS_WORDS) && !speaks_of(words, &UNKNOWN_COMMAND_WORDS));
        }
    }
}
