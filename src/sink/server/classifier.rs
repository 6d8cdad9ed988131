//! Says who must act on a server's reply, or on its silence.

use std::fmt::Write as _;
use std::time::Duration;

use crate::mail::text::Shown;
use crate::proto::transaction::{Dialect, ServerReply, Step, Unsendable};
use crate::sink::{Fault, Refusal};

/// Classifies the replies of one server.
#[derive(Clone, Copy, Debug)]
pub(in crate::sink) struct Classifier<'a> {
    /// The server's protocol.
    pub(in crate::sink) dialect: Dialect,
    /// The name that we say in EHLO or LHLO.
    pub(in crate::sink) helo: &'a str,
}

/// Why a server refused; the code of a refusal is this in its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sink) enum ServerCause {
    Auth,
    Closing,
    Gibberish,
    Lost,
    MailboxFull,
    NoRecipient,
    NoUtf8,
    Refused,
    RefusedUs,
    System,
    Temporary,
    Timeout,
    TooBig,
    Unknown,
}

impl ServerCause {
    /// The stable code.
    const fn code(self, dialect: Dialect) -> &'static str {
        let (smtp, lmtp) = match self {
            Self::Auth => ("smtp_auth", "lmtp_auth"),
            Self::Closing => ("smtp_closing", "lmtp_closing"),
            Self::Gibberish => ("smtp_gibberish", "lmtp_gibberish"),
            Self::Lost => ("smtp_lost", "lmtp_lost"),
            Self::MailboxFull => ("smtp_mailbox_full", "lmtp_mailbox_full"),
            Self::NoRecipient => ("smtp_no_recipient", "lmtp_no_recipient"),
            Self::NoUtf8 => ("smtp_no_utf8", "lmtp_no_utf8"),
            Self::Refused => ("smtp_refused", "lmtp_refused"),
            Self::RefusedUs => ("smtp_refused_us", "lmtp_refused_us"),
            Self::System => ("smtp_system", "lmtp_system"),
            Self::Temporary => ("smtp_temporary", "lmtp_temporary"),
            Self::Timeout => ("smtp_timeout", "lmtp_timeout"),
            Self::TooBig => ("smtp_too_big", "lmtp_too_big"),
            Self::Unknown => ("smtp_unknown", "lmtp_unknown"),
        };
        match dialect {
            Dialect::Smtp => smtp,
            Dialect::Lmtp => lmtp,
        }
    }
}

