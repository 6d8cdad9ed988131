//! Where the messages of an account go: its deliveries, its fallback, and the recipient that they
//! are told.

use std::collections::BTreeMap;

use crate::config::delivery::DeliveryTable;
use crate::config::envelope::EnvelopeTable;
use crate::config::error::Complaint;
use crate::config::nearest::nearest;
use crate::config::resolve::{Header, Resolver};
use crate::config::setting::Given;
use crate::config::source::{At, SourcePlace};
use crate::config::value::{Address, DeliveryNames, Line};
use crate::mail::text::Shown;
use crate::mail::{AccountName, Recipient};

/// The tables of all deliveries, by name.
pub(super) type Deliveries = BTreeMap<String, At<DeliveryTable>>;

impl Resolver<'_> {
    /// The deliveries of an account; the only one if it names none.
    pub(super) fn delivery_names(
        &mut self,
        header: &Header<'_>,
        given: Given<DeliveryNames>,
        deliveries: &Deliveries,
    ) -> Option<Vec<String>> {
        match given {
            Given::Badly => None,
            Given::As(At {
                value: DeliveryNames(names),
                place,
            }) => {
                let mut are_known = true;
                for name in &names {
                    are_known &= self.is_known_delivery("delivery", name, place, deliveries);
                }
                are_known.then_some(())?;
                self.check_best_effort(&names, place, deliveries);
                Some(names)
            }
            Given::Not => {
                let known: Vec<&str> = deliveries.keys().map(String::as_str).collect();
                let hint = match known[..] {
                    [only] => {
                        let names = vec![only.to_owned()];
                        self.check_best_effort(&names, header.place, deliveries);
                        return Some(names);
                    }
                    [] => "no [delivery.NAME] exists. Add one".to_owned(),
                    _ => format!("choose one of {}, here or in [defaults]", known.join(", ")),
                };
                self.missing(header, "delivery", hint);
                None
            }
        }
    }

    /// Reports an account whose deliveries all have `best_effort`.
    fn check_best_effort(&mut self, names: &[String], place: SourcePlace, deliveries: &Deliveries) {
        let is_best_effort = |name: &String| {
            let table = deliveries.get(name);
            table.is_some_and(|table| table.value.is_best_effort())
        };
        if names.iter().all(is_best_effort) {
            let has = if names.len() == 1 { "has" } else { "have" };
            let why = format!(
                "no message would count as delivered: {} {has} `best_effort` = true. Name a \
                 delivery without it too",
                names.join(", ")
            );
            let name = "delivery".to_owned();
            self.complain(place, Complaint::Value { name, why });
        }
    }

    /// The fallback of an account with these deliveries; `None` if it is invalid.
    pub(super) fn fallback_name(
        &mut self,
        given: Given<Line>,
        own: &[String],
        deliveries: &Deliveries,
    ) -> Option<Option<String>> {
        let (name, place) = match given {
            Given::Not => return Some(None),
            Given::Badly => return None,
            Given::As(At { value, place }) => (value.0, place),
        };
        if !self.is_known_delivery("fallback", &name, place, deliveries) {
            return None;
        }
        if own.contains(&name) {
            let why = format!(
                "\"{name}\" is a delivery of the account itself, and would be asked again; name \
                 another one"
            );
            let name = "fallback".to_owned();
            self.complain(place, Complaint::Value { name, why });
            return None;
        }
        Some(Some(name))
    }

    /// Whether a delivery of this name exists; if not, that is reported.
    fn is_known_delivery(
        &mut self,
        setting: &str,
        name: &str,
        place: SourcePlace,
        deliveries: &Deliveries,
    ) -> bool {
        if deliveries.contains_key(name) {
            return true;
        }
        let hint = match nearest(name, deliveries.keys().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("add a table [delivery.{}]", Shown::new(name)),
        };
        let why = format!("there is no delivery \"{}\"; {hint}", Shown::new(name));
        let name = setting.to_owned();
        self.complain(place, Complaint::Value { name, why });
        false
    }

    /// The recipient; the account's name if nothing needs one. `needed_by` says what does.
    pub(super) fn recipient(
        &mut self,
        header: &Header<'_>,
        name: &AccountName,
        given: Given<Address>,
        needed_by: Option<String>,
    ) -> Option<Recipient> {
        match given {
            Given::As(address) => Some(address.value.0),
            Given::Badly => None,
            Given::Not => match needed_by {
                Some(hint) => {
                    self.missing(header, "recipient", hint);
                    None
                }
                // Every account name is a recipient that is safe to print.
                None => Recipient::new(name.as_str()).ok(),
            },
        }
    }

    /// What needs the recipient of an account with these destinations, and what to do.
    pub(super) fn recipient_needed_by<'n>(
        &self,
        mut destinations: impl Iterator<Item = &'n String>,
        envelope: Option<&At<EnvelopeTable>>,
        deliveries: &Deliveries,
    ) -> Option<String> {
        if let Some(envelope) = envelope {
            let hint = "a message goes to it if no recipient is found in the header. Set it, or \
                        `unmatched = \"quarantine\"` in the account's table `envelope`";
            return envelope.value.uses_recipient().then(|| hint.to_owned());
        }
        let needs = |name: &&String| {
            let table = deliveries.get(*name).map(|table| &table.value);
            table.is_some_and(DeliveryTable::needs_recipient)
        };
        let delivery = destinations.find(needs)?;
        let hint = "needs it. Set it to the address that gets the mail";
        Some(format!("[delivery.{delivery}] {hint}"))
    }
}

impl DeliveryTable {
    /// Whether an account must name a recipient for it.
    fn needs_recipient(&self) -> bool {
        match self {
            Self::Smtp(_) | Self::Lmtp(_) => true,
            Self::Mda(mda) => {
                let command = mda.command.get();
                command.is_some_and(|command| command.mentions("{recipient}"))
            }
            Self::Maildir(maildir) => maildir.needs_recipient(),
            Self::Own(_) | Self::Unknown => false,
        }
    }
}
