//! Messages that came with another size than announced: each is retrieved once more, alone, before
//! it is used.
//!
//! Later messages of a pipeline wait too: the rest of one that ended early is read as later
//! replies. Then an answer that belongs to its command only proves that the server sent no more
//! than was requested. A message that has the bytes of the one before it waits for that proof, too:
//! a server that answers a RETR twice would else have one message delivered twice.

mod in_step;
mod said;

use std::collections::VecDeque;

use crate::mail::{Counted, Digest, Timestamp, limits};
use crate::seen::{Compared, Notes, RecordKey, Sizes, State};
use crate::session::SessionError;
use crate::session::judge::deferral;
use crate::session::judge::disposition::Why;
use crate::session::judge::octets;
use crate::session::judge::octets::{Earlier, Second, Weighed};
use crate::session::server::maildrop::{Came, OpenMaildrop};
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::parcel::Parcel;
use crate::spool::{Draft, SpoolError};
use crate::telemetry::OctetsQuirk;

/// Messages that wait until their size is explained.
pub(in crate::session) struct Doubts {
    /// In the order in which they came.
    held: VecDeque<HeldMessage>,
    asked: LastAsked,
    /// Whether a message has come since the server last proved to be in step.
    is_unproven: bool,
    /// Proofs since the last message came.
    proofs: u32,
    /// Whether a message came whose size does not show where it ends.
    is_unsized: bool,
    /// The position of the last message that came while nothing else was under way.
    last_alone: Option<usize>,
    /// Whether the session must be proven to be in step before any other command.
    must_prove: bool,
    /// The message that came last in this session.
    last: Option<Digest>,
    /// What is known about the sizes that this maildrop announces.
    sizes: Sizes,
}

/// The last command to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LastAsked {
    /// None yet: earlier replies are still to come.
    #[default]
    Nothing,
    /// RETR of one message, alone.
    Alone,
    /// The proof that the session is in step.
    Proving,
}

struct HeldMessage {
    at: usize,
    draft: Draft,
    weighed: Weighed,
    /// How often it was retrieved alone; `None` if that is not needed, or not any more.
    times: Option<u32>,
    /// Whether fewer octets than announced came, at any time.
    was_shorter: bool,
    /// Whether all copies so far have as many octets.
    are_equally_long: bool,
    /// Whether the server does not stuff: dots at the beginning of a line are content.
    keeps_dots: bool,
}

impl Doubts {
    /// Begins without waiting messages.
    pub(in crate::session) fn new(sizes: &Sizes) -> Self {
        Self {
            held: VecDeque::new(),
            asked: LastAsked::default(),
            is_unproven: false,
            proofs: 0,
            is_unsized: false,
            last_alone: None,
            must_prove: false,
            last: None,
            sizes: sizes.clone(),
        }
    }

    /// Drops the waiting messages.
    pub(in crate::session) fn drop_all(&mut self) {
        self.held.clear();
        self.asked = LastAsked::default();
        self.is_unproven = false;
        self.last_alone = None;
        self.must_prove = false;
    }

    /// Whether the sizes that this maildrop announces are only estimates.
    pub(in crate::session) fn are_sizes_estimates(&self) -> bool {
        self.sizes.are_estimates()
    }

    /// What is known about the sizes.
    pub(in crate::session) fn into_sizes(self) -> Sizes {
        self.sizes
    }

    /// Whether no message waits.
    pub(in crate::session) fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.must_prove
    }

    /// Whether the end of a message that waits is in doubt. One that only waits for the proof that
    /// it is no second answer ended where it should.
    pub(in crate::session) fn is_any_unsettled(&self) -> bool {
        !self.is_empty() && (self.held.is_empty() || self.unsettled().is_some())
    }

    /// The position of the message that is retrieved alone now.
    pub(in crate::session) fn alone(&self) -> Option<usize> {
        match self.asked {
            LastAsked::Alone => self.unsettled().map(|held| held.at),
            LastAsked::Nothing | LastAsked::Proving => None,
        }
    }

    /// The position of the last message that came alone, if nothing has been proven since.
    pub(in crate::session) fn to_blame(&self) -> Option<usize> {
        match self.asked {
            LastAsked::Alone => self.alone(),
            LastAsked::Proving => self.last_alone,
            LastAsked::Nothing => None,
        }
    }

    /// Whether a message has the bytes of the one before it: then it may be a second reply to the
    /// RETR of that one.
    fn is_like_last(&mut self, draft: &Draft) -> bool {
        let digest = draft.digest();
        self.last.replace(digest) == Some(digest)
    }

    fn unsettled(&self) -> Option<&HeldMessage> {
        self.held.iter().find(|held| held.times.is_some())
    }

    fn place(&self) -> Option<usize> {
        self.held.iter().position(|held| held.times.is_some())
    }
}

impl Parcel {
    /// Whether the server announced more of the message than it sent.
    pub(in crate::session) fn is_cut(&self) -> bool {
        self.octets_differ == Some(true)
    }

