//! Reports the results of offers.

use crate::mail::{Recipient, limits};
use crate::session::transfer::answer::Answers;
use crate::session::transfer::parcel::Parcel;
use crate::sink::{Missed, Refusal};
use crate::telemetry::{DeliveryStatus, Event};

impl Answers<'_> {
    /// Reports the `best_effort` destinations that do not have the message.
    pub(in crate::session) fn say_missed(&self, parcel: &Parcel, missed: &[Missed]) {
        for one in missed {
            let Refusal { code, words, .. } = &one.refusal;
            let status = match one.is_asked {
                true => DeliveryStatus::Missed,
                false => DeliveryStatus::Skipped,
            };
            self.report(parcel, (&one.destination, None), status, (code, words));
        }
    }

    /// Reports the result of an offer. `fallback` took the message.
    pub(in crate::session) fn say(
        &self,
        parcel: &Parcel,
        status: DeliveryStatus,
        fallback: Option<&str>,
        said: (&str, &str),
    ) {
        self.report(parcel, (&self.delivery_name, fallback), status, said);
    }

    /// Reports a result with this delivery and fallback, and what was said.
    fn report(
        &self,
        parcel: &Parcel,
        (delivery, fallback): (&str, Option<&str>),
        status: DeliveryStatus,
        (code, words): (&str, &str),
    ) {
        let is_routed = self.visit.envelope.is_some();
        let recipients = is_routed.then(|| joined(&parcel.envelope.recipients));
        self.with.reporter.say(Event::Delivery {
            account: &self.visit.account,
            unique_id: &parcel.key.unique_id,
            octets: parcel.message.octets(),
            delivery,
            recipients: recipients.as_deref(),
            fallback,
            status,
            delay: parcel.arrived.elapsed(),
            code,
            words,
        });
    }
}

/// The recipients for a log line. Very many are only counted.
fn joined(recipients: &[Recipient]) -> String {
    let names: Vec<&str> = recipients.iter().map(Recipient::as_str).collect();
    let joined = names.join(",");
    if joined.len() <= limits::SHOWN_CHARACTERS_MAX {
        return joined;
    }
    format!("{} and {} more", names[0], names.len() - 1)
}