impl Classifier<'_> {
    /// A refusal by this server.
    pub(in crate::sink) fn refuse(
        &self,
        fault: Fault,
        cause: ServerCause,
        words: impl Into<String>,
    ) -> Refusal {
        Refusal::new(fault, cause.code(self.dialect), words)
    }

    /// The refusal of a server whose replies cannot be matched to commands.
    pub(in crate::sink) fn gibberish(&self, fault: Fault) -> Refusal {
        let words = format!("{} sent a reply to no command", self.server());
        self.refuse(fault, ServerCause::Gibberish, words)
    }

    /// The words about a server that did not answer within the time of a step.
    pub(in crate::sink) fn silence(&self, step: Duration) -> String {
        let (server, seconds) = (self.server(), step.as_secs_f64());
        format!("{server} did not answer within {seconds} seconds")
    }

    /// The refusal of a recipient about whom the server was not asked.
    pub(super) fn unsendable(&self, why: Unsendable) -> Refusal {
        let server = self.server();
        match why {
            Unsendable::TooLarge { octets, limit } => {
                let words = format!("the message has {octets} octets, and {server} takes {limit}");
                self.refuse(Fault::MessagePermanent, ServerCause::TooBig, words)
            }
            Unsendable::NotAscii => {
                let words =
                    format!("the recipient is not ASCII, and {server} does not announce SMTPUTF8");
                self.refuse(Fault::Recipient, ServerCause::NoUtf8, words)
            }
        }
    }

    /// Applies the result of the test with the null sender to the refusal of a recipient. `again`
    /// is the reply to the test, if it could be made.
    ///
    /// A recipient that is refused again stays [`Fault::RecipientOrMessage`]. If it is accepted, or
    /// if the test proves nothing, it becomes [`Fault::MessagePermanent`].
    pub(super) fn conclude_test(&self, refusal: &mut Refusal, again: Option<&ServerReply>) {
        let again = again.map(|reply| (reply.is_yes(), self.refusal(Step::Rcpt, reply).fault));
        let finding = match again {
            Some((false, fault @ (Fault::Recipient | Fault::RecipientOrMessage))) => {
                refusal.fault = fault;
                return;
            }
            Some((true, _)) => {
                format!(
                    "{} accepts the recipient from the null sender",
                    self.server()
                )
            }
            _ => "a test with the null sender proved nothing about the recipient".to_owned(),
        };
        let words = format!("{} ({finding})", refusal.words);
        *refusal = self.refuse(Fault::MessagePermanent, ServerCause::Refused, words);
    }

    /// Converts a reply at a step to a refusal.
    pub(in crate::sink) fn refusal(&self, step: Step, reply: &ServerReply) -> Refusal {
        let (fault, cause) = match reply {
            ServerReply::Said(code, _) => classify(self.dialect, step, *code, reply),
            ServerReply::Lost(_) => classify_lost(step),
        };
        let mut words = reply.shown_with_code();
        self.add_hint(step, reply, &mut words);
        self.refuse(fault, cause, words)
    }

    /// The refusal of a server that did not agree to EHLO or LHLO.
    pub(super) fn refusal_of_hello(&self, reply: &ServerReply) -> Refusal {
        let mut refusal = self.refusal(Step::Opening, reply);
        if self.dialect == Dialect::Lmtp && reply.is_unknown_command() {
            refusal.words.push_str(
                ". A server that does not know LHLO speaks SMTP: check the address of this \
                 delivery, or use `type = \"smtp\"`",
            );
        }
        refusal
    }

    /// Adds what to try.
    fn add_hint(&self, step: Step, reply: &ServerReply, words: &mut String) {
        let _ = match (reply, step, self.dialect) {
            (ServerReply::Said(501 | 504, _), _, Dialect::Smtp) if self.helo.contains('_') => {
                let helo = Shown::new(self.helo);
                write!(
                    words,
                    ". mailferry says EHLO {helo}, which has an underscore and so is no host name: \
                     set `helo` of this delivery"
                )
            }
            (ServerReply::Lost(_), Step::Opening, _) => match other_service(words) {
                Some(service) => {
                    let (protocol, settings) = match self.dialect {
                        Dialect::Smtp => ("SMTP", "`host` and `port`"),
                        Dialect::Lmtp => ("LMTP", "the address"),
                    };
                    write!(
                        words,
                        ". That is {service} and not {protocol}: check {settings} of this delivery"
                    )
                }
                None => Ok(()),
            },
            _ => Ok(()),
        };
    }

    /// What messages call it.
    const fn server(&self) -> &'static str {
        match self.dialect {
            Dialect::Smtp => "the relay",
            Dialect::Lmtp => "the LMTP server",
        }
    }
}

/// Recognises another protocol by what was received where a reply was expected.
fn other_service(words: &str) -> Option<&'static str> {
    let (_, said) = words.split_once("expected a reply, got: ")?;
    let mut services = SERVICES.iter();
    services
        .find(|(start, _)| said.starts_with(start))
        .map(|(_, service)| *service)
}

const SERVICES: [(&str, &str); 7] = [
    ("+OK", "a POP3 server"),
    ("-ERR", "a POP3 server"),
    ("* OK", "an IMAP server"),
    ("* BYE", "an IMAP server"),
    ("SSH-", "an SSH server"),
    ("HTTP/", "a web server"),
    ("<", "a web server"),
];

