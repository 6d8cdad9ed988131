//! A server's reply, and the step of the session that it belongs to.

use std::borrow::Cow;

use crate::mail::Secret;
use crate::mail::text::Shown;
use crate::proto::transaction::EnhancedCode;

/// The step of the session that a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Greeting, EHLO or LHLO, STARTTLS or AUTH.
    Opening,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA and the message, before the final dot.
    Data,
    /// After the final dot.
    Dot,
}

/// A reply, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerReply {
    /// A code and the text of each line, as received.
    Said(u16, Vec<String>),
    /// No valid reply: the connection is lost, or the server sends gibberish. The words say which.
    Lost(String),
}

/// What a reply means for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    /// 2xx.
    Yes,
    /// The 354 that asks for the message.
    GoAhead,
    /// 4xx or 5xx, except 421.
    No,
    /// 421: the server closes the session (RFC 5321 section 3.8).
    Closing,
    /// A code that answers no command of a transaction.
    Odd,
    /// No reply came, and none will.
    Lost,
}

impl ServerReply {
    /// What it means for a transaction.
    pub const fn kind(&self) -> ReplyKind {
        match self {
            Self::Said(200..=299, _) => ReplyKind::Yes,
            Self::Said(354, _) => ReplyKind::GoAhead,
            Self::Said(421, _) => ReplyKind::Closing,
            Self::Said(400..=599, _) => ReplyKind::No,
            Self::Said(..) => ReplyKind::Odd,
            Self::Lost(_) => ReplyKind::Lost,
        }
    }

    /// Whether it is a 2xx.
    pub const fn is_yes(&self) -> bool {
        matches!(self.kind(), ReplyKind::Yes)
    }

    /// Whether the server does not know the command.
    pub const fn is_unknown_command(&self) -> bool {
        matches!(self, Self::Said(500 | 502, _))
    }

    /// The text of each line; none if no reply came.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = match self {
            Self::Said(_, lines) => lines.as_slice(),
            Self::Lost(_) => &[],
        };
        lines.iter().map(String::as_str)
    }

    /// The enhanced status code at the beginning of its text.
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        EnhancedCode::of(self.lines().next()?)
    }

    /// Whether this reply to MAIL refuses the form of the sender's address, and not the message.
    pub fn refuses_sender_syntax(&self) -> bool {
        let about = self
            .enhanced()
            .map(|code| (code.class, code.subject, code.detail));
        match self {
            Self::Said(501, _) => about != Some((5, 5, 2)),
            Self::Said(553, _) => about == Some((5, 1, 7)),
            _ => false,
        }
    }

    /// The same reply without secrets: some servers repeat what they were sent.
    #[must_use]
    pub fn without(self, secrets: &[Secret]) -> Self {
        let hidden = |words: String| {
            let words = Cow::Owned(words.into_bytes());
            let words = secrets
                .iter()
                .fold(words, |words, one| one.hidden_in(words));
            String::from_utf8_lossy(&words).into_owned()
        };
        // A password may be equal to a part of an enhanced status code, which must be understood
        // and therefore not hidden.
        let hidden_in_line = |line: String| match line.split_once(' ') {
            Some((code, rest)) if EnhancedCode::of(code).is_some() => {
                format!("{code} {}", hidden(rest.to_owned()))
            }
            _ => hidden(line),
        };
        match self {
            Self::Said(code, lines) => {
                Self::Said(code, lines.into_iter().map(hidden_in_line).collect())
            }
            Self::Lost(words) => Self::Lost(hidden(words)),
        }
    }

    /// The words, safe to show.
    pub fn shown(&self) -> String {
        match self {
            Self::Said(_, lines) => Shown::new(&lines.join(" ")).to_string(),
            Self::Lost(words) => Shown::new(words).to_string(),
        }
    }

    /// Code and words, safe to show; the words alone if no reply came.
    pub fn shown_with_code(&self) -> String {
        match self {
            Self::Said(code, _) => format!("{code} {}", self.shown()).trim_end().to_owned(),
            Self::Lost(_) => self.shown(),
        }
    }
}
