//! Retrieves one message, only for its digest.

use crate::mail::{Digest, Listing};
use crate::session::server::maildrop::{Happened, OpenMaildrop};
use crate::session::{Collaborators, SessionError, Visit};

/// The result of retrieving a message to compare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::session) enum Fetched {
    /// The digest of the whole message.
    Digest(Digest),
    /// The server refused to send it, in these words.
    Refused(String),
    /// The message is larger than the account's limit; the connection cannot be used any more.
    TooLarge,
}

impl OpenMaildrop {
    /// Retrieves the message at a position of the listing, while nothing else is under way.
    ///
    /// # Errors
    /// The errors of a session.
    pub(in crate::session) async fn digest_at(
        &mut self,
        listing: &Listing,
        at: usize,
        visit: &Visit,
        with: &Collaborators,
    ) -> Result<Fetched, SessionError> {
        let Some(entry) = listing.get(at) else {
            return Ok(Fetched::Refused("it is not listed".to_owned()));
        };
        let draft = with.spool.begin(with.spool.room_for(entry.octets));
        self.retrieve(at, entry, draft, visit.limits.message_octets_max)?;
        let mut happened = Vec::new();
        loop {
            self.take(&mut happened).await?;
            match happened.pop() {
                Some(Happened::Retrieved(came)) => {
                    // A line that the server sent after the message would be taken for the next
                    // answer.
                    self.check_in_step()?;
                    return Ok(Fetched::Digest(came.draft.digest()));
                }
                Some(Happened::RetrieveRefused { words, .. }) => {
                    return Ok(Fetched::Refused(words));
                }
                Some(Happened::TooLarge { .. }) => return Ok(Fetched::TooLarge),
                _ => self.wait().await?,
            }
        }
    }
}