/// Who must act when no reply came at this step.
const fn classify_lost(step: Step) -> (Fault, ServerCause) {
    match step {
        Step::Opening => (Fault::Destination, ServerCause::Lost),
        // It was there for the greeting: this sender may be what it fails at.
        Step::Mail => (Fault::DestinationOrMessage, ServerCause::Lost),
        // The message may have been accepted: offer it again, because a possible duplicate is
        // better than a loss.
        Step::Dot => (Fault::MessageUnknown, ServerCause::Unknown),
        Step::Rcpt | Step::Data => (Fault::MessageTransient, ServerCause::Lost),
    }
}

/// Who must act on a reply with this code at this step.
fn classify(dialect: Dialect, step: Step, code: u16, reply: &ServerReply) -> (Fault, ServerCause) {
    let enhanced = reply.enhanced();
    let numbers = enhanced.map(|code| (code.class, code.subject, code.detail));
    let about = enhanced.map(|code| (code.subject, code.detail));
    let ours = matches!(code, 501 | 504) && numbers == Some((5, 5, 2));
    // A reply about one recipient: by LMTP, each reply to the dot is one too.
    let by_lmtp = dialect == Dialect::Lmtp;
    let of_recipient = step == Step::Rcpt || (by_lmtp && step == Step::Dot);
    // By SMTP a refusal at the dot is for all recipients.
    let waits = if by_lmtp {
        Fault::RecipientTransient
    } else {
        Fault::MessageTransient
    };
    match (step, code) {
        (_, 530 | 535) => (Fault::Destination, ServerCause::Auth),
        (Step::Opening, 421) => (Fault::Destination, ServerCause::Closing),
        (Step::Opening, _) => (Fault::Destination, ServerCause::RefusedUs),
        (_, 421) => (Fault::DestinationOrMessage, ServerCause::Closing),
        (Step::Mail | Step::Rcpt, _) if ours => (Fault::Destination, ServerCause::RefusedUs),
        (_, 400..=599) if about == Some((2, 2)) => (waits, ServerCause::MailboxFull),
        // Dovecot's LMTP: too many deliveries for this user at once, or its storage fails.
        (_, 400..=499) if by_lmtp && of_recipient && numbers == Some((4, 3, 0)) => {
            (waits, ServerCause::Temporary)
        }
        (_, 400..=499) if matches!(numbers, Some((4, 3, _))) => {
            (Fault::DestinationOrMessage, ServerCause::System)
        }
        (_, 500..=599) if numbers == Some((5, 3, 5)) => {
            (Fault::DestinationOrMessage, ServerCause::System)
        }
        (_, 552) if of_recipient && enhanced.is_none() => (waits, ServerCause::MailboxFull),
        (Step::Rcpt, 500..=599) if matches!(about, Some((3, 4) | (2, 3))) => {
            (Fault::MessagePermanent, ServerCause::Refused)
        }
        (Step::Rcpt, 500..=599) if about.is_some_and(is_of_recipient) => {
            (Fault::Recipient, ServerCause::NoRecipient)
        }
        (Step::Rcpt, 500..=599) => (Fault::RecipientOrMessage, ServerCause::NoRecipient),
        // At the dot the recipient was accepted at RCPT already, so it is this message that is
        // refused, whatever the status code names: a forwarding address, or a filter's rule.
        (_, 500..=599) => (Fault::MessagePermanent, ServerCause::Refused),
        (_, 400..=499) => (Fault::MessageTransient, ServerCause::Temporary),
        // 354 where a final reply is due, or an unknown number: it is unknown whether it was
        // accepted.
        (Step::Dot, _) => (Fault::MessageUnknown, ServerCause::Unknown),
        _ => (Fault::MessageTransient, ServerCause::Gibberish),
    }
}

