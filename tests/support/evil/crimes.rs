//! The list of crimes: a name and a sentence for each. What a crime is in detail, the machines
//! know.

mod names;

use std::fmt;

use names::{FLOODS, LMTP, POP3, SMTP, WAIT};

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
    /// Says an empty line and nothing more.
    Blank,
    /// Says an empty line, and then what is due.
    BlankFirst,
    /// Says no and hangs up.
    RefuseAndVanish,
    /// Says `+` where none is due.
    Plus,
    /// Says what is due, twice.
    Twice,
    /// Says what is due, and one line more.
    Trail,
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

/// Of the odd ones, those that the program is tried with: retrieval, which is the longest part of a
/// session, and what is said after a yes to STLS, which needs real TLS.
fn is_for_sockets(manner: Manner, step: &str) -> bool {
    match step {
        "retr" => manner != Manner::Blank,
        "stls" => matches!(manner, Manner::Twice | Manner::Trail),
        _ => false,
    }
}

impl Manner {
    /// Whether it is one of those that POP3 alone knows.
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

/// Those that are answered oddly.
const ODD_STEPS: [&str; 13] = [
    "greeting", "capa", "stls", "user", "pass", "auth", "uidl", "list", "top", "retr", "dele",
    "noop", "quit",
];

const SMTP_STEPS: [&str; 8] = [
    "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot",
];
