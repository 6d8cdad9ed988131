//! Messages that differ from the announced octets.

use crate::mail::{AccountName, Percent, UniqueId};

/// How messages differ from the announced octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OctetsQuirk<'a> {
    /// A message is shorter than announced.
    Short {
        unique_id: &'a UniqueId,
        announced: Option<u64>,
        octets: u64,
    },
    /// A message arrives with other contents each time; its last copy is delivered.
    Vary {
        unique_id: &'a UniqueId,
        stays: bool,
    },
    /// A message arrives with other contents each time, never with the announced size, and waits.
    NeverAsAnnounced { unique_id: &'a UniqueId },
    /// The server refused to send a message again, and it waits.
    NotSentAgain {
        unique_id: &'a UniqueId,
        words: &'a str,
    },
    /// The announced octets are estimates.
    Estimated,
}

impl OctetsQuirk<'_> {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Short { .. }
            | Self::Vary { .. }
            | Self::NeverAsAnnounced { .. }
            | Self::NotSentAgain { .. } => "octets_differ",
            Self::Estimated => "octets_estimated",
        }
    }

    /// Whether this is about one message, and no habit of the server.
    pub(super) const fn is_incident(&self) -> bool {
        match self {
            Self::Short { .. }
            | Self::Vary { .. }
            | Self::NeverAsAnnounced { .. }
            | Self::NotSentAgain { .. } => true,
            Self::Estimated => false,
        }
    }

    pub(super) fn detail(&self, account: &AccountName) -> String {
        match *self {
            Self::Short {
                unique_id,
                announced,
                octets,
            } => {
                let announced = announced.map_or_else(|| "more".to_owned(), |all| all.to_string());
                let name = Percent(unique_id.as_bytes());
                format!(
                    "message {unique_id}: the server announces {announced} octets and sends \
                     {octets}. They are delivered, and it stays on the server: look for the rest \
                     there. If this is all of it, `mailferry seen mark --as-delivered {account} \
                     {name}` lets the retention delete it"
                )
            }
            Self::Vary { unique_id, stays } => {
                let stays = if stays {
                    ", and it stays on the server"
                } else {
                    ""
                };
                format!(
                    "message {unique_id}: the server sends other contents each time. The last copy \
                     is delivered{stays}"
                )
            }
            Self::NeverAsAnnounced { unique_id } => format!(
                "message {unique_id}: it came with other contents each time, and never with the \
                 announced size; it stays on the server for now"
            ),
            Self::NotSentAgain { unique_id, words } => format!(
                "message {unique_id}: its size was not the announced one, and it was not sent \
                 again: {words}; it stays on the server for now"
            ),
            Self::Estimated => {
                "the server announces wrong sizes: messages are no longer retrieved \
                 twice for that, and are deleted unless less than half of the announced size \
                 arrived"
                    .to_owned()
            }
        }
    }
}