/// Whether subject and detail of a status code are about the recipient's address (RFC 3463 section
/// 3.2, RFC 7505), or about a disabled mailbox.
const fn is_of_recipient(about: (u16, u16)) -> bool {
    matches!(about, (1, 1 | 2 | 3 | 6 | 10) | (2, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: Classifier<'_> = Classifier {
        dialect: Dialect::Smtp,
        helo: "client.test",
    };

    const LMTP: Classifier<'_> = Classifier {
        dialect: Dialect::Lmtp,
        ..RELAY
    };

    fn said(code: u16, words: &str) -> ServerReply {
        ServerReply::Said(code, vec![words.to_owned()])
    }

    fn fault(step: Step, code: u16, words: &str) -> Fault {
        RELAY.refusal(step, &said(code, words)).fault
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
            let relay = Classifier { helo, ..RELAY };
            relay
                .refusal(Step::Opening, &said(code, "5.5.2 bad name"))
                .words
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
        let gone = ServerReply::Lost("gone".into());
        let lost = |step| RELAY.refusal(step, &gone).fault;
        assert_eq!(lost(Step::Dot), Fault::MessageUnknown);
        assert_eq!(lost(Step::Data), Fault::MessageTransient);
        assert!(!said(354, "").is_yes());
    }

    #[test]
    fn by_lmtp_a_reply_to_the_dot_is_about_one_recipient() {
        use Fault::{DestinationOrMessage, MessagePermanent, Recipient, RecipientTransient};
        for (code, words, expected, name) in [
            (552, "5.2.2 full", RecipientTransient, "lmtp_mailbox_full"),
            (452, "4.2.2 full", RecipientTransient, "lmtp_mailbox_full"),
            (552, "full", RecipientTransient, "lmtp_mailbox_full"),
            (
                451,
                "4.3.0 too many for this user",
                RecipientTransient,
                "lmtp_temporary",
            ),
            (452, "4.3.1 no room", DestinationOrMessage, "lmtp_system"),
            (
                552,
                "5.2.3 too large for it",
                MessagePermanent,
                "lmtp_refused",
            ),
            (
                421,
                "4.3.2 shutting down",
                DestinationOrMessage,
                "lmtp_closing",
            ),
        ] {
            for step in [Step::Rcpt, Step::Dot] {
                let refusal = LMTP.refusal(step, &said(code, words));
                let found = (refusal.fault, refusal.code);
                assert_eq!(found, (expected, name), "{step:?} {code} {words}");
            }
        }
        for words in ["5.1.1 unknown", "5.2.1 disabled", "5.1.6 moved"] {
            let found = |step| {
                let refusal = LMTP.refusal(step, &said(550, words));
                (refusal.fault, refusal.code)
            };
            assert_eq!(found(Step::Rcpt), (Recipient, "lmtp_no_recipient"));
            assert_eq!(found(Step::Dot), (MessagePermanent, "lmtp_refused"));
        }
        let refusal = |step| LMTP.refusal(step, &said(550, "no")).fault;
        assert_eq!(refusal(Step::Rcpt), Fault::RecipientOrMessage);
        assert_eq!(
            refusal(Step::Dot),
            MessagePermanent,
            "no test could prove more"
        );
        let fault = |step| LMTP.refusal(step, &said(451, "4.3.0 down")).fault;
        assert_eq!(fault(Step::Mail), DestinationOrMessage);
    }

    #[test]
    fn a_server_of_another_protocol_is_named() {
        let lost = ServerReply::Lost("expected a reply, got: +OK Dovecot ready.".to_owned());
        for (classifier, protocol) in [(RELAY, "SMTP"), (LMTP, "LMTP")] {
            let words = classifier.refusal(Step::Opening, &lost).words;
            let hint = format!("a POP3 server and not {protocol}");
            assert!(words.contains(&hint), "{words}");
        }
        let unknown = said(502, "5.5.2 what?");
        let words = LMTP.refusal_of_hello(&unknown).words;
        assert!(words.contains("speaks SMTP"), "{words}");
        let words = LMTP.refusal(Step::Opening, &unknown).words;
        assert!(!words.contains("LHLO"), "to STARTTLS: {words}");
    }
}
