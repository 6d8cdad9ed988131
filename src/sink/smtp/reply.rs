//! What a relay's reply means, and who must act (design section 2).

use std::borrow::Cow;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;

use crate::mail::Secret;
use crate::mail::text::Shown;
use crate::sink::{Fault, Refusal};

/// Where in the conversation a reply came.
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
pub(super) enum Reply {
    /// A code and its text, as it came.
    Said(u16, String),
    /// No reply that could be understood: the link is lost, or the relay talks gibberish.
    Lost(String),
}

impl Reply {
    /// What lettre made of it. It calls 3xx positive and everything above an error.
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

    /// The same without what must not be shown.
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
                // A password may be part of a status code (RFC 3463), which is to be understood and not hidden.
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

    /// Whether it is the 354 that asks for the message.
    pub(super) const fn asks_for_message(&self) -> bool {
        matches!(self, Self::Said(354, _))
    }

    /// Whether the relay is gone or going: nothing was said about this message.
    pub(super) const fn is_goodbye(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Said(421, _))
    }

    /// The refusal that this reply is at this step.
    pub(super) fn refusal(&self, step: Step) -> Refusal {
        match self {
            Self::Said(code, words) => {
                let (fault, name) = classify(step, *code, words);
                Refusal::new(fault, name, format!("{code} {}", self.shown()))
            }
            Self::Lost(_) => {
                let (fault, name) = match step {
                    Step::Opening => (Fault::Destination, "smtp_lost"),
                    // The message may have been taken: offered again, and perhaps doubled, rather than lost.
                    Step::Dot => (Fault::MessageUnknown, "smtp_unknown"),
                    Step::Mail | Step::Rcpt | Step::Data => (Fault::MessageTransient, "smtp_lost"),
                };
                Refusal::new(fault, name, self.shown())
            }
        }
    }
}

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

fn classify(step: Step, code: u16, words: &str) -> (Fault, &'static str) {
    match (step, code) {
        (_, 421) => (Fault::Destination, "smtp_closing"),
        (_, 530 | 535) => (Fault::Destination, "smtp_auth"),
        (Step::Opening, _) => (Fault::Destination, "smtp_refused_us"),
        (_, 500..=599) if words.starts_with("5.2.2") => {
            (Fault::MessageTransient, "smtp_mailbox_full")
        }
        (Step::Rcpt, 552) => (Fault::MessageTransient, "smtp_mailbox_full"),
        (Step::Rcpt, 500..=599) => (Fault::Recipient, "smtp_no_recipient"),
        (_, 500..=599) => (Fault::MessagePermanent, "smtp_refused"),
        (_, 400..=499) => (Fault::MessageTransient, "smtp_temporary"),
        // 354 where a final answer is due, or a number of no meaning: nobody can know.
        (Step::Dot, _) => (Fault::MessageUnknown, "smtp_unknown"),
        _ => (Fault::MessageTransient, "smtp_gibberish"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(step: Step, code: u16, words: &str) -> Fault {
        Reply::Said(code, words.to_owned()).refusal(step).fault
    }

    #[test]
    fn each_step_and_code_says_who_must_act() {
        for step in [Step::Mail, Step::Data, Step::Dot] {
            assert_eq!(
                fault(step, 451, "4.3.0 later"),
                Fault::MessageTransient,
                "{step:?}"
            );
            assert_eq!(
                fault(step, 550, "5.7.1 no"),
                Fault::MessagePermanent,
                "{step:?}"
            );
            assert_eq!(
                fault(step, 552, "5.3.4 too big"),
                Fault::MessagePermanent,
                "{step:?}"
            );
            assert_eq!(
                fault(step, 552, "5.2.2 full"),
                Fault::MessageTransient,
                "{step:?}"
            );
            assert_eq!(
                fault(step, 530, "login first"),
                Fault::Destination,
                "{step:?}"
            );
            assert_eq!(fault(step, 421, "closing"), Fault::Destination, "{step:?}");
        }
        assert_eq!(fault(Step::Rcpt, 550, "5.1.1 unknown"), Fault::Recipient);
        assert_eq!(
            fault(Step::Rcpt, 452, "4.5.3 too many"),
            Fault::MessageTransient
        );
        for code in [421, 450, 500, 535, 554] {
            assert_eq!(fault(Step::Opening, code, ""), Fault::Destination, "{code}");
        }
    }

    #[test]
    fn after_the_final_dot_silence_and_a_late_354_are_unknown_not_accepted() {
        assert_eq!(fault(Step::Dot, 354, "go on"), Fault::MessageUnknown);
        assert_eq!(
            Reply::Lost("gone".into()).refusal(Step::Dot).fault,
            Fault::MessageUnknown
        );
        assert_eq!(
            Reply::Lost("gone".into()).refusal(Step::Data).fault,
            Fault::MessageTransient
        );
        assert!(!Reply::Said(354, String::new()).is_yes());
    }
}
