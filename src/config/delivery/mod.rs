//! Deliveries: their settings, how settings are resolved, and the resolved values.

mod lmtp;
mod maildir;
mod mda;
mod own;
mod smtp;

use crate::config::resolve::{Header, Resolver, built_in, count};
use crate::config::setting::Table;
use crate::config::source::At;
use crate::mail::{AddedField, SenderChoice};

pub use lmtp::LmtpConfig;
pub use maildir::MaildirConfig;
pub use mda::MdaConfig;
pub use smtp::{SmtpConfig, SmtpLogin};

pub(super) use lmtp::LmtpTable;
pub(super) use maildir::MaildirTable;
pub(super) use mda::MdaTable;
pub(super) use own::OwnTable;
pub(super) use smtp::SmtpTable;

/// A destination for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// Its name, as accounts refer to it and logs print it.
    pub name: String,
    /// How many messages are delivered at the same time; 1 keeps their order. A Maildir keeps it
    /// anyway, and has 1.
    pub parallel: usize,
    /// The envelope sender that it is told, unless an account says otherwise.
    pub sender: SenderChoice,
    /// Whether a message counts as delivered without it.
    pub best_effort: bool,
    /// Whether it puts a `Received` field on top.
    pub received: bool,
    /// The header fields that it puts above that.
    pub add_header: Vec<AddedField>,
    /// The type of the destination.
    pub kind: DeliveryKind,
}

/// The types of destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryKind {
    /// A program that reads a message on its standard input.
    Mda(MdaConfig),
    /// A mail server that relays mail.
    Smtp(SmtpConfig),
    /// A mail server that stores mail.
    Lmtp(LmtpConfig),
    /// A folder.
    Maildir(MaildirConfig),
    /// A sink of the program that embeds the agent.
    Own,
}

/// The settings of a delivery, by its type.
pub(super) enum DeliveryTable {
    Mda(MdaTable),
    Smtp(SmtpTable),
    Lmtp(LmtpTable),
    Maildir(MaildirTable),
    Own(OwnTable),
    /// The type is missing or wrong, which was reported; accounts may still refer to this delivery.
    Unknown,
}

impl DeliveryTable {
    /// Whether a message counts as delivered without it.
    pub(super) fn is_best_effort(&self) -> bool {
        let given = match self {
            Self::Mda(table) => &table.best_effort,
            Self::Smtp(table) => &table.best_effort,
            Self::Lmtp(table) => &table.best_effort,
            Self::Maildir(table) => &table.best_effort,
            Self::Own(table) => &table.best_effort,
            Self::Unknown => return false,
        };
        given.get().copied().unwrap_or_default()
    }
}

impl Resolver<'_> {
    /// Resolves one delivery; `None` if it has errors.
    pub(in crate::config) fn delivery(
        &mut self,
        name: &str,
        table: At<DeliveryTable>,
    ) -> Option<DeliveryConfig> {
        let title = format!("[delivery.{name}]");
        let header = Header {
            name: &title,
            place: table.place,
        };
        let best_effort = table.value.is_best_effort();
        // The settings that every type has.
        let (sender, received, added) = match &table.value {
            DeliveryTable::Mda(table) => (&table.sender, &table.received, &table.add_header),
            DeliveryTable::Smtp(table) => (&table.sender, &table.received, &table.add_header),
            DeliveryTable::Lmtp(table) => (&table.sender, &table.received, &table.add_header),
            DeliveryTable::Maildir(table) => (&table.sender, &table.received, &table.add_header),
            DeliveryTable::Own(table) => (&table.sender, &table.received, &table.add_header),
            DeliveryTable::Unknown => return None,
        };
        let sender = sender.get().map(|given| given.0.clone());
        let received = received.get().copied().unwrap_or(true);
        let add_header = added.get().map(|given| given.0.clone());
        let (parallel, kind) = match table.value {
            DeliveryTable::Mda(table) => self.mda(&header, table.over(&built_in()))?,
            DeliveryTable::Smtp(table) => self.smtp(&header, table.over(&built_in()))?,
            DeliveryTable::Lmtp(table) => self.lmtp(&header, table.over(&built_in()))?,
            DeliveryTable::Maildir(table) => self.maildir(&header, table.over(&built_in()))?,
            DeliveryTable::Own(_) => (1, DeliveryKind::Own),
            DeliveryTable::Unknown => return None,
        };
        Some(DeliveryConfig {
            name: name.to_owned(),
            parallel: count(parallel),
            sender: sender.unwrap_or_default(),
            best_effort,
            received,
            add_header: add_header.unwrap_or_default(),
            kind,
        })
    }
}
