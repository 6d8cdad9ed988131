//! The list of crimes: a name and a sentence for each. What a crime is in detail, the machines know.

use std::fmt;

/// Which server commits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Pop3,
    /// The relay, which commits it by LMTP, too.
    Smtp,
    /// Only where there is an answer for each recipient.
    Lmtp,
}

/// What a server does at a step instead of agreeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Says no: `-ERR`, and a relay a 4xx.
    Refuse,
    /// A relay says no for good: a 5xx.
    Reject,
    Stall,
    Vanish,
    Gibberish,
    /// Hangs up in the middle of the first line of its answer.
    BreakOff,
}

/// One crime.
#[derive(Clone, Debug)]
pub struct Crime {
    pub name: String,
    pub side: Side,
    /// A sentence without a subject.
    pub what: String,
    /// For those that are a manner at a step.
    pub at: Option<(Manner, &'static str)>,
    /// Whether it is committed around STLS, so that the client must ask for that.
    pub stls: bool,
    /// Whether the client must wait for minutes to find out.
    pub waits: bool,
    /// Whether it sends as much as a client takes, in lines that are all to be read.
    pub floods: bool,
}

impl Crime {
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    fn named(side: Side, (name, what): (&str, &str)) -> Self {
        let stls = name.contains("stls") || name.contains("starttls") || name.contains("handshake");
        let waits = WAIT.contains(&name) || name.contains("every-nine-seconds");
        Self {
            name: name.to_owned(),
            side,
            what: what.to_owned(),
            at: None,
            stls,
            waits,
            floods: FLOODS.contains(&name),
        }
    }

    fn at(side: Side, manner: Manner, step: &'static str) -> Self {
        let prefix = if side == Side::Pop3 { "" } else { "smtp-" };
        let does = match manner {
            Manner::Refuse if side == Side::Smtp => "refuses for now",
            Manner::Refuse => "refuses",
            Manner::Reject => "refuses for good",
            Manner::Stall => "falls silent",
            Manner::Vanish => "hangs up",
            Manner::Gibberish => "talks gibberish",
            Manner::BreakOff => "hangs up in the middle of its answer",
        };
        Self {
            name: format!("{prefix}{manner}-{step}"),
            side,
            what: format!("{does} at {}", step.to_uppercase()),
            at: Some((manner, step)),
            stls: matches!(step, "stls" | "starttls"),
            waits: manner == Manner::Stall,
            floods: false,
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Reject => "reject",
            Self::Stall => "stall",
            Self::Vanish => "vanish",
            Self::Gibberish => "gibberish",
            Self::BreakOff => "break-off",
        })
    }
}

/// All of them.
pub fn crimes() -> Vec<Crime> {
    use Manner::{BreakOff, Gibberish, Refuse, Reject, Stall, Vanish};
    let mut crimes = Vec::new();
    for manner in [Refuse, Stall, Vanish, Gibberish, BreakOff] {
        crimes.extend(POP3_STEPS.map(|step| Crime::at(Side::Pop3, manner, step)));
    }
    crimes.extend(POP3.iter().map(|crime| Crime::named(Side::Pop3, *crime)));
    for manner in [Refuse, Reject, Stall, Vanish, Gibberish, BreakOff] {
        crimes.extend(SMTP_STEPS.map(|step| Crime::at(Side::Smtp, manner, step)));
    }
    crimes.extend(SMTP.iter().map(|crime| Crime::named(Side::Smtp, *crime)));
    crimes.extend(LMTP.iter().map(|crime| Crime::named(Side::Lmtp, *crime)));
    crimes
}

/// The crime with this name.
pub fn find(name: &str) -> Option<Crime> {
    crimes().into_iter().find(|crime| crime.is(name))
}

const POP3_STEPS: [&str; 11] = [
    "greeting", "capa", "stls", "user", "pass", "auth", "uidl", "list", "retr", "dele", "quit",
];

const SMTP_STEPS: [&str; 8] = [
    "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot",
];

/// The named ones that are found out by waiting, besides those that say so in their names.
const WAIT: &[&str] = &[
    "strip-greeting",
    "end-lines-with-lf",
    "smtp-strip-greeting",
    "smtp-take-and-stall",
];

/// Those that make a client read tens of megabytes.
const FLOODS: &[&str] = &["endless-listing", "endless-sizes", "million-entries"];

