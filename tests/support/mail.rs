//! Messages and envelopes, as a session passes them to a sink.

use std::path::Path;

use mailferry::mail::{AccountName, Envelope, Origin, Recipient, Sender, UniqueId};
use mailferry::spool::{Message, Spool};

/// The trace field of every message made here.
pub const RECEIVED: &str = "Received: from pop.example.org\n\tby test (mailferry account work)\n";

/// A whole message of the account `work`, spooled below `directory`.
pub async fn message(directory: &Path, octets: &[u8]) -> Message {
    message_named(directory, octets, b"1").await
}

/// The same with a unique-id.
pub async fn message_named(directory: &Path, octets: &[u8], unique_id: &[u8]) -> Message {
    let spool = Spool::new(directory);
    let reservation = spool.room_for(Some(octets.len() as u64));
    let mut draft = spool.begin(reservation);
    draft.write(octets).await.unwrap();
    let origin = Origin {
        account: AccountName::new("work").unwrap(),
        unique_id: UniqueId::new(unique_id).unwrap(),
    };
    draft.finish(origin, RECEIVED.to_owned()).await.unwrap()
}

/// An envelope for one recipient.
pub fn envelope(sender: &str, recipient: &str) -> Envelope {
    Envelope {
        sender: Sender::from_path(sender.as_bytes()),
        recipients: vec![Recipient::new(recipient).unwrap()],
    }
}
