//! Decides who is at fault when RCPT is refused without a status code that names the recipient.
//!
//! Postfix refuses the sender in its reply to RCPT (`smtpd_delay_reject`), and other relays refuse
//! the message there. So the recipient is named once more after the null sender: a recipient that
//! is accepted then was refused because of the message.

use crate::sink::smtp::connect::{self, Relay};
use crate::sink::smtp::reply::{RelayReply, Step};
use crate::sink::smtp::transaction::{Spooled, Transaction};
use crate::sink::{Fault, Outcome, Refusal};

impl Transaction<'_> {
    /// Tests the recipients that may or may not be at fault: RSET, `MAIL FROM:<>` and the same
    /// RCPT, in the same session if possible, else in a new one.
    ///
    /// A recipient that is refused again stays [`Fault::RecipientOrMessage`]. If it is accepted, or
    /// if the test proves nothing, it becomes [`Fault::MessagePermanent`].
    pub(super) async fn test_recipients(
        &self,
        relay: Option<Relay>,
        lines: &Spooled,
        mut outcomes: Vec<Outcome>,
    ) -> Vec<Outcome> {
        let doubtful = outcomes.iter_mut().zip(&lines.rcpts);
        let mut doubtful = doubtful.filter_map(|(outcome, line)| match outcome {
            Outcome::Refused(refusal) if refusal.fault == Fault::RecipientOrMessage => {
                Some((refusal, line))
            }
            _ => None,
        });
        let Some(first) = doubtful.next() else {
            return outcomes;
        };
        let mut session = self.session_for_test(relay).await;
        for (refusal, line) in std::iter::once(first).chain(doubtful) {
            let said = match &mut session {
                Some(relay) => Some(self.say(relay, line).await),
                None => None,
            };
            self.conclude_test(refusal, said.as_ref());
        }
        outcomes
    }

    /// A session in which the null sender was accepted; `None` if that is not possible.
    async fn session_for_test(&self, relay: Option<Relay>) -> Option<Relay> {
        let mut relay = match relay.filter(Relay::is_in_step) {
            Some(mut relay) => {
                let reset = self.say(&mut relay, "RSET\r\n").await;
                reset.is_yes().then_some(relay)?
            }
            None => connect::connect(self.settings).await.ok()?,
        };
        let mut recipients = self.offer.envelope.recipients.iter();
        let ascii = recipients.all(|recipient| recipient.as_str().is_ascii());
        let mail = if ascii {
            "MAIL FROM:<>\r\n"
        } else {
            "MAIL FROM:<> SMTPUTF8\r\n"
        };
        self.say(&mut relay, mail).await.is_yes().then_some(relay)
    }

    fn conclude_test(&self, refusal: &mut Refusal, said: Option<&RelayReply>) {
        let again = said.map(|reply| (reply.is_yes(), self.refusal(reply, Step::Rcpt).fault));
        let finding = match again {
            Some((false, fault @ (Fault::Recipient | Fault::RecipientOrMessage))) => {
                refusal.fault = fault;
                return;
            }
            Some((true, _)) => "the relay accepts the recipient from the null sender",
            _ => "a test with the null sender proved nothing about the recipient",
        };
        refusal.fault = Fault::MessagePermanent;
        refusal.code = "smtp_refused";
        refusal.words = format!("{} ({finding})", refusal.words);
    }
}