const POP3: &[(&str, &str)] = &[
    ("strip-greeting", "answers commands and never greets"),
    ("strip-capa", "announces nothing"),
    ("strip-stls", "announces no STLS and knows of none"),
    (
        "speak-early",
        "says yes to the whole login before it is asked",
    ),
    ("answer-stls-early", "says yes to STLS before it is asked"),
    ("answer-twice", "sends each answer twice"),
    ("inject-after-stls", "sends a line behind its yes to STLS"),
    (
        "inject-after-stls-without-crlf",
        "sends half a line behind its yes to STLS",
    ),
    (
        "inject-after-stls-split",
        "cuts its yes to STLS before the LF, and sends that with a line behind it",
    ),
    (
        "inject-into-handshake",
        "sends a line in the clear when the handshake has begun",
    ),
    (
        "renumber",
        "gives the messages other numbers in each session",
    ),
    (
        "repeat-unique-ids",
        "lists two messages under one unique-id",
    ),
    ("fold-unique-ids", "lists all messages under one unique-id"),
    (
        "reuse-unique-ids",
        "gives a new message the unique-id of one that is gone",
    ),
    (
        "rotate-unique-ids",
        "gives the messages each other's unique-ids in each session",
    ),
    (
        "change-unique-ids",
        "gives the messages new unique-ids in each session",
    ),
    ("strip-unique-ids", "lists numbers without unique-ids"),
    ("stretch-unique-ids", "lists unique-ids of 1,500 octets"),
    (
        "swap-messages",
        "hands out the next message instead of the one asked for",
    ),
    ("lie-about-sizes", "lists each message with one octet"),
    (
        "lie-about-sizes-upwards",
        "lists each message with nearly 2^63 octets",
    ),
    ("change-sizes", "lists other sizes in each session"),
    (
        "garble-sizes",
        "lists words and numbers beyond any range as sizes",
    ),
    (
        "lie-about-counts",
        "announces other counts than it lists, and lists sizes of messages that are not there",
    ),
    ("list-ghosts", "lists messages that are not there"),
    ("cut-in-header", "hangs up in the middle of a header"),
    ("cut-after-header", "hangs up right behind a header"),
    ("cut-in-body", "hangs up in the middle of a body"),
    (
        "cut-before-dot",
        "hangs up behind the last line, before the dot",
    ),
    ("cut-inside-dot", "hangs up behind the dot, before its CRLF"),
    ("cut-inside-dot-cr", "hangs up between CR and LF of the dot"),
    ("forget-deletes", "says yes to QUIT and deletes nothing"),
    (
        "delete-and-vanish",
        "deletes at QUIT and hangs up without a word",
    ),
    (
        "end-lines-with-lf",
        "ends all lines but the greeting with LF alone",
    ),
    ("endless-greeting", "greets in a line without an end"),
    ("endless-line", "answers PASS in a line without an end"),
    ("endless-capa", "announces capabilities without an end"),
    (
        "endless-challenge",
        "answers AUTH, and whatever follows, with a challenge",
    ),
    ("endless-listing", "lists unique-ids without an end"),
    ("endless-entry", "lists a unique-id without an end"),
    ("endless-sizes", "lists sizes without an end"),
    ("endless-message", "hands out messages without an end"),
    (
        "endless-message-line",
        "hands out messages of one line without an end",
    ),
    (
        "million-entries",
        "lists a million messages, of which a few are there",
    ),
    (
        "one-byte-every-nine-seconds",
        "hands out messages at one octet every nine seconds",
    ),
    (
        "one-byte-every-nine-seconds-always",
        "sends everything at one octet every nine seconds",
    ),
];

const SMTP: &[(&str, &str)] = &[
    ("smtp-strip-greeting", "answers commands and never greets"),
    (
        "smtp-strip-starttls",
        "announces no STARTTLS and knows of none",
    ),
    ("smtp-strip-extensions", "announces nothing"),
    (
        "smtp-speak-early",
        "says yes to a whole transaction before it is asked",
    ),
    (
        "smtp-answer-dot-early",
        "says yes to the dot before the message",
    ),
    ("smtp-answer-twice", "sends each answer twice"),
    (
        "smtp-inject-after-starttls",
        "sends a line behind its yes to STARTTLS",
    ),
    (
        "smtp-inject-after-starttls-without-crlf",
        "sends half a line behind its yes to STARTTLS",
    ),
    (
        "smtp-inject-after-starttls-split",
        "cuts its yes to STARTTLS before the LF, and sends that with a line behind it",
    ),
    (
        "smtp-inject-into-handshake",
        "sends a line in the clear when the handshake has begun",
    ),
    (
        "smtp-take-and-refuse",
        "takes the message and refuses it for now",
    ),
    (
        "smtp-take-and-vanish",
        "takes the message and hangs up without a word",
    ),
    ("smtp-take-and-stall", "takes the message and falls silent"),
    (
        "smtp-refuse-in-the-middle",
        "refuses in the middle of the message",
    ),
    ("smtp-close-with-421", "says 421 to each MAIL and hangs up"),
    ("smtp-close-at-the-dot", "says 421 to each dot and hangs up"),
    (
        "smtp-one-message-a-session",
        "says 421 to the second MAIL of a session and hangs up",
    ),
    (
        "smtp-refuse-the-sender-at-rcpt",
        "refuses each recipient unless the null sender names it",
    ),
    (
        "smtp-call-senders-malformed",
        "says 501 to each sender but the null one",
    ),
    (
        "smtp-answer-in-digits",
        "answers in three digits and nothing more",
    ),
    (
        "smtp-lie-about-size",
        "announces that it takes messages of ten octets",
    ),
    ("smtp-endless-greeting", "greets in a line without an end"),
    ("smtp-endless-ehlo", "announces extensions without an end"),
    (
        "smtp-endless-answer",
        "answers the dot in lines without an end",
    ),
    (
        "smtp-one-byte-every-nine-seconds",
        "sends everything at one octet every nine seconds",
    ),
];

const LMTP: &[(&str, &str)] = &[
    (
        "lmtp-answer-once",
        "answers the dot once, whatever the number of recipients",
    ),
    (
        "lmtp-answer-too-often",
        "answers the dot once more than there are recipients",
    ),
    (
        "lmtp-refuse-the-last",
        "takes the message for all recipients but the last",
    ),
    (
        "lmtp-vanish-between-answers",
        "hangs up behind the answer for the first recipient",
    ),
];
