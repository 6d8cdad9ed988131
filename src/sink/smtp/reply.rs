//! Interprets a relay's reply, and says who must act.

use std::borrow::Cow;
use std::fmt::Write as _;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;

use crate::mail::Secret;
use crate::mail::text::Shown;
use crate::sink::{Fault, Refusal};

/// The step of the session that a reply belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Greeting, EHLO, STARTTLS or AUTH.
    Opening,
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Dot,
}

/// A reply, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RelayReply {
    /// A code and its text, as received.
    Said(u16, String),
    /// No valid reply: the connection is lost, or the relay sends gibberish.
    Lost(String),
}

impl RelayReply {
    /// Converts lettre's result. lettre treats 3xx as positive and higher codes as an error.
    pub(super) fn of(answer: Result<Response, Error>) -> Self {
        match answer {
            Ok(response) => {
                let words: Vec<&str> = response.message().collect();
                Self::Said(u16::from(response.code()), words.join(" "))
            }
            Err(error) => {
                let source = std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                match error.status() {
                    Some(code) => Self::Said(u16::from(code), source),
                    None => Self::Lost(error.to_string()),
                }
            }
        }
    }

    /// The same reply without secrets.
    pub(super) fn without(self, secrets: &[Secret]) -> Self {
        let hidden = |words: String| {
            let words = Cow::Owned(words.into_bytes());
            let words = secrets
                .iter()
                .fold(words, |words, one| one.hidden_in(words));
            String::from_utf8_lossy(&words).into_owned()
        };
        match self {
            Self::Said(code, words) => {
                // A password may be equal to a part of a status code (RFC 3463), which must be
                // understood and therefore not hidden.
                match words.split_once(' ') {
                    Some((status, rest)) if is_status_code(status) => {
                        Self::Said(code, format!("{status} {}", hidden(rest.to_owned())))
                    }
                    _ => Self::Said(code, hidden(words)),
                }
            }
            Self::Lost(words) => Self::Lost(hidden(words)),
        }
    }

    /// The words, safe to show.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Said(_, words) | Self::Lost(words) => Shown::new(words).to_string(),
        }
    }

    /// Whether it is a 2xx.
    pub(super) const fn is_yes(&self) -> bool {
        matches!(self, Self::Said(200..=299, _))
    }

    /// Whether it is a 2xx or 3xx.
    pub(super) const fn is_positive(&self) -> bool {
        matches!(self, Self::Said(200..=399, _))
    }

    /// Whether it is the 354 that asks for the message.
    pub(super) const fn asks_for_message(&self) -> bool {
        matches!(self, Self::Said(354, _))
    }

    /// Whether the relay closes the session (RFC 5321 section 3.8).
    pub(super) const fn is_closing(&self) -> bool {
        matches!(self, Self::Said(421, _))
    }

    /// Whether no reply came.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// Whether this reply to MAIL refuses the form of the sender's address, and not the message.
    pub(super) fn refuses_sender_syntax(&self) -> bool {
        match self {
            Self::Said(501, words) => !words.starts_with("5.5.2"),
            Self::Said(553, words) => words.starts_with("5.1.7"),
            _ => false,
        }
    }

    /// Converts this reply at this step to a refusal, for a client that calls itself `helo`.
    pub(super) fn refusal(&self, step: Step, helo: &str) -> Refusal {
        match self {
            Self::Said(code, words) => {
                let (fault, name) = classify(step, *code, words);
                let shown = self.shown();
                let mut words = format!("{code} {shown}").trim_end().to_owned();
                if matches!(code, 501 | 504) && helo.contains('_') {
                    let _ = write!(
                        words,
                        ". mailferry says EHLO {}, which has an underscore and so is no host name: \
                         set `helo` of this delivery",
                        Shown::new(helo)
                    );
                }
                Refusal::new(fault, name, words)
            }
            Self::Lost(_) => {
                let (fault, name) = match step {
                    Step::Opening => (Fault::Destination, "smtp_lost"),
                    // The relay greeted, so it may fail because of this sender.
                    Step::Mail => (Fault::DestinationOrMessage, "smtp_lost"),
                    // The message may have been accepted: offer it again, because a possible
                    // duplicate is better than a loss.
                    Step::Dot => (Fault::MessageUnknown, "smtp_unknown"),
                    Step::Rcpt | Step::Data => (Fault::MessageTransient, "smtp_lost"),
                };
                let mut words = self.shown();
                if let (Step::Opening, Some(service)) = (step, other_service(&words)) {
                    let _ = write!(
                        words,
                        ". That is {service} and not SMTP: check `host` and `port` of this delivery"
                    );
                }
                Refusal::new(fault, name, words)
            }
        }
    }
}

