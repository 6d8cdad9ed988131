//! Messages that came otherwise than announced: each is retrieved once more, alone, before anything is made of it (DOUBT.md
//! section 2).
//!
//! What came after such a message in the same pipeline waits, too: where a message ended too early, the rest of it was read as the
//! replies to the commands that followed. Before the messages are let go, an answer that only its command has shows that the server has
//! said no more than it was asked.

mod in_step;

use std::collections::VecDeque;

use crate::mail::{Announced, Counted, Percent, Timestamp, limits};
use crate::seen::{Compared, Notes, RecordKey, Sizes};
use crate::session::SessionError;
use crate::session::judge::deferral;
use crate::session::judge::octets;
use crate::session::judge::octets::{Second, Weighed};
use crate::session::judge::plan::Why;
use crate::session::server::maildrop::Maildrop;
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::offers::Parcel;
use crate::spool::{Draft, Message, SpoolError};
use crate::telemetry::Event;

/// A message as the connection gave it, with what tells its size.
pub(in crate::session) struct Came {
    /// Its position in the listing.
    pub(in crate::session) at: usize,
    pub(in crate::session) draft: Draft,
    pub(in crate::session) announced: Announced,
    /// Dots that were taken away from the beginning of a line.
    pub(in crate::session) dots: u64,
    /// How many of them no server sends that stuffs.
    pub(in crate::session) lone_dots: u64,
}

/// Messages that wait until it is settled what came.
pub(in crate::session) struct Doubts {
    /// In the order in which they came.
    held: VecDeque<Held>,
    asked: LastAsked,
    /// Whether a message has come since the server last proved to be in step.
    is_unproven: bool,
    /// The position of the message that came last while nothing else was asked for.
    last_alone: Option<usize>,
    /// Whether the session must be proven to be in step before anything else is asked for.
    must_prove: bool,
    /// What is known of the sizes that this maildrop announces.
    sizes: Sizes,
    /// What came while commands were pipelined; without pipelining, the message that came last.
    unproven: Vec<RecordKey>,
}

/// What the server was asked last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LastAsked {
    /// Nothing: replies that were asked for before are still to come.
    #[default]
    Nothing,
    /// One message, alone.
    Alone,
    /// The proof that the session is in step.
    Proving,
}

struct Held {
    at: usize,
    draft: Draft,
    weighed: Weighed,
    /// How often it was retrieved alone; `None` when that is not needed, or no more.
    times: Option<u32>,
    /// Whether fewer octets came than were announced, at any time.
    was_shorter: bool,
    /// Whether the server does not stuff: dots at the beginning of a line are content.
    keeps_dots: bool,
}

impl Doubts {
    /// Nothing waits yet.
    pub(in crate::session) fn new(sizes: &Sizes) -> Self {
        Self {
            held: VecDeque::new(),
            asked: LastAsked::default(),
            is_unproven: false,
            last_alone: None,
            must_prove: false,
            sizes: sizes.clone(),
            unproven: Vec::new(),
        }
    }

    /// What waits is dropped.
    pub(in crate::session) fn drop_all(&mut self) {
        self.held.clear();
        self.asked = LastAsked::default();
        self.is_unproven = false;
        self.last_alone = None;
        self.must_prove = false;
    }

    /// The place of each message among the replies proves what it is.
    pub(in crate::session) fn prove(&mut self) {
        self.unproven = Vec::new();
    }

    /// Whether the sizes that this maildrop announces tell nothing.
    pub(in crate::session) fn are_sizes_estimates(&self) -> bool {
        self.sizes.are_estimates()
    }

    /// What is known now of the sizes, and what nothing proves to be what was asked for, if the session was out of step.
    pub(in crate::session) fn into_parts(self) -> (Sizes, Vec<RecordKey>) {
        (self.sizes, self.unproven)
    }

    /// Whether nothing waits.
    pub(in crate::session) fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.must_prove
    }

    /// The position of the message that is retrieved alone now.
    pub(in crate::session) fn alone(&self) -> Option<usize> {
        match self.asked {
            LastAsked::Alone => self.unsettled().map(|held| held.at),
            LastAsked::Nothing | LastAsked::Proving => None,
        }
    }

    /// The position of the message that came last while nothing else was asked for, if nothing has been proven since.
    pub(in crate::session) fn to_blame(&self) -> Option<usize> {
        match self.asked {
            LastAsked::Alone => self.alone(),
            LastAsked::Proving => self.last_alone,
            LastAsked::Nothing => None,
        }
    }

    fn unsettled(&self) -> Option<&Held> {
        self.held.iter().find(|held| held.times.is_some())
    }

    fn place(&self) -> Option<usize> {
        self.held.iter().position(|held| held.times.is_some())
    }
}

