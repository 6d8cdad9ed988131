//! The words that servers use when they refuse a login without a response code, from their sources
//! and from reports about them.

/// A refusal, split into words in lower case.
pub(super) struct RefusalWords(Vec<String>);

impl RefusalWords {
    pub(super) fn of(text: &str) -> Self {
        let words = text
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase);
        Self(words.collect())
    }

    /// Whether a word begins with one of these.
    pub(super) fn begin(&self, known: &[&str]) -> bool {
        let begins = |word: &String| known.iter().any(|stem| word.starts_with(stem));
        self.0.iter().any(begins)
    }

    /// Whether it contains one of these phrases, word for word.
    pub(super) fn hold(&self, known: &[&[&str]]) -> bool {
        let stands = |phrase: &&[&str]| {
            let mut windows = self.0.windows(phrase.len());
            windows.any(|window| window == *phrase)
        };
        known.iter().any(stands)
    }

    /// Whether the words mean a fault of the server, in any step.
    pub(super) fn tell_of_a_fault(&self) -> bool {
        self.begin(PASSING)
            || self.hold(FAULTS)
            || (self.begin(OF_THE_SERVER) && self.begin(TROUBLE))
    }

    /// The first number of minutes, or of another unit, in seconds.
    pub(super) fn wait_seconds(&self) -> Option<u64> {
        self.0.windows(2).find_map(|window| {
            let number: u64 = window[0].parse().ok()?;
            let (_, seconds) = UNITS.iter().find(|(unit, _)| window[1] == *unit)?;
            (number > 0).then(|| number.saturating_mul(*seconds))
        })
    }
}

const UNITS: &[(&str, u64)] = &[
    ("second", 1),
    ("seconds", 1),
    ("secs", 1),
    ("sekunden", 1),
    ("minute", 60),
    ("minutes", 60),
    ("mins", 60),
    ("minuten", 60),
    ("hour", 3600),
    ("hours", 3600),
];

/// Beginnings of words about the account and its user.
pub(super) const OF_THE_ACCOUNT: &[&str] = &[
    "account",
    "user",
    "konto",
    "benutzer",
    "compte",
    "utilisateur",
    "cuenta",
    "usuario",
    "utente",
];

/// Beginnings of words about the password, or about who has locked the account and why.
pub(super) const OF_BLAME: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "credential",
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
    "banned",
    "blacklist",
    "failures",
    "unknown",
    "passwort",
    "kennwort",
    "gesperrt",
    "contrase",
    "senha",
];

/// Beginnings of words that name the step which failed, and not the reason.
pub(super) const OF_A_STEP: &[&str] = &["auth", "logon", "fail"];

/// Together with a failure: failures are counted.
pub(super) const MANY: &[&str] = &["many", "maximum"];

/// Beginnings of words for a maildrop, and for a session with one.
pub(super) const OF_THE_MAILDROP: &[&str] = &[
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

/// Beginnings of words for a maildrop in use.
pub(super) const TAKEN: &[&str] = &["lock", "busy", "verrouill", "occupat", "ocupad", "occupé"];

/// Phrases for a maildrop in use.
pub(super) const TAKEN_PHRASES: &[&[&str]] = &[
    &["in", "use"],
    &["being", "used"],
    &["already", "open"],
    &["already", "opened"],
    &["exclusive", "access"],
    &["another", "session"],
    &["other", "session"],
    &["another", "connection"],
    &["another", "client"],
    &["another", "process"],
    &["in", "benutzung"],
    &["bereits", "verwendet"],
    &["bereits", "geöffnet"],
    &["en", "uso"],
    &["in", "uso"],
    &["em", "uso"],
];

/// Phrases for a limit of simultaneous sessions.
pub(super) const TOO_MANY_CONNECTIONS: &[&[&str]] = &[
    &["too", "many", "connections"],
    &["too", "many", "sessions"],
    &["too", "many", "simultaneous"],
    &["too", "many", "concurrent"],
    &["too", "many", "pop3", "connections"],
    &["too", "many", "open", "connections"],
    &["number", "of", "connections"],
    &["number", "of", "simultaneous", "connections"],
    &["number", "of", "concurrent", "connections"],
    &["connection", "limit"],
    &["connections", "limit"],
    &["maximum", "connections"],
];

/// Phrases for a limit of logins in a time.
pub(super) const TOO_OFTEN: &[&[&str]] = &[
    &["login", "limit"],
    &["login", "frequency"],
    &["login", "interval"],
    &["too", "many", "logins"],
    &["too", "frequent"],
    &["too", "frequently"],
    &["too", "often"],
    &["too", "soon"],
    &["rate", "limit"],
    &["rate", "exceeded"],
    &["minimum", "time", "between"],
    &["zu", "oft"],
    &["zu", "häufig"],
];

/// Phrases for when to try again, without a reason.
pub(super) const LATER: &[&[&str]] = &[
    &["try", "later"],
    &["try", "again", "later"],
    &["später"],
    &["plus", "tard"],
    &["más", "tarde"],
];

/// Beginnings of words for planned work on a server.
pub(super) const MAINTENANCE: &[&str] = &["maintenance", "wartung", "mantenimiento"];

/// Beginnings of words that name the password.
pub(super) const OF_THE_PASSWORD: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "credential",
    "passwort",
    "kennwort",
    "contrase",
    "senha",
];

/// Beginnings of words that say of a password that it is not the right one.
pub(super) const NOT_RIGHT: &[&str] = &[
    "wrong",
    "bad",
    "incorrect",
    "invalid",
    "unknown",
    "mismatch",
    "rejected",
    "expired",
    "falsch",
    "ungültig",
    "erroné",
    "inválid",
    "incorret",
];

/// Beginnings of words for a temporary fault.
const PASSING: &[&str] = &[
    "temporar",
    "temporär",
    "temporal",
    "vorübergehend",
    "overload",
    "maintenance",
    "wartung",
    "mantenimiento",
];

/// Phrases for faults of a server.
const FAULTS: &[&[&str]] = &[
    &["internal", "error"],
    &["too", "busy"],
    &["out", "of", "memory"],
    &["unable", "to", "fork"],
    &["child", "crashed"],
    &["shutting", "down"],
];

/// Beginnings of words for a server and the parts that it depends on.
const OF_THE_SERVER: &[&str] = &[
    "server",
    "service",
    "system",
    "backend",
    "database",
    "sql",
    "mysql",
    "ldap",
    "directory",
    "storage",
];

/// Beginnings of words for a fault of one of these.
const TROUBLE: &[&str] = &[
    "unavailable",
    "available",
    "error",
    "problem",
    "busy",
    "down",
    "unreachable",
    "timeout",
    "timed",
];