/// Recognises another protocol by what was received where a reply was expected.
fn other_service(words: &str) -> Option<&'static str> {
    // lettre, or the reader before STARTTLS, says in front what it expected.
    let said = RECEIVED.iter().find_map(|before| words.split_once(before));
    let said = said?.1.trim_start_matches('"');
    let mut services = SERVICES.iter();
    services
        .find(|(start, _)| said.starts_with(start))
        .map(|(_, service)| *service)
}

const RECEIVED: [&str; 2] = [" at: ", ", got: "];

const SERVICES: [(&str, &str); 7] = [
    ("+OK", "a POP3 server"),
    ("-ERR", "a POP3 server"),
    ("* OK", "an IMAP server"),
    ("* BYE", "an IMAP server"),
    ("SSH-", "an SSH server"),
    ("HTTP/", "a web server"),
    ("<", "a web server"),
];

/// An enhanced status code: class, subject and detail (RFC 3463 section 2).
fn is_status_code(word: &str) -> bool {
    let mut parts = word.split('.');
    let digits = |part: &str, most| {
        (1..=most).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit())
    };
    let class = parts
        .next()
        .is_some_and(|class| ["2", "4", "5"].contains(&class));
    let rest = [parts.next(), parts.next()];
    class
        && rest
            .iter()
            .all(|part| part.is_some_and(|part| digits(part, 3)))
        && parts.next().is_none()
}

/// Who must act on a reply with this code at this step.
fn classify(step: Step, code: u16, words: &str) -> (Fault, &'static str) {
    let status = words.split(' ').next().unwrap_or_default();
    let ours = matches!(code, 501 | 504) && status == "5.5.2";
    let (_, detail) = status.split_once('.').unwrap_or_default();
    match (step, code) {
        (_, 530 | 535) => (Fault::Destination, "smtp_auth"),
        (Step::Opening, 421) => (Fault::Destination, "smtp_closing"),
        (Step::Opening, _) => (Fault::Destination, "smtp_refused_us"),
        (_, 421) => (Fault::DestinationOrMessage, "smtp_closing"),
        (Step::Mail | Step::Rcpt, _) if ours => (Fault::Destination, "smtp_refused_us"),
        (_, 400..=599) if detail == "2.2" => (Fault::MessageTransient, "smtp_mailbox_full"),
        (_, 400..=499) if status.starts_with("4.3.") => {
            (Fault::DestinationOrMessage, "smtp_system")
        }
        (_, 500..=599) if status == "5.3.5" => (Fault::DestinationOrMessage, "smtp_system"),
        (Step::Rcpt, 552) if !is_status_code(status) => {
            (Fault::MessageTransient, "smtp_mailbox_full")
        }
        (Step::Rcpt, 500..=599) if matches!(detail, "3.4" | "2.3") => {
            (Fault::MessagePermanent, "smtp_refused")
        }
        (Step::Rcpt, 500..=599) if RECIPIENT_DETAILS.contains(&detail) => {
            (Fault::Recipient, "smtp_no_recipient")
        }
        (Step::Rcpt, 500..=599) => (Fault::RecipientOrMessage, "smtp_no_recipient"),
        (_, 500..=599) => (Fault::MessagePermanent, "smtp_refused"),
        (_, 400..=499) => (Fault::MessageTransient, "smtp_temporary"),
        // 354 where a final reply is due, or an unknown number: it is unknown whether it was
        // accepted.
        (Step::Dot, _) => (Fault::MessageUnknown, "smtp_unknown"),
        _ => (Fault::MessageTransient, "smtp_gibberish"),
    }
}

