//! What a refusal means when no response code says it: its words (DOUBT.md section 3).

use crate::mail::text::Shown;
use crate::proto::pop3::Kind;

/// What a server said in a refusal, safe to show; a refusal without a reason says so, and to what.
pub(super) fn reason(text: &[u8], command: Kind) -> String {
    if text.trim_ascii().is_empty() {
        format!(
            "it gave no reason (-ERR and nothing more, to {})",
            command.as_str()
        )
    } else {
        Shown::new(text).to_string()
    }
}

/// Whether the words of a refused login say that the maildrop is taken, so that it is worth trying again soon. Words that speak of the
/// account or its credentials win, because a wrong password that is tried often locks an account.
pub(super) fn says_in_use(words: &str) -> bool {
    let words: Vec<String> = words
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let any = |known: &[&str]| {
        let begins = |word: &String| known.iter().any(|stem| word.starts_with(stem));
        words.iter().any(begins)
    };
    let in_a_row = |known: &[&[&str]]| {
        let stands = |phrase: &&[&str]| words.windows(phrase.len()).any(|window| window == *phrase);
        known.iter().any(stands)
    };
    !any(OF_THE_CREDENTIAL) && any(OF_THE_MAILDROP) && (any(TAKEN) || in_a_row(TAKEN_PHRASES))
}

/// Beginnings of words that speak of the account, its user and password, and of who has locked it.
const OF_THE_CREDENTIAL: &[&str] = &[
    "account",
    "user",
    "logon",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "auth",
    "fail",
    "invalid",
    "incorrect",
    "wrong",
    "denied",
    "attempt",
    "admin",
    "suspend",
    "disable",
    "expire",
    "blocked",
    "konto",
    "benutzer",
    "passwort",
    "kennwort",
    "compte",
    "utilisateur",
    "cuenta",
    "usuario",
    "contrase",
    "senha",
    "utente",
];

/// Beginnings of words for a maildrop, and for a session with one.
const OF_THE_MAILDROP: &[&str] = &[
    "maildrop",
    "mailbox",
    "mailfile",
    "mail",
    "mbox",
    "inbox",
    "spool",
    "pop",
    "session",
    "postfach",
    "mailbestand",
    "boite",
    "boîte",
    "buzón",
    "buzon",
    "casella",
    "caixa",
];

/// Beginnings of words for what is taken.
const TAKEN: &[&str] = &["lock", "busy", "verrouill", "occupat", "ocupad", "occupé"];

/// The same in several words.
const TAKEN_PHRASES: &[&[&str]] = &[
    &["in", "use"],
    &["being", "used"],
    &["already", "open"],
    &["already", "opened"],
    &["another", "session"],
    &["other", "session"],
    &["another", "connection"],
    &["another", "client"],
    &["another", "process"],
    &["try", "later"],
    &["try", "again", "later"],
    &["in", "benutzung"],
    &["bereits", "verwendet"],
    &["bereits", "geöffnet"],
    &["en", "uso"],
    &["in", "uso"],
    &["em", "uso"],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_say_that_the_maildrop_is_taken() {
        for words in [
            // RFC 1939 section 7.
            "maildrop already locked",
            "unable to lock maildrop",
            // Suites and sources of servers.
            "The maildrop is locked, please try later",
            "Your mailbox is already locked",
            "Mailbox is locked by POP server",
            "Unable to lock maildrop: Mailbox is locked by POP server",
            "Maildrop is locked by someone else!",
            "Mailbox locked, try next time",
            "mailbox in use, try again later",
            "/var/mail/.jane.pop lock busy!  Is another session active? (11)",
            "Mail file in use.",
            "being read already: another POP3 session is active, mailbox busy",
            "Mailbox already open in another session",
            "Can't open mailbox: in use by another process",
            "Das Postfach ist bereits geöffnet",
            "Postfach in Benutzung",
            "El buzón está en uso",
        ] {
            assert!(says_in_use(words), "{words}");
        }
    }

    #[test]
    fn words_that_speak_of_the_credential_whatever_else_they_say() {
        for words in [
            // RFC 1939 section 7.
            "invalid password",
            "never heard of mailbox name",
            "sorry, no mailbox for frated here",
            "permission denied",
            "",
            "no",
            "account locked",
            "Your account is locked, try again later",
            "mailbox locked: too many failures",
            "mailbox locked after too many failed logins, try later",
            "user mailbox suspended",
            "mailbox locked by the administrator",
            "maildrop disabled",
            "Mailbox blocked",
            "Authentication failed, mailbox may be in use",
            "[AUTH] mailbox in use",
            "Password expired for this mailbox; try again later",
            "Ihr Konto ist gesperrt, Postfach geschlossen",
            "Postfach gesperrt",
            "casella bloccata",
            // Nothing that says which of the two it is.
            "try again later",
            "locked",
            "unable to open mailbox",
        ] {
            assert!(!says_in_use(words), "{words}");
        }
    }

    #[test]
    fn a_word_is_a_word_and_no_part_of_another() {
        assert!(!says_in_use("the clock of this mailbox is wrong"));
        assert!(!says_in_use("unlocked mailbox"));
        assert!(!says_in_use("mailbox in useless state"));
    }

    #[test]
    fn a_refusal_without_a_reason_is_told_as_such_with_the_step() {
        assert_eq!(
            reason(b" ", Kind::Pass),
            "it gave no reason (-ERR and nothing more, to PASS)"
        );
        assert_eq!(reason(b"no\x1b", Kind::Pass), "no\\x1b");
    }
}
