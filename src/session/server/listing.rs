//! UIDL and LIST, combined into one listing.

use std::sync::Arc;

use crate::mail::text::Shown;
use crate::mail::{Entry, Listing, ListingBuilder, UniqueId, limits};
use crate::proto::pop3::{ClientEvent, Command, Kind};
use crate::session::long::long;
use crate::session::server::listing_room::Held;
use crate::session::server::login::refused;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::server::refusal::reason;
use crate::session::server::sizes;
use crate::session::server::unnamed::Unnamed;
use crate::session::{During, Place, SessionError};
use crate::telemetry::ListingFault;

/// The listing of the server, and what was odd about it.
pub(in crate::session) struct Listed {
    pub(in crate::session) listing: Arc<Listing>,
    /// Why the server gives no unique-ids, in its words; then those of the listing only number its
    /// messages.
    pub(in crate::session) without_unique_ids: Option<String>,
    /// Whether UIDL was refused, and LIST says that there is no message.
    pub(in crate::session) is_empty_by_list: bool,
    /// Whether CAPA announces UIDL although it was refused.
    pub(in crate::session) announced: bool,
    /// Odd facts, each once: a kind and an example.
    pub(in crate::session) quirks: Vec<(ListingFault, String)>,
    /// Messages without unique-id in a listing that has them.
    pub(in crate::session) unnamed: Unnamed,
    /// Those of them that are retrieved in this session.
    pub(in crate::session) served: Listing,
    /// Its part of the memory for listings.
    room: Option<Held>,
}

/// The lines of UIDL and LIST.
#[derive(Default)]
struct Gathered {
    named: ListingBuilder,
    /// The numbers of LIST if UIDL was refused: then they are all there is.
    unnamed: ListingBuilder,
    uidl: Option<Result<(), String>>,
    list: Option<Result<(), SessionError>>,
    quirks: Vec<(ListingFault, String)>,
    without_unique_id: Unnamed,
    skipped: bool,
    /// How much memory it counts as.
    octets: u64,
}

/// Lists the maildrop: sends UIDL even if CAPA lacks it, and both commands in one flight if the
/// server announces PIPELINING.
pub(in crate::session) async fn list(
    maildrop: &mut OpenMaildrop,
    place: &Place,
) -> Result<Listed, SessionError> {
    let mut gathered = Gathered::default();
    let mut room = Held::begin(place);
    let asked = ask(maildrop, &mut gathered, &mut room).await;
    asked.map_err(|error| maildrop.blaming_list(error, gathered.names_messages()))?;
    let one_by_one = gathered.names_messages() && sizes::are_wanted(maildrop);
    if one_by_one {
        sizes::ask(maildrop, &mut gathered.named).await?;
    }
    let announced = maildrop.client.capabilities().uidl;
    let entries = gathered.named.len().max(gathered.unnamed.len());
    let mut listed = long(entries, || gathered.into_listed(announced))?;
    listed.room = Some(room);
    if listed.without_unique_ids.is_none() {
        maildrop.number(Arc::clone(&listed.listing));
    } else {
        maildrop.count(Arc::clone(&listed.listing));
    }
    if one_by_one {
        sizes::prove(maildrop).await?;
    // A repeated answer may be taken for a later one, and only sizes would show that.
    } else if maildrop.left_out.is_wary || listed.lacks_sizes() {
        maildrop.prove_in_step().await?;
    }
    Ok(listed)
}

/// Sends UIDL, and LIST unless it is left out and messages have unique-ids.
async fn ask(
    maildrop: &mut OpenMaildrop,
    gathered: &mut Gathered,
    room: &mut Held,
) -> Result<(), SessionError> {
    maildrop.check_in_step()?;
    maildrop.client.send(&Command::Uidl)?;
    if maildrop.is_pipelining() && !maildrop.left_out.list {
        maildrop.client.send(&Command::List)?;
        let during = During::Listing;
        gather(maildrop, gathered, room, during, Gathered::both).await?;
    } else {
        gather(maildrop, gathered, room, During::In(Kind::Uidl), |_| true).await?;
        if !(maildrop.left_out.list && gathered.names_messages()) {
            maildrop.check_in_step()?;
            maildrop.client.send(&Command::List)?;
            gather(maildrop, gathered, room, During::In(Kind::List), |_| true).await?;
        }
    }
    maildrop.check_in_step()
}