/// Subject and detail of the status codes about the recipient's address (RFC 3463 section 3.2, RFC
/// 7505), and about a disabled mailbox.
const RECIPIENT_DETAILS: [&str; 6] = ["1.1", "1.2", "1.3", "1.6", "1.10", "2.1"];

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(step: Step, code: u16, words: &str) -> Fault {
        let reply = RelayReply::Said(code, words.to_owned());
        reply.refusal(step, "client.test").fault
    }

    #[test]
    fn each_step_and_code_says_who_must_act() {
        use Fault::{
            Destination, DestinationOrMessage, MessagePermanent, MessageTransient, Recipient,
            RecipientOrMessage,
        };
        for step in [Step::Mail, Step::Data, Step::Dot] {
            for (code, words, expected) in [
                (451, "4.7.1 later", MessageTransient),
                (451, "later", MessageTransient),
                (451, "4.3.0 queue", DestinationOrMessage),
                (452, "4.3.1 no room", DestinationOrMessage),
                (421, "closing", DestinationOrMessage),
                (554, "5.3.5 misconfigured", DestinationOrMessage),
                (550, "5.7.1 no", MessagePermanent),
                (552, "5.3.4 too big", MessagePermanent),
                (552, "5.2.2 full", MessageTransient),
                (452, "4.2.2 full", MessageTransient),
                (530, "login first", Destination),
                (535, "login first", Destination),
            ] {
                assert_eq!(
                    fault(step, code, words),
                    expected,
                    "{step:?} {code} {words}"
                );
            }
        }
        for (code, words, expected) in [
            (550, "5.1.1 unknown", Recipient),
            (556, "5.1.10 no mail", Recipient),
            (550, "5.2.1 disabled", Recipient),
            (550, "5.1.8 Sender address rejected", RecipientOrMessage),
            (553, "5.7.1 Sender address rejected", RecipientOrMessage),
            (550, "no such user", RecipientOrMessage),
            (552, "full", MessageTransient),
            (552, "5.3.4 too big", MessagePermanent),
            (452, "4.5.3 too many", MessageTransient),
            (504, "5.5.2 <x>: Helo command rejected", Destination),
            (501, "5.5.2 <x>: Helo command rejected", Destination),
        ] {
            assert_eq!(fault(Step::Rcpt, code, words), expected, "{code} {words}");
        }
        for code in [421, 450, 500, 504, 535, 554] {
            assert_eq!(fault(Step::Opening, code, ""), Destination, "{code}");
        }
    }

    #[test]
    fn a_name_with_an_underscore_is_reported_if_the_relay_refuses_names() {
        let words = |code, helo: &str| {
            let reply = RelayReply::Said(code, "5.5.2 bad name".to_owned());
            reply.refusal(Step::Opening, helo).words
        };
        for code in [501, 504] {
            let words = words(code, "my_host");
            assert!(
                words.contains("my_host") && words.contains("`helo`"),
                "{words}"
            );
        }
        assert!(!words(550, "my_host").contains("helo"));
        assert!(!words(501, "host.test").contains("helo"));
    }

    #[test]
    fn after_the_final_dot_silence_and_a_late_354_are_unknown_not_accepted() {
        assert_eq!(fault(Step::Dot, 354, "go on"), Fault::MessageUnknown);
        let lost = |step| {
            RelayReply::Lost("gone".into())
                .refusal(step, "client.test")
                .fault
        };
        assert_eq!(lost(Step::Dot), Fault::MessageUnknown);
        assert_eq!(lost(Step::Data), Fault::MessageTransient);
        assert!(!RelayReply::Said(354, String::new()).is_yes());
    }
}
