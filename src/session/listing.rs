//! UIDL and LIST, made into one listing.

use std::sync::Arc;

use crate::mail::text::Shown;
use crate::mail::{Listing, ListingBuilder, UniqueId};
use crate::proto::pop3::{Command, Event, Kind};
use crate::session::SessionError;
use crate::session::login::refused;
use crate::session::maildrop::Maildrop;
use crate::session::refusal::reason;
use crate::session::unnamed::Unnamed;

/// What the server listed, and what was odd about it.
pub(super) struct Listed {
    pub(super) listing: Arc<Listing>,
    /// Why the server gives no unique-ids, in its words; then those of the listing only count its messages.
    pub(super) without_unique_ids: Option<String>,
    /// Whether CAPA names UIDL all the same.
    pub(super) announced: bool,
    /// Odd things, each once: what, and an example.
    pub(super) quirks: Vec<(&'static str, String)>,
    /// Messages without unique-id in a listing that has them.
    pub(super) unnamed: Unnamed,
}

/// What UIDL and LIST said, line by line.
#[derive(Default)]
struct Gathered {
    named: ListingBuilder,
    /// The numbers that LIST gives when UIDL was refused: then it is all there is.
    unnamed: ListingBuilder,
    uidl: Option<Result<(), String>>,
    list: Option<Result<(), SessionError>>,
    quirks: Vec<(&'static str, String)>,
    without_unique_id: Unnamed,
    skipped: bool,
}

/// Lists the maildrop: UIDL even when CAPA lacks it, and both in one flight where the server announces PIPELINING.
pub(super) async fn list(maildrop: &mut Maildrop) -> Result<Listed, SessionError> {
    let mut gathered = Gathered::default();
    maildrop.check_in_step()?;
    maildrop.client.send(&Command::Uidl)?;
    if maildrop.is_pipelining() {
        maildrop.client.send(&Command::List)?;
        maildrop
            .hear("in UIDL and LIST", |event| {
                gathered
                    .take(event)
                    .then_some(())
                    .filter(|()| gathered.both())
            })
            .await?;
    } else {
        maildrop
            .hear("in UIDL", |event| gathered.take(event).then_some(()))
            .await?;
        maildrop.client.send(&Command::List)?;
        maildrop
            .hear("in LIST", |event| gathered.take(event).then_some(()))
            .await?;
    }
    let announced = maildrop.client.capabilities().uidl;
    let listed = gathered.into_listed(announced)?;
    if listed.without_unique_ids.is_none() {
        maildrop.number(Arc::clone(&listed.listing));
    }
    Ok(listed)
}

impl Listed {
    /// The listing of a server that names its messages.
    pub(super) fn with_unique_ids(self) -> Result<Arc<Listing>, SessionError> {
        match self.without_unique_ids {
            None => Ok(self.listing),
            Some(words) => Err(SessionError::Account {
                code: "no_unique_ids",
                words: format!("the server gives no unique-ids (UIDL: {words})"),
                hint: "There is nothing to name its messages by before they are retrieved"
                    .to_owned(),
            }),
        }
    }
}

impl Gathered {
    /// Takes in one event; true when a listing is complete or refused.
    fn take(&mut self, event: Event<'_>) -> bool {
        match event {
            Event::UniqueId { number, unique_id } => {
                match UniqueId::new(&unique_id) {
                    Ok(unique_id) => {
                        if !unique_id.is_conforming() {
                            self.odd("unique_id_not_conforming", || unique_id.to_string());
                        }
                        self.named.add(number, &unique_id);
                    }
                    Err(_) => self.skip("uidl_line_malformed", &unique_id),
                }
                false
            }
            Event::Size { number, octets } => {
                self.size(number, octets);
                false
            }
            Event::Malformed {
                command: Kind::Uidl,
                line,
            } => {
                self.skip("uidl_line_malformed", &line);
                false
            }
            // Sizes are advice: this costs the message its size and nothing else.
            Event::Malformed { line, .. } => {
                self.odd("list_line_malformed", || Shown::new(&line).to_string());
                false
            }
            Event::ListingEnd {
                command: Kind::Uidl,
            } => {
                self.named.arrange();
                self.uidl = Some(Ok(()));
                true
            }
            Event::ListingEnd { .. } => {
                self.list = Some(Ok(()));
                true
            }
            Event::Err {
                command: Kind::Uidl,
                text,
                ..
            } => {
                self.uidl = Some(Err(reason(&text, Kind::Uidl)));
                true
            }
            Event::Err {
                command: Kind::List,
                code,
                text,
                ..
            } => {
                self.list = Some(Err(refused(
                    "LIST",
                    code.as_ref(),
                    reason(&text, Kind::List),
                )));
                true
            }
            _ => false,
        }
    }

    /// LIST comes behind UIDL, so what it says finds its place at once.
    fn size(&mut self, number: u32, octets: u64) {
        if self.uidl.as_ref().is_some_and(Result::is_err) {
            let name = UniqueId::new(format!("number:{number}").as_bytes());
            if let Ok(name) = name {
                self.unnamed.add_sized(number, &name, octets);
            }
        } else if !self.named.size(number, octets) {
            self.skipped = true;
            self.without_unique_id.add(number, octets);
        }
    }

    fn both(&self) -> bool {
        self.uidl.is_some() && self.list.is_some()
    }

    fn skip(&mut self, what: &'static str, line: &[u8]) {
        self.skipped = true;
        self.odd(what, || Shown::new(line).to_string());
    }

    fn odd(&mut self, what: &'static str, example: impl FnOnce() -> String) {
        if !self.quirks.iter().any(|(known, _)| *known == what) {
            self.quirks.push((what, example()));
        }
    }

    /// `announced` says whether CAPA named UIDL.
    fn into_listed(mut self, announced: bool) -> Result<Listed, SessionError> {
        let listed = match self.list.take() {
            Some(Err(error)) => Err(error),
            _ => Ok(()),
        };
        match self.uidl.take() {
            Some(Err(words)) => {
                // Without either there is nothing to go by.
                listed?;
                Ok(self.by_number(words, announced))
            }
            _ => {
                if listed.is_err() {
                    self.odd("list_refused", String::new);
                }
                Ok(self.by_unique_id())
            }
        }
    }

    /// The usual case: a message is what UIDL says, LIST adds sizes.
    fn by_unique_id(mut self) -> Listed {
        if self.named.repeats() {
            self.skipped = true;
            self.odd("message_number_repeated", String::new);
        }
        let unnamed = std::mem::take(&mut self.without_unique_id);
        if !unnamed.is_empty() {
            self.odd("message_without_unique_id", || unnamed.to_string());
        }
        Listed {
            listing: Arc::new(self.named.build(!self.skipped)),
            without_unique_ids: None,
            announced: true,
            quirks: self.quirks,
            unnamed,
        }
    }

    /// No unique-ids: the messages are those that LIST counts, and their digests will tell them apart.
    fn by_number(mut self, words: String, announced: bool) -> Listed {
        let malformed = |(what, _): &(&str, String)| *what == "list_line_malformed";
        let complete = !self.skipped && !self.quirks.iter().any(malformed);
        self.unnamed.arrange();
        // Where there is nothing, nothing needs a name; but a server that refuses is not believed that all is gone.
        let is_empty = self.unnamed.is_empty() && complete;
        let listing = self.unnamed.build(complete && !is_empty);
        Listed {
            listing: Arc::new(listing),
            without_unique_ids: (!is_empty).then_some(words),
            announced,
            quirks: self.quirks,
            unnamed: Unnamed::default(),
        }
    }
}
