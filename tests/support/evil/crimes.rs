//! The list of crimes: a name and a sentence for each. The machines implement the details.

mod names;

use std::fmt;

use names::{FLOODS, LMTP, POP3, SMTP, WAIT};

/// The server that commits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Pop3,
    /// The relay; it also commits the crime by LMTP.
    Smtp,
    /// Only where there is an answer for each recipient.
    Lmtp,
}

/// What a server does at a step instead of agreeing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Refuses: `-ERR`, and a relay a 4xx.
    Refuse,
    /// A relay refuses permanently: a 5xx.
    Reject,
    Stall,
    Vanish,
    Gibberish,
    /// Closes the connection in the middle of the first line of its answer.
    BreakOff,
    /// Sends an empty line and nothing more.
    Blank,
    /// Sends an empty line, and then the right answer.
    BlankFirst,
    /// Refuses and closes the connection.
    RefuseAndVanish,
    /// Sends `+` when no challenge is due.
    Plus,
    /// Sends the right answer twice.
    Twice,
    /// Sends the right answer, and one more line.
    Trail,
}

/// One crime.
#[derive(Clone, Debug)]
pub struct Crime {
    pub name: String,
    pub side: Side,
    /// A sentence without a subject.
    pub what: String,
    /// Set for crimes that are a manner at a step.
    pub at: Option<(Manner, &'static str)>,
    /// Whether it is committed around STLS, so that the client must use STLS.
    pub stls: bool,
    /// Whether the client must wait for minutes to notice it.
    pub waits: bool,
    /// Whether it sends as much as a client accepts, in lines that must all be read.
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
            Manner::Blank => "says an empty line",
            Manner::BlankFirst => "says an empty line before its answer",
            Manner::RefuseAndVanish => "refuses and hangs up",
            Manner::Plus => "says + and nothing more",
            Manner::Twice => "answers twice",
            Manner::Trail => "says one line more than its answer",
        };
        Self {
            name: format!("{prefix}{manner}-{step}"),
            side,
            what: format!("{does} at {}", step.to_uppercase()),
            at: Some((manner, step)),
            stls: matches!(step, "stls" | "starttls"),
            waits: manner == Manner::Stall || manner.is_odd() && !is_for_sockets(manner, step),
            floods: false,
        }
    }
}

/// Of the odd answers, those that the program is tried with: those to retrieval, which is the
/// longest part of a session, and those after the yes to STLS, which need real TLS.
fn is_for_sockets(manner: Manner, step: &str) -> bool {
    match step {
        "retr" => manner != Manner::Blank,
        "stls" => matches!(manner, Manner::Twice | Manner::Trail),
        _ => false,
    }
}

impl Manner {
    /// Whether it is one of those that exist only in POP3.
    pub const fn is_odd(self) -> bool {
        matches!(
            self,
            Self::Blank
                | Self::BlankFirst
                | Self::RefuseAndVanish
                | Self::Plus
                | Self::Twice
                | Self::Trail
        )
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
            Self::Blank => "blank",
            Self::BlankFirst => "blank-first",
            Self::RefuseAndVanish => "refuse-and-vanish",
            Self::Plus => "plus",
            Self::Twice => "twice",
            Self::Trail => "trail",
        })
    }
}

/// All of them.
pub fn crimes() -> Vec<Crime> {
    use Manner::{
        Blank, BlankFirst, BreakOff, Gibberish, Plus, Refuse, RefuseAndVanish, Reject, Stall,
        Trail, Twice, Vanish,
    };
    let mut crimes = Vec::new();
    for manner in [Refuse, Stall, Vanish, Gibberish, BreakOff] {
        crimes.extend(POP3_STEPS.map(|step| Crime::at(Side::Pop3, manner, step)));
    }
    for manner in [Blank, BlankFirst, RefuseAndVanish, Plus, Twice, Trail] {
        crimes.extend(ODD_STEPS.map(|step| Crime::at(Side::Pop3, manner, step)));
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

const POP3_STEPS: [&str; 12] = [
    "greeting", "capa", "stls", "user", "pass", "auth", "uidl", "list", "top", "retr", "dele",
    "quit",
];

/// The steps that are answered oddly.
const ODD_STEPS: [&str; 13] = [
    "greeting", "capa", "stls", "user", "pass", "auth", "uidl", "list", "top", "retr", "dele",
    "noop", "quit",
];

const SMTP_STEPS: [&str; 8] = [
    "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot",
];
