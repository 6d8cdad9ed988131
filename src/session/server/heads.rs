//! The headers of some messages, by TOP: their digests, without retrieving the messages.

use crate::mail::{HeadDigests, Listing, limits};
use crate::proto::pop3::{ClientEvent, Command, Kind};
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{During, SessionError};
use crate::spool::head_digest::head_digests_of;

impl OpenMaildrop {
    /// The header digests of the messages at some positions of the listing, by TOP, in that order;
    /// `None` if the server refuses one. Sent in flights of [`limits::HEADS_AT_ONCE_MAX`] at most
    /// if the server announces PIPELINING.
    ///
    /// # Errors
    /// The errors of a session.
    pub(in crate::session) async fn heads(
        &mut self,
        listing: &Listing,
        positions: &[u32],
    ) -> Result<Vec<Option<HeadDigests>>, SessionError> {
        let at_once = self.heads_at_once();
        let mut heads = Vec::with_capacity(positions.len());
        for asked in positions.chunks(at_once) {
            for at in asked {
                let number = listing.get(*at as usize).map_or(0, |entry| entry.number);
                self.client.send(&Command::Top { number, lines: 0 })?;
            }
            let (mut header, wanted) = (Vec::new(), heads.len() + asked.len());
            self.hear(During::In(Kind::Top), |event| {
                match event {
                    ClientEvent::Body { octets, .. } => {
                        let room = limits::HEADER_OCTETS_MAX.saturating_sub(header.len());
                        header.extend_from_slice(&octets[..octets.len().min(room)]);
                    }
                    ClientEvent::BodyEnd { .. } => {
                        heads.push(Some(head_digests_of(&header)));
                        header.clear();
                    }
                    ClientEvent::Err {
                        command: Kind::Top, ..
                    } => heads.push(None),
                    _ => {}
                }
                (heads.len() >= wanted).then_some(())
            })
            .await?;
            // A repeated answer would be taken for that of the next message.
            self.check_in_step()?;
        }
        Ok(heads)
    }

    /// How many heads are requested in one flight.
    pub(in crate::session) fn heads_at_once(&self) -> usize {
        if self.is_pipelining() {
            limits::HEADS_AT_ONCE_MAX
        } else {
            1
        }
    }
}