    /// The note about that for its record: false if the operator has confirmed that the message
    /// counts as delivered. If no size was announced, the earlier note stays true.
    pub(in crate::session) fn differs(&self, known: &Notes) -> bool {
        !known.octets_accepted && self.octets_differ.unwrap_or(known.octets_differ)
    }

    /// The notes for its record. A message that came short was retrieved twice. It is compared
    /// again as often as any other: the server may have the rest of it later.
    pub(in crate::session) fn notes(&self, now: Timestamp) -> Notes {
        Notes {
            octets_differ: self.is_cut(),
            varies: self.varies,
            lasting: self.lasting,
            compared: self.is_cut().then_some(Compared {
                at: now,
                times: self.stumps.saturating_add(1),
            }),
            ..Notes::default()
        }
    }
}

impl Transfer<'_> {
    /// Takes in a whole message. Passes it on if it is as announced and no message before it waits.
    pub(in crate::session) async fn came(&mut self, mut came: Came) {
        let (weighed, keeps_dots) = match weigh(&mut came).await {
            Ok(weighed) => weighed,
            Err(error) => return self.lose(error.into()),
        };
        // After a session out of step each message is proven before the next one is requested.
        let is_proven_alone = self.is_wary_in_lock_step();
        if is_proven_alone {
            self.doubts.last_alone = Some(came.at);
            self.doubts.must_prove = true;
        }
        let is_like_last = self.doubts.is_like_last(&came.draft);
        if self.doubts.alone() == Some(came.at) {
            return self.came_alone(came.draft, weighed).await;
        }
        let is_odd = match weighed {
            Weighed::Unannounced | Weighed::AsAnnounced => self.is_to_be_proven(came.at),
            Weighed::Otherwise { .. } | Weighed::OtherEachTime { .. } => {
                !self.doubts.sizes.are_estimates()
            }
        };
        let keeps_dots = keeps_dots && !self.doubts.sizes.are_estimates();
        let is_odd = is_odd || keeps_dots;
        if weighed == Weighed::AsAnnounced {
            self.doubts.sizes.agreed();
        }
        self.doubts.must_prove |= is_like_last;
        if self.doubts.is_empty() && !is_odd {
            return self.arrived(came.at, came.draft, weighed).await;
        }
        self.doubts.held.push_back(HeldMessage {
            at: came.at,
            draft: came.draft,
            weighed,
            times: is_odd.then_some(0),
            was_shorter: weighed.is_shorter(),
            are_equally_long: true,
            keeps_dots,
        });
    }

    /// Whether nothing else was under way when this message came.
    pub(in crate::session) fn came_by_itself(&self, at: usize) -> bool {
        let is_pipelining = self
            .maildrop
            .as_ref()
            .is_some_and(OpenMaildrop::is_pipelining);
        !is_pipelining || self.doubts.alone() == Some(at)
    }

    /// Whether a message came in an earlier session out of step: then only a copy alone proves it.
    fn is_to_be_proven(&mut self, at: usize) -> bool {
        let is_pipelining = self
            .maildrop
            .as_ref()
            .is_some_and(OpenMaildrop::is_pipelining);
        // Another message, as its head shows, was never out of step.
        let is_asked = is_pipelining && self.why(at) != Why::Changed;
        let entry = self.orders.entry(at).filter(|_| is_asked);
        entry.is_some_and(|entry| self.look_at_twin(entry.unique_id, |twin| twin.is_any_by_head))
    }

    /// Notes a message whose place among the replies proves it only while the session is in step:
    /// one that came while commands were pipelined, or without pipelining the last one.
    pub(in crate::session) fn note_unproven(&mut self, key: &RecordKey, weighed: Weighed) {
        let is_pipelining = self
            .maildrop
            .as_ref()
            .is_some_and(OpenMaildrop::is_pipelining);
        let is_sized = weighed == Weighed::AsAnnounced && !self.doubts.sizes.are_estimates();
        if is_sized && !is_pipelining {
            self.ledger.prove();
        } else {
            self.ledger.note_unproven(key);
        }
        self.doubts.is_unsized |=
            weighed == Weighed::Unannounced || self.doubts.sizes.are_estimates();
        self.doubts.is_unproven = true;
        self.doubts.proofs = 0;
    }

    /// Requests the next doubtful message once no other command is under way; after the last one,
    /// the proof that the session is in step.
    pub(in crate::session) fn ask_alone(&mut self) -> Result<(), SessionError> {
        let orders = &self.orders;
        let Some(maildrop) = self.maildrop.as_mut() else {
            return Ok(());
        };
        if maildrop.is_busy() {
            return maildrop.flush();
        }
        let unsettled = self.doubts.unsettled().filter(|_| !self.doubts.must_prove);
        let Some(held) = unsettled else {
            self.doubts.must_prove = false;
            self.doubts.asked = LastAsked::Proving;
            return maildrop.prove();
        };
        let (at, octets_max) = (held.at, orders.visit.limits.message_octets_max);
        let keeps_dots = held.keeps_dots;
        let Some(entry) = orders.entry(at) else {
            return Err(SessionError::Invariant("a message came that is not listed"));
        };
        let draft = orders
            .with
            .spool
            .begin(orders.with.spool.room_for(entry.octets));
        maildrop.retrieve(at, entry, draft, octets_max)?;
        if keeps_dots {
            maildrop.client.keep_dots();
        }
        self.doubts.asked = LastAsked::Alone;
        Ok(())
    }

    /// Takes in the doubtful message, which came once more, alone.
    async fn came_alone(&mut self, draft: Draft, weighed: Weighed) {
        self.doubts.last_alone = self.doubts.alone();
        self.doubts.asked = LastAsked::Nothing;
        let Some(place) = self.doubts.place() else {
            return;
        };
        let tries = self.doubts.held.get(place).map(|held| self.tries(held.at));
        let Some(held) = self.doubts.held.get_mut(place) else {
            return;
        };
        let times = held.times.unwrap_or(0) + 1;
        held.are_equally_long &= held.draft.octets() == draft.octets();
        let earlier = Earlier {
            times,
            was_shorter: held.was_shorter,
            are_equally_long: held.are_equally_long,
            is_last_try: tries.is_some_and(|tries| tries + 1 >= limits::TRIES_MAX),
        };
        match octets::judge(&held.draft.digest(), &draft.digest(), weighed, earlier) {
            Second::Same => {
                held.times = None;
                held.weighed = weighed;
                let sender = octets::sender_letter(held.draft.front().unwrap_or_default());
                if weighed.is_otherwise() && self.doubts.sizes.differed(sender) {
                    self.say_of_octets(OctetsQuirk::Estimated);
                }
                // Messages of this pipeline are compared: they came while sizes were trusted.
                if let Some(maildrop) = &mut self.maildrop {
                    maildrop.sizes_are_estimates = self.doubts.sizes.are_estimates();
                }
            }
            Second::Other => {
                held.times = None;
                held.weighed = weighed;
                held.draft = draft;
            }
            Second::Again => {
                held.times = Some(times);
                held.weighed = weighed;
                held.was_shorter |= weighed.is_shorter();
                held.draft = draft;
            }
            Second::OtherEachTime => {
                held.times = None;
                held.weighed = Weighed::OtherEachTime {
                    is_shorter: held.was_shorter || weighed.is_shorter(),
                };
                held.draft = draft;
                let sender = octets::sender_letter(held.draft.front().unwrap_or_default());
                if self.doubts.sizes.differed(sender) {
                    self.say_of_octets(OctetsQuirk::Estimated);
                }
            }
            Second::NeverAlike => {
                let at = held.at;
                drop(self.doubts.held.remove(place));
                // The reply in its place may continue, and would be taken for the next message.
                self.doubts.must_prove = true;
                self.postpone(at, None);
            }
        }
    }

    /// The server refused to send the doubtful message once more.
    pub(in crate::session) fn refused_alone(&mut self, at: usize, words: &str) {
        self.doubts.asked = LastAsked::Nothing;
        let place = self.doubts.place();
        drop(place.and_then(|place| self.doubts.held.remove(place)));
        self.postpone(at, Some(words));
    }

    /// How often the message was deferred.
    fn tries(&self, at: usize) -> u32 {
        let Some(entry) = self.orders.entry(at) else {
            return 0;
        };
        let known = self.orders.records.of(entry.unique_id);
        let tries = known.filter_map(|known| match &known.record.state {
            State::Deferred(deferral) => Some(deferral.tries),
            _ => None,
        });
        tries.max().unwrap_or(0)
    }

    /// Defers a message that never arrived with the announced size, or was not sent again, with
    /// these words. On a server that hides retrieved messages, QUIT must not follow.
    fn postpone(&mut self, at: usize, refused: Option<&str>) {
        let Some(entry) = self.orders.entry(at) else {
            return;
        };
        let unique_id = &entry.unique_id();
        self.say_of_octets(match refused {
            None => OctetsQuirk::NeverAsAnnounced { unique_id },
            Some(words) => OctetsQuirk::NotSentAgain { unique_id, words },
        });
        self.counts().deferred += 1;
        self.window.spare(entry.octets.unwrap_or(0));
        let (now, settles) = (self.now(), !self.orders.parks);
        self.note_deferred(at, settles, |before| {
            deferral::defer_unretrieved(before, "octets_differ", now)
        });
    }
}

/// Compares the size of a message. Lines are counted only if the size alone is not enough. Also
/// returns whether the server does not stuff: its sizes are those of the lines with all their dots.
async fn weigh(came: &mut Came) -> Result<(Weighed, bool), SpoolError> {
    let mut counted = Counted {
        octets: came.draft.octets(),
        dots: came.dots,
        ..Counted::default()
    };
    let weighed = octets::weigh(&came.announced, &counted);
    if !weighed.is_otherwise() && came.lone_dots == 0 {
        return Ok((weighed, false));
    }
    let lines = came.draft.lines().await?;
    (counted.crlf_lines, counted.lf_lines) = (lines.crlf, lines.lf);
    let keeps_dots = came.lone_dots > 0 && came.announced.tells_unstuffed(&counted);
    Ok((octets::weigh(&came.announced, &counted), keeps_dots))
}