/// Takes in lines until a listing has ended and `is_all` says that it was the last. While the
/// listings of other sessions use the memory for it, the server waits.
async fn gather(
    maildrop: &mut OpenMaildrop,
    gathered: &mut Gathered,
    room: &mut Held,
    during: During,
    is_all: impl Fn(&Gathered) -> bool,
) -> Result<(), SessionError> {
    loop {
        let is_over = maildrop
            .hear(during, |event| {
                let is_over = gathered.take(event) && is_all(gathered);
                (is_over || room.is_short_of(gathered.octets)).then_some(is_over)
            })
            .await?;
        while room.is_short_of(gathered.octets) {
            room.grow().await?;
        }
        if is_over {
            return Ok(());
        }
    }
}

impl Listed {
    /// Whether the size of a message is not known.
    fn lacks_sizes(&self) -> bool {
        self.listing.iter().any(|entry| entry.octets.is_none())
    }

    /// The message with this number.
    pub(in crate::session) fn entry(&self, number: u32) -> Option<Entry<'_>> {
        let named = self.listing.numbered(number);
        named.or_else(|| self.served.numbered(number))
    }

    /// The message at a position; those without unique-id come after the others.
    pub(in crate::session) fn at(&self, at: usize) -> Option<Entry<'_>> {
        match at.checked_sub(self.listing.len()) {
            Some(beside) => self.served.get(beside),
            None => self.listing.get(at),
        }
    }

    /// Whether the message with this number is known by its digest only.
    pub(in crate::session) fn is_nameless(&self, number: u32) -> bool {
        self.without_unique_ids.is_some() || self.served.numbered(number).is_some()
    }

    /// The listing of a server that gives unique-ids.
    pub(in crate::session) fn with_unique_ids(self) -> Result<Arc<Listing>, SessionError> {
        match self.without_unique_ids {
            None => Ok(self.listing),
            Some(words) => Err(SessionError::Account {
                code: "no_unique_ids",
                words: format!("the server gives no unique-ids (UIDL: {words})"),
                hint: "Its messages cannot be identified before they are retrieved".to_owned(),
            }),
        }
    }
}

impl Gathered {
    /// Takes in one event; true when a listing is complete or refused.
    fn take(&mut self, event: ClientEvent<'_>) -> bool {
        match event {
            ClientEvent::UniqueId { number, unique_id } => {
                match UniqueId::new(&unique_id) {
                    Ok(unique_id) => {
                        if !unique_id.is_conforming() {
                            self.odd(ListingFault::UniqueIdNotConforming, || {
                                unique_id.to_string()
                            });
                        }
                        self.named.add(number, &unique_id);
                        self.octets +=
                            limits::LISTING_ENTRY_OCTETS + unique_id.as_bytes().len() as u64;
                    }
                    Err(_) => self.skip(ListingFault::UidlLineMalformed, &unique_id),
                }
                false
            }
            ClientEvent::Size { number, octets } => {
                self.size(number, octets);
                false
            }
            ClientEvent::Malformed {
                command: Kind::Uidl,
                line,
            } => {
                self.skip(ListingFault::UidlLineMalformed, &line);
                false
            }
            // Sizes are not essential: only the size of this message is lost.
            ClientEvent::Malformed { line, .. } => {
                self.odd(ListingFault::ListLineMalformed, || {
                    Shown::new(&line).to_string()
                });
                false
            }
            ClientEvent::ListingEnd {
                command: Kind::Uidl,
            } => {
                long(self.named.len(), || self.named.arrange());
                self.uidl = Some(Ok(()));
                true
            }
            ClientEvent::ListingEnd { .. } => {
                self.list = Some(Ok(()));
                true
            }
            ClientEvent::Err {
                command: Kind::Uidl,
                text,
                ..
            } => {
                self.uidl = Some(Err(reason(&text, Kind::Uidl)));
                true
            }
            ClientEvent::Err {
                command: Kind::List,
                code,
                text,
                ..
            } => {
                let words = reason(&text, Kind::List);
                self.list = Some(Err(refused("LIST", code.as_ref(), words)));
                true
            }
            _ => false,
        }
    }