impl Parcel {
    /// Whether the server announced more of the message than it handed out.
    fn is_cut(&self) -> bool {
        self.octets_differ == Some(true)
    }

    /// What its record says of that. Where no size was announced, what was known stays true, and
    /// where the operator has said that it counts as delivered, that does.
    pub(in crate::session) fn differs(&self, known: &Notes) -> bool {
        !known.octets_accepted && self.octets_differ.unwrap_or(known.octets_differ)
    }

    /// What its record says beside its fate. A message that came short was retrieved twice, and is retrieved again to be compared
    /// as often as any other: the server may have the rest of it later.
    pub(in crate::session) fn notes(&self, now: Timestamp) -> Notes {
        Notes {
            octets_differ: self.is_cut(),
            varies: self.varies,
            compared: self.is_cut().then_some(Compared {
                at: now,
                times: self.stumps.saturating_add(1),
            }),
            ..Notes::default()
        }
    }
}

impl Transfer<'_> {
    /// A message has arrived to its final dot. It goes its way if it is what was announced, and nothing before it is in doubt.
    pub(in crate::session) async fn came(&mut self, mut came: Came) {
        let (weighed, keeps_dots) = match weigh(&mut came).await {
            Ok(weighed) => weighed,
            Err(error) => return self.lose(error.into()),
        };
        // After a session out of step each message is proven before the next is asked for.
        let is_proven_alone = self.is_wary_in_lock_step();
        if is_proven_alone {
            self.doubts.last_alone = Some(came.at);
            self.doubts.must_prove = true;
        }
        if self.doubts.alone() == Some(came.at) {
            return self.came_alone(came.draft, weighed).await;
        }
        let is_odd = match weighed {
            Weighed::Unannounced | Weighed::AsAnnounced => self.is_to_be_proven(came.at),
            Weighed::Otherwise { .. } | Weighed::LongerEachTime => {
                !self.doubts.sizes.are_estimates()
            }
        };
        let keeps_dots = keeps_dots && !self.doubts.sizes.are_estimates();
        let is_odd = is_odd || keeps_dots;
        if weighed == Weighed::AsAnnounced {
            self.doubts.sizes.agreed();
        }
        if self.doubts.is_empty() && !is_odd {
            return self.arrived(came.at, came.draft, weighed).await;
        }
        self.doubts.held.push_back(Held {
            at: came.at,
            draft: came.draft,
            weighed,
            times: is_odd.then_some(0),
            was_shorter: weighed.is_shorter(),
            keeps_dots,
        });
    }

    /// Whether nothing else was asked for when this message came.
    pub(in crate::session) fn came_by_itself(&self, at: usize) -> bool {
        let is_pipelining = self.maildrop.as_ref().is_some_and(Maildrop::is_pipelining);
        !is_pipelining || self.doubts.alone() == Some(at)
    }

    /// Whether a message came in a session out of step before: then only a copy that came alone proves it.
    fn is_to_be_proven(&mut self, at: usize) -> bool {
        let is_pipelining = self.maildrop.as_ref().is_some_and(Maildrop::is_pipelining);
        // What is another message by its head was never out of step.
        let is_asked = is_pipelining && self.why(at) != Why::Changed;
        let entry = self.orders.entry(at).filter(|_| is_asked);
        entry.is_some_and(|entry| self.look_at_twin(entry.unique_id, |twin| twin.is_any_by_head))
    }

    /// Notes a message whose place among the replies proves what it is only while the session is in step.
    pub(in crate::session) fn note_unproven(&mut self, key: &RecordKey, weighed: Weighed) {
        let is_pipelining = self.maildrop.as_ref().is_some_and(Maildrop::is_pipelining);
        let is_sized = weighed == Weighed::AsAnnounced && !self.doubts.sizes.are_estimates();
        if is_sized && !is_pipelining {
            self.doubts.unproven.clear();
        } else {
            self.doubts.unproven.push(key.clone());
        }
        self.doubts.is_unproven = true;
    }

    /// Asks for the next message that is in doubt as soon as no other command is outstanding; after the last, for the proof that
    /// the session is in step.
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

    /// The message in doubt has come once more, alone.
    async fn came_alone(&mut self, draft: Draft, weighed: Weighed) {
        self.doubts.last_alone = self.doubts.alone();
        self.doubts.asked = LastAsked::Nothing;
        let Some(place) = self.doubts.place() else {
            return;
        };
        let Some(held) = self.doubts.held.get_mut(place) else {
            return;
        };
        let times = held.times.unwrap_or(0) + 1;
        let known = (times, held.was_shorter);
        match octets::judge(&held.draft.digest(), &draft.digest(), weighed, known) {
            Second::Same => {
                held.times = None;
                held.weighed = weighed;
                let sender = octets::sender_letter(held.draft.front().unwrap_or_default());
                if weighed.is_otherwise() && self.doubts.sizes.differed(sender) {
                    self.say_estimated();
                }
                // What came together with it is still compared: it came while the sizes were believed.
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
            Second::LongerEachTime => {
                held.times = None;
                held.weighed = Weighed::LongerEachTime;
                held.draft = draft;
                let sender = octets::sender_letter(held.draft.front().unwrap_or_default());
                if self.doubts.sizes.differed(sender) {
                    self.say_estimated();
                }
            }
            Second::NeverAlike => {
                let at = held.at;
                drop(self.doubts.held.remove(place));
                // What came in its place may go on, and would be taken for the next message.
                self.doubts.must_prove = true;
                self.put_off(
                    at,
                    "it came with other contents each time, and never with the announced size",
                );
            }
        }
    }

    /// The server would not hand out the message in doubt once more.
    pub(in crate::session) fn refused_alone(&mut self, at: usize, words: &str) {
        self.doubts.asked = LastAsked::Nothing;
        let place = self.doubts.place();
        drop(place.and_then(|place| self.doubts.held.remove(place)));
        self.put_off(
            at,
            &format!("its size was not the announced one, and it was not sent again: {words}"),
        );
    }

    /// Leaves a message for another day. A server that hides what was retrieved must not get QUIT then, because nobody has it.
    fn put_off(&mut self, at: usize, words: &str) {
        let Some(entry) = self.orders.entry(at) else {
            return;
        };
        let detail = format!(
            "message {}: {words}; it stays on the server for now",
            entry.unique_id()
        );
        self.say_of_octets("octets_differ", &detail);
        self.counts().deferred += 1;
        self.window.spare(entry.octets.unwrap_or(0));
        let (now, settles) = (self.now(), !self.orders.hides);
        self.note_deferred(at, settles, |before| {
            deferral::defer_unretrieved(before, "octets_differ", now)
        });
    }

    /// Whether a message may have lost a part on the server, which is said. `None` where no size was announced.
    pub(in crate::session) fn is_cut(
        &self,
        key: &RecordKey,
        message: &Message,
        weighed: Weighed,
        listed: Option<u64>,
    ) -> Option<bool> {
        if weighed == Weighed::Unannounced {
            return None;
        }
        let are_estimates = self.doubts.sizes.are_estimates();
        let is_empty = || {
            let head = message.head(limits::HEADER_OCTETS_MAX).unwrap_or_default();
            octets::has_empty_body(&head, message.octets())
        };
        let is_cut = weighed.forbids_delete(are_estimates, false)
            || (weighed.forbids_delete(are_estimates, true) && is_empty());
        if is_cut {
            self.say_cut(key, message.octets(), listed);
        }
        Some(is_cut)
    }

    /// Whether a message comes with other octets each time, which is said.
    pub(in crate::session) fn varies(&self, key: &RecordKey, weighed: Weighed) -> bool {
        let varies = weighed == Weighed::LongerEachTime;
        if varies {
            let detail = format!(
                "message {}: the server sends other contents each time, and never fewer octets \
                 than it announces. The last copy is delivered, and it stays on the server",
                key.unique_id
            );
            self.say_of_octets("octets_differ", &detail);
        }
        varies
    }

    /// Says of a message, once, that the server keeps it because it has announced more of it.
    fn say_cut(&self, key: &RecordKey, octets: u64, listed: Option<u64>) {
        let known = self.orders.records.get(key);
        if known.is_some_and(|known| known.notes.came_short()) {
            return;
        }
        let announced = listed.map_or_else(|| "more".to_owned(), |octets| octets.to_string());
        let (account, id) = (&self.orders.visit.account, &key.unique_id);
        let name = Percent(id.as_bytes());
        let detail = format!(
            "message {id}: the server announces {announced} octets and sends {octets}. They are \
             delivered, and it stays on the server: look for the rest there. If this is all of it, \
             `mailferry seen mark --as-delivered {account} {name}` lets the retention delete it"
        );
        self.say_of_octets("octets_differ", &detail);
    }

    fn say_estimated(&self) {
        let detail = "the server announces wrong sizes: messages are no longer retrieved twice for \
                      that, and are deleted unless less than half of the announced size arrived";
        self.say_of_octets("octets_estimated", detail);
    }

    fn say_of_octets(&self, what: &'static str, detail: &str) {
        self.orders.with.reporter.say(Event::Quirk {
            account: &self.orders.visit.account,
            what,
            detail,
        });
    }
}

/// Weighs a message. Lines are counted only where the size alone does not tell: most messages have just the announced octets.
/// Says, too, whether the server does not stuff: its sizes are those of the lines as they came, with all their dots.
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
