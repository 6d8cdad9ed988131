//! One session: connect, log in, list, plan, transfer, quit.

pub(in crate::session) mod ask;
pub(in crate::session) mod checking;
mod enter;
mod first_poll;
mod gone;
mod guarded;
pub(in crate::session) mod hiding;
pub(in crate::session) mod inspect;
pub(in crate::session) mod learn;
pub(in crate::session) mod look;
pub(in crate::session) mod missing;
pub(in crate::session) mod moved;
pub(in crate::session) mod names;
pub(in crate::session) mod sample;
pub(in crate::session) mod unnamed;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, sleep};

use crate::fault;
use crate::mail::{Timestamp, WhoActs, limits};
use crate::seen::{AccountState, Record, RecordKey, Records, State};
use crate::session::judge::budget::Budget;
use crate::session::judge::disposition::Plan;
use crate::session::judge::quota::{Quota, remaining};
use crate::session::judge::short::Short;
use crate::session::judge::struck_deletes;
use crate::session::judge::taken::{Allowance, DueCheck};
use crate::session::run::hiding::Hides;
use crate::session::server::asking::Asking;
use crate::session::server::listing::Listed;
use crate::session::server::listing_room::Held;
use crate::session::server::maildrop::{Goodbye, Happened, OpenMaildrop};
use crate::session::transfer::Transfer;
use crate::session::transfer::ledger::Retrieved;
use crate::session::transfer::orders::{Orders, Transferred};
use crate::session::transfer::{parked, unproven};
use crate::session::{Collaborators, Counts, SessionError, Visit};
use crate::sink::Spared;
use crate::telemetry::{AccountEvent, DeleteQuirk, Event, MessageEvent, Quirk};

/// One session, from greeting to close.
pub(super) struct Session<'a> {
    pub(super) visit: &'a Visit,
    pub(super) with: &'a Collaborators,
    pub(super) clock_trusted: bool,
    pub(super) allowance: Option<u64>,
    /// Messages that must not be offered while the breaker probes.
    pub(super) spared: &'a Spared,
    /// How many messages this poll may offer to a suspect destination.
    pub(super) budget: &'a Budget<'a>,
    /// Numbers of messages whose body exceeded the limit in an earlier session of this poll.
    pub(super) outgrown: &'a [u32],
    /// The earlier deletes of which this session has to see whether they took effect.
    pub(super) check: Option<DueCheck>,
    /// What it is for, if the server ends each session after a few commands.
    pub(super) short: Option<Short>,
}

/// A maildrop with an open connection, and its listing.
struct Opened {
    maildrop: OpenMaildrop,
    listing: Listed,
    /// The end of the time for the whole session.
    deadline: Instant,
}

/// How one session ended.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) counts: Counts,
    pub(super) error: Option<SessionError>,
    pub(super) stopped: bool,
    pub(super) again: bool,
    /// Whether another session is to check the deletes of this one at once.
    pub(super) checks: bool,
    /// How many messages were identified by their digests, on a server without unique-ids.
    pub(super) identified: usize,
    /// The rest of the allowance.
    pub(super) allowance: Option<u64>,
    /// Whether due messages were not offered, although they could have been.
    pub(super) left: bool,
    /// Numbers of messages whose body exceeded the limit.
    pub(super) outgrown: Vec<u32>,
    /// How many deletes the server may have been asked for.
    pub(super) deletes_sent: usize,
    /// How many of those earlier sessions had asked for already.
    pub(super) deletes_again: usize,
    /// Those of them that the server refused.
    pub(super) deletes_refused: Vec<RecordKey>,
    /// Whether the server accepted QUIT.
    pub(super) quit: bool,
    /// The result of QUIT.
    pub(super) goodbye: Goodbye,
    /// How many commands about messages were answered before the server ended the session without
    /// an invalid reply.
    pub(super) lost_after: Option<u32>,
    /// How many were answered before QUIT, deletes included.
    pub(super) answered: u32,
}