    /// LIST comes after UIDL, so its sizes belong to known messages.
    fn size(&mut self, number: u32, octets: u64) {
        if self.uidl.as_ref().is_some_and(Result::is_err) {
            let name = UniqueId::new(format!("number:{number}").as_bytes());
            if let Ok(name) = name {
                self.unnamed.add_sized(number, &name, octets);
                self.octets += limits::LISTING_ENTRY_OCTETS;
            }
        } else if !self.named.size(number, octets) {
            self.skipped = true;
            self.without_unique_id.add(number, octets);
        }
    }

    /// Whether the server has listed unique-ids to the end.
    fn names_messages(&self) -> bool {
        self.uidl.as_ref().is_some_and(Result::is_ok)
    }

    fn both(&self) -> bool {
        self.uidl.is_some() && self.list.is_some()
    }

    fn skip(&mut self, fault: ListingFault, line: &[u8]) {
        self.skipped = true;
        self.odd(fault, || Shown::new(line).to_string());
    }

    fn odd(&mut self, fault: ListingFault, example: impl FnOnce() -> String) {
        if !self.quirks.iter().any(|(known, _)| *known == fault) {
            self.quirks.push((fault, example()));
        }
    }

    /// `announced` says whether CAPA announces UIDL.
    fn into_listed(mut self, announced: bool) -> Result<Listed, SessionError> {
        let listed = match self.list.take() {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        };
        match self.uidl.take() {
            Some(Err(words)) => {
                // Without either there is no listing at all.
                listed?;
                Ok(self.by_number(words, announced))
            }
            _ => {
                if let Err(error) = listed {
                    self.odd(ListingFault::ListRefused, || error.to_string());
                }
                Ok(self.by_unique_id())
            }
        }
    }

    /// The usual case: UIDL lists the messages, LIST adds sizes.
    fn by_unique_id(mut self) -> Listed {
        if self.named.repeats() {
            self.skipped = true;
            self.odd(ListingFault::NumberRepeated, String::new);
        }
        let unnamed = std::mem::take(&mut self.without_unique_id);
        if !unnamed.is_empty() {
            self.odd(ListingFault::WithoutUniqueId, || unnamed.to_string());
        }
        Listed {
            listing: Arc::new(self.named.build(!self.skipped)),
            without_unique_ids: None,
            is_empty_by_list: false,
            announced: true,
            quirks: self.quirks,
            unnamed,
            served: Listing::default(),
            room: None,
        }
    }

    /// Without unique-ids: LIST numbers the messages, and their digests will distinguish them.
    fn by_number(mut self, words: String, announced: bool) -> Listed {
        let malformed =
            |(fault, _): &(ListingFault, String)| *fault == ListingFault::ListLineMalformed;
        let complete = !self.skipped && !self.quirks.iter().any(malformed);
        self.unnamed.arrange();
        // An empty maildrop needs no unique-ids; but a server that refuses UIDL is not believed
        // that all messages with unique-ids are gone.
        let is_empty = self.unnamed.is_empty() && complete;
        let listing = self.unnamed.build(complete && !is_empty);
        Listed {
            listing: Arc::new(listing),
            without_unique_ids: (!is_empty).then_some(words),
            is_empty_by_list: is_empty,
            announced,
            quirks: self.quirks,
            unnamed: Unnamed::default(),
            served: Listing::default(),
            room: None,
        }
    }
}
