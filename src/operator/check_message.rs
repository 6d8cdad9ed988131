//! Says what would become of a message on disk: who would get it, where, and why.

use crate::mail::text::Shown;
use crate::mail::{AccountName, limits};
use crate::operator::check::destination;
use crate::operator::names::no_account;
use crate::operator::{Answer, CheckedMessage, Failure, MessageFate, Operator};
use crate::route::{HeaderTop, Routed, recipients};
use crate::spool::header::HeadFields;

impl Operator {
    /// Answers what would become of a message with this header.
    pub(super) async fn answer_check_message(
        &self,
        name: &AccountName,
        (head, octets): (&[u8], u64),
        answer: &Answer,
    ) -> Result<(), Failure> {
        let config = &self.setup.config;
        let Some(account) = config.accounts.get(name) else {
            return Err(no_account(name, config.accounts.keys()));
        };
        let rules = account.envelope.as_deref();
        let mut top = rules.map(HeaderTop::new);
        let fields = HeadFields::parse_showing(head, |name, value| {
            if let Some(top) = &mut top {
                top.add(name, value);
            }
        });
        let routed = top.zip(rules);
        let routed = routed.map(|(top, rules)| recipients(&top, rules, &account.recipient));
        let fate = match &routed {
            _ if octets > account.limits.message_octets_max => {
                MessageFate::TooLarge(account.limits.message_octets_max)
            }
            _ if fields.received_fields > limits::RECEIVED_FIELDS_MAX => {
                MessageFate::Loops(fields.received_fields)
            }
            Some(routed) if routed.recipients.is_empty() => MessageFate::NoRecipient,
            Some(routed) => MessageFate::Offered {
                recipients: routed.recipients.iter().map(ToString::to_string).collect(),
                is_matched: routed.is_matched,
            },
            None => MessageFate::Offered {
                recipients: vec![account.recipient.to_string()],
                is_matched: false,
            },
        };
        let names = account.deliveries.iter();
        let fallback = account.fallback.as_ref();
        let checked = CheckedMessage {
            account: name.clone(),
            octets,
            sender: Shown::new(fields.sender.as_str()).to_string(),
            fate,
            looked_at: routed.as_ref().map(looked_at),
            filters: account.filters.clone(),
            destinations: names
                .filter_map(|name| destination(account, name, config))
                .collect(),
            fallback: fallback.and_then(|name| destination(account, name, config)),
        };
        answer.say(checked).await
    }
}

fn looked_at(routed: &Routed) -> Vec<String> {
    routed.considered.iter().map(ToString::to_string).collect()
}