impl Session<'_> {
    /// Transfers the listed messages first, then the parked ones: a session has at most one probe,
    /// and a parked message must not use it up before new mail. Parked messages are offered even if
    /// the server cannot be reached.
    pub(super) async fn run(
        &self,
        state: &mut AccountState,
        poll: &Counts,
    ) -> Result<Ended, SessionError> {
        let (visit, with) = (self.visit, self.with);
        let deadline = Instant::now() + Duration::from_secs(limits::SESSION_SECONDS_MAX);
        let mut room = Held::begin(&with.stop.place);
        // Listing a large maildrop takes longer than reading its records.
        let (records, opened) = tokio::join!(self.records(&mut room), self.open(state, deadline));
        let records = match (records, opened) {
            (Ok(records), opened) => (records, opened),
            // A refused password is counted, whatever else is wrong.
            (Err(_), Err(refused)) if refused.who_acts() == WhoActs::Account => {
                return Err(refused);
            }
            (Err(error), Ok(Some((maildrop, _)))) => {
                self.quit(maildrop, limits::QUIT_SECONDS_MAX, &mut Vec::new())
                    .await;
                return Err(error);
            }
            (Err(error), _) => return Err(error),
        };
        let (records, opened) = records;
        let waits = parked::is_any_due(&records, with.clock.now());
        let began_settled = records.unsettled().all(is_settled);
        let visited = match opened {
            Ok(Some((maildrop, listing))) => {
                let opened = Opened {
                    maildrop,
                    listing,
                    deadline,
                };
                let visited = self.visit_maildrop(records, opened, state, poll).await;
                visited.map_err(Some).and_then(|ended| ended.ok_or(None))
            }
            Ok(None) => Err(None),
            Err(error) => Err(Some(error)),
        };
        let mut ended = visited.unwrap_or_else(|error| Ended {
            error,
            stopped: with.stop.soon.is_cancelled(),
            allowance: self.allowance,
            ..Ended::default()
        });
        ended.counts.began_settled = began_settled;
        let error = ended.error.as_ref();
        if waits && !ended.stopped && !error.is_some_and(SessionError::prevents_offers) {
            let bounds = parked::Bounds {
                allowance: ended.allowance,
                spared: self.spared,
                budget: self.budget,
            };
            let retried = parked::retry(visit, with, (state, bounds), &mut ended.counts).await;
            if let Err(error) = retried {
                ended.error.get_or_insert(error);
            }
        }
        Ok(ended)
    }

    /// The records of the account, once there is memory for them.
    async fn records(&self, room: &mut Held) -> Result<Records, SessionError> {
        let seen = &self.with.seen;
        room.grow_for_records(seen.count().await?).await?;
        Ok(seen.records().await?)
    }

    /// Returns `None` when mailferry is asked to stop before anything was retrieved.
    async fn visit_maildrop(
        &self,
        mut records: Records,
        opened: Opened,
        state: &mut AccountState,
        poll: &Counts,
    ) -> Result<Option<Ended>, SessionError> {
        let (visit, with) = (self.visit, self.with);
        let (mut maildrop, mut listing) = (opened.maildrop, opened.listing);
        let mut asking = Asking::new(&mut maildrop, &with.stop, opened.deadline);
        let looked = self.look(&mut asking, &listing, &mut records, state, poll);
        let Some((mut plan, hides)) = looked.await? else {
            return Ok(None);
        };
        let pops = hides.is_known() && state.hiding.without_quit;
        let now = with.clock.now();
        let spared_count = self.complete_plan(&mut plan, &mut listing, &records, state, poll);
        let before = self.before_retrieving(&plan, &listing, state, hides.is_known());
        let shown_since = before.await?;
        let deletes = self.begin_deletes((&listing, &plan), &records, state, now);
        let elsewhere = self.elsewhere(state, &plan).await?;
        let deletable = struck_deletes::deletable(state, &listing.listing, now);
        let (cut_off, due) = (state.clone(), std::mem::take(&mut plan.deletes));
        let orders = Orders {
            state: &cut_off,
            deletable: &deletable,
            visit,
            with,
            listing: &listing.listing,
            unnamed: &listing.served,
            records: &records,
            plan: &plan,
            clock_trusted: self.clock_trusted,
            without_unique_ids: listing.without_unique_ids.is_some(),
            hides: hides.is_known(),
            parks: hides.parks(),
            shown_since,
            allowance: self.allowance,
            spared: self.spared,
            spared_count,
            budget: self.budget,
            quota: self.quota(&listing, poll),
            elsewhere: &elsewhere,
            names_are_counted: plan.names_are_counted,
            recipient_since: self.recipient_since(state, now),
            began_again: state.names.began_again,
            deletes,
            check: self.check,
            sizes: state.sizes.after(records.len()),
            deadline: opened.deadline,
        };
        let mut done = Transfer::new(orders, maildrop, due).run().await;
        let came = std::mem::take(&mut done.retrieved);
        let (served, habits) = ((&listing, &plan, hides), (&mut *state, deletes));
        let known = self.learn_from(&done, &came, served, habits, now).await?;
        self.learn_names(&done.findings, &plan, &records, state, now);
        let gone = done.gone.clone();
        let (noted, findings) = (done.deletes_noted, done.findings);
        let all_popped = done.is_all_retrieved();
        let mut ended = self.leave(done, hides.parks(), deletes.quit_seconds).await;
        self.doubt(&came, ended.goodbye.out_of_step, now).await?;
        self.learn_deletes(state, (noted, findings), &ended).await?;
        self.check_deletes((&listing, deletes), &mut ended, (findings, noted), state);
        self.count_left((&listing, &plan), &mut ended, &gone, state);
        self.learn_from_goodbye(&listing, &ended, &gone, state);
        if known && ended.quit && (all_popped || !pops) {
            self.note_retrieved_without_quit(state, false).await?;
        }
        Ok(Some(ended))
    }

    /// Notes what the transfer shows about the server and the records, before QUIT. Returns whether
    /// the server hides retrieved messages.
    async fn learn_from(
        &self,
        done: &Transferred,
        came: &Retrieved,
        (listed, plan, hides): (&Listed, &Plan, Hides),
        habits: (&mut AccountState, Allowance),
        begun: Timestamp,
    ) -> Result<bool, SessionError> {
        let (state, deletes) = habits;
        self.learn(listed, done, state);
        self.doubt(came, done.lost.is_some(), begun).await?;
        self.notice_identified((listed, plan, hides), done, (state, deletes), begun)
            .await?;
        self.settle_hiding(hides, done.findings, state, begun).await
    }

    /// Notes that messages of a session out of step must be compared.
    async fn doubt(
        &self,
        retrieved: &Retrieved,
        is_out_of_step: bool,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        if is_out_of_step {
            unproven::doubt(&self.with.seen, retrieved, now).await?;
        }
        Ok(())
    }

    /// How much this poll may retrieve, if only a digest shows whether a message counts.
    fn quota(&self, listing: &Listed, poll: &Counts) -> Option<Quota> {
        let limits = remaining(self.visit.limits, poll);
        let counts_late = listing.without_unique_ids.is_some();
        counts_late.then(|| Quota::new(limits))
    }

    /// Since when the account's messages go to its present recipient.
    fn recipient_since(&self, state: &mut AccountState, now: Timestamp) -> Timestamp {
        state.note_recipient(&self.visit.owner(&self.with.delivery), now)
    }

    /// Reports and stores what is needed before anything is retrieved. Returns the earlier result
    /// of [`AccountState::shown_since`].
    async fn before_retrieving(
        &self,
        plan: &Plan,
        listing: &Listed,
        state: &mut AccountState,
        hides: bool,
    ) -> Result<Option<Timestamp>, SessionError> {
        let shown_since = state.shown_since();
        let retrieves = !plan.retrievals.is_empty();
        if hides {
            self.say_if_blocked(plan);
        }
        if hides && retrieves {
            self.note_retrieved_without_quit(state, true).await?;
        }
        self.with.reporter.say(Event::Account {
            account: &self.visit.account,
            event: AccountEvent::Listed {
                listed: listing.listing.len() as u64,
                wanted: plan.retrievals.len() as u64,
            },
        });
        if retrieves {
            self.with.seen.ready().await?;
        }
        Ok(shown_since)
    }

    /// Sends QUIT, with little time for it when mailferry is told to stop now. Earlier answers to
    /// deletes are added to `happened`.
    async fn quit(
        &self,
        maildrop: OpenMaildrop,
        seconds: u64,
        happened: &mut Vec<Happened>,
    ) -> Goodbye {
        let goodbye = Duration::from_secs(limits::GOODBYE_SECONDS);
        let told = self.with.stop.now.cancelled();
        tokio::select! {
            biased;
            quit = maildrop.quit_within(seconds, happened) => quit,
            () = told.then(|()| sleep(goodbye)) => Goodbye::default(),
        }
    }

    /// Sends QUIT, unless the server could then hide a message that no destination has accepted.
    async fn leave(&self, mut done: Transferred, parks: bool, quit_seconds: u64) -> Ended {
        // A connection that is gone was lost or closed, and that was reported, unless mailferry was
        // told to stop.
        let asked = done.maildrop.is_some();
        let mut happened = Vec::new();
        let answered = |maildrop: &OpenMaildrop| maildrop.client.answered_about_messages();
        let answered = done.maildrop.as_ref().map_or(0, answered);
        let goodbye = match done.maildrop.take() {
            Some(maildrop) if done.all_settled || !parks => {
                fault::pass("deletes.answered");
                self.quit(maildrop, quit_seconds, &mut happened).await
            }
            _ => Goodbye::default(),
        };
        let quit = goodbye.is_yes();
        if goodbye.deletes_unwritten {
            self.withdraw_notes(&mut done).await;
        }
        for one in happened {
            match one {
                Happened::Deleted => done.counts.deleted += 1,
                Happened::DeleteRefused { unique_id, words } => {
                    self.with.reporter.say(Event::Message {
                        account: &self.visit.account,
                        unique_id: &unique_id,
                        event: MessageEvent::DeleteRefused { words: &words },
                    });
                    done.deletes_refused.push(unique_id);
                }
                _ => {}
            }
        }
        let deletes = done.deletes_sent.len();
        if deletes > 0 && (asked || done.stopped) && !quit {
            self.with.reporter.say(Event::Quirk {
                account: &self.visit.account,
                quirk: Quirk::Deletes(DeleteQuirk::Unconfirmed { deletes }),
            });
        }
        if !quit {
            done.counts.unconfirmed = std::mem::take(&mut done.counts.deleted);
        }
        Ended {
            counts: done.counts,
            error: done.error,
            stopped: done.stopped,
            again: done.again,
            checks: false,
            identified: done.identified.len(),
            allowance: done.allowance,
            left: done.left,
            outgrown: done.outgrown,
            deletes_sent: deletes,
            deletes_again: done.deletes_again,
            deletes_refused: learn::refused(done.deletes_sent, done.deletes_refused),
            quit,
            goodbye,
            answered: answered.saturating_add(u32::try_from(deletes).unwrap_or(u32::MAX)),
            lost_after: done.lost.and_then(|lost| lost.after).or(goodbye.lost_after),
        }
    }
}

/// Whether nothing about the message needs to be reported any more.
fn is_settled(record: &Record) -> bool {
    !matches!(record.state, State::Deferred(_) | State::Quarantined { .. })
}
