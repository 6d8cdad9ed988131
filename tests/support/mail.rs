//! Messages and envelopes, as a session passes them to a sink.

use std::path::Path;
use std::sync::LazyLock;

use mailferry::mail::{AccountName, Envelope, Origin, Recipient, Sender, UniqueId};
use mailferry::sink::Offer;
use mailferry::spool::{Message, Spool};

/// The trace field of every offer made here.
pub const RECEIVED: &str = "Received: from pop.example.org\n\tby test (mailferry account work)\n";

/// A whole message, spooled below `directory`.
pub async fn message(directory: &Path, octets: &[u8]) -> Message {
    let spool = Spool::new(directory);
    let reservation = spool.room_for(Some(octets.len() as u64));
    let mut draft = spool.begin(reservation);
    draft.write(octets).await.unwrap();
    draft.finish().await.unwrap()
}

/// The origin of a message of the account `work`.
pub fn origin(unique_id: &[u8]) -> Origin {
    Origin {
        account: AccountName::new("work").unwrap(),
        unique_id: UniqueId::new(unique_id).unwrap(),
    }
}

/// The offer of a message of the account `work`.
pub fn offer<'a>(envelope: &'a Envelope, message: &'a Message) -> Offer<'a> {
    static ORIGIN: LazyLock<Origin> = LazyLock::new(|| origin(b"1"));
    offer_from(&ORIGIN, envelope, message)
}

/// The offer of a message of this origin.
pub fn offer_from<'a>(
    origin: &'a Origin,
    envelope: &'a Envelope,
    message: &'a Message,
) -> Offer<'a> {
    Offer {
        origin,
        envelope,
        trace: RECEIVED,
        message,
    }
}

/// An envelope for one recipient.
pub fn envelope(sender: &str, recipient: &str) -> Envelope {
    Envelope {
        sender: Sender::from_path(sender.as_bytes()),
        recipients: vec![Recipient::new(recipient).unwrap()],
    }
}
