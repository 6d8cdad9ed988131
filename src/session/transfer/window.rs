//! What may be requested in one session: the messages that wait, and the limits.

use std::slice::Iter;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::mail::limits;
use crate::session::SessionError;
use crate::session::judge::budget::Budget;
use crate::session::judge::quota::Quota;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::transfer::Transfer;
use crate::session::transfer::ledger::Ledger;
use crate::session::transfer::orders::Orders;
use crate::spool::Reservation;

/// The messages that wait to be requested, and the limits.
pub(in crate::session) struct Window<'a> {
    waiting: Iter<'a, u32>,
    /// How many of those, at the end, must not be offered while the breaker probes.
    spared_count: usize,
    /// How many messages this poll may offer to a suspect destination.
    budget: &'a Budget<'a>,
    /// At most this many retrievals until a message was accepted: 1 while the breaker probes.
    allowance: Option<u64>,
    quota: Option<Quota>,
    /// Whether the quota left messages for later.
    quota_reached: bool,
    /// A permit for each message that is in a file: when there is none left, nothing more is
    /// requested.
    files: Arc<Semaphore>,
    /// Whether a due message was not offered.
    left: bool,
    refusals_in_a_row: u32,
    /// Those of the last refused messages of which it is unknown whether they are at fault.
    uncharged: Vec<usize>,
    /// Whether a message came in this session.
    has_come: bool,
    /// How many messages the server would not send any more in this session.
    left_by_server: u64,
}

impl<'a> Window<'a> {
    /// Begins with all retrievals of the plan.
    pub(in crate::session) fn new(orders: &Orders<'a>) -> Self {
        Self {
            waiting: orders.plan.retrievals.iter(),
            spared_count: orders.spared_count,
            budget: orders.budget,
            allowance: orders.allowance,
            quota: orders.quota,
            quota_reached: false,
            files: Arc::new(Semaphore::new(limits::SPOOL_FILES_MAX)),
            left: false,
            refusals_in_a_row: 0,
            uncharged: Vec::new(),
            has_come: false,
            left_by_server: 0,
        }
    }

    /// The position of the next message that waits.
    pub(in crate::session) fn next(&self) -> Option<usize> {
        self.waiting.as_slice().first().map(|at| *at as usize)
    }

    /// How many messages wait.
    pub(in crate::session) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the breaker and a suspicion allow one more request.
    pub(in crate::session) fn is_open(&self) -> bool {
        let may_probe = self
            .allowance
            .is_none_or(|left| left > 0 && self.waiting.len() > self.spared_count);
        may_probe && !self.budget.is_spent()
    }

    /// Whether one more message may be in a file.
    pub(in crate::session) fn has_file(&self) -> bool {
        self.files.available_permits() > 0
    }

    /// Whether the poll's limits allow a message of this size, which is counted.
    pub(in crate::session) fn takes(&mut self, octets: u64) -> bool {
        let takes = self.quota.as_mut().is_none_or(|quota| quota.take(octets));
        self.quota_reached |= !takes;
        takes
    }

    /// Counts the file of a message against the allowed number.
    pub(in crate::session) fn count_file(&self, room: &mut Reservation) {
        room.count_file_in(&self.files);
    }

    /// Removes the next message from those that wait.
    pub(in crate::session) fn advance(&mut self) {
        self.waiting.next();
    }

    /// Counts a message that is offered, or requested to be offered.
    pub(in crate::session) fn count_offer(&mut self) {
        self.budget.ask();
        self.allowance = self.allowance.map(|left| left - 1);
    }

    /// Uncounts a retrieved message that is not offered: it was no probe, and the next one may be.
    pub(in crate::session) fn spare(&mut self, listed_octets: u64) {
        self.allowance = self.allowance.map(|left| left + 1);
        self.budget.spare();
        if let Some(quota) = &mut self.quota {
            quota.put_back(listed_octets);
        }
    }

    /// Whether the present offer is a probe.
    pub(in crate::session) fn is_probing(&self) -> bool {
        self.allowance.is_some()
    }

    /// Whether one more message may be offered.
    pub(in crate::session) fn may_offer(&self) -> bool {
        self.allowance != Some(0)
    }

    /// Notes an accepted message: from now on the destination may get any number.
    pub(in crate::session) fn accepted(&mut self) {
        self.allowance = None;
    }

    /// The rest of the allowance.
    pub(in crate::session) fn allowance(&self) -> Option<u64> {
        self.allowance
    }

    /// Notes that a due message was not offered.
    pub(in crate::session) fn leave(&mut self) {
        self.left = true;
    }

    /// Requests nothing more of what waits.
    pub(in crate::session) fn close(&mut self) {
        self.left |= self.waiting.len() > self.spared_count;
        self.forget();
    }

    /// Requests nothing more of what waits, and does not count it as due.
    pub(in crate::session) fn forget(&mut self) {
        self.waiting = [].iter();
    }

    /// Notes that the server refused to send a message. Returns whether it has refused so many in a
    /// row that no more are requested.
    pub(in crate::session) fn refused(&mut self) -> bool {
        self.refusals_in_a_row += 1;
        self.refusals_in_a_row >= limits::RETR_ERRORS_IN_A_ROW_MAX
    }

    /// Whether the server has sent a message in this session: then it may have had enough, and
    /// refuse all others whatever they are.
    pub(in crate::session) fn has_come(&self) -> bool {
        self.has_come
    }

    /// Notes a refused message that is at fault only if the server sends another one after it.
    pub(in crate::session) fn charge_later(&mut self, at: usize) {
        self.uncharged.push(at);
    }

    /// Notes that the server sent a message. Returns the refused ones before it, which are at
    /// fault.
    pub(in crate::session) fn retrieved(&mut self) -> Vec<usize> {
        self.refusals_in_a_row = 0;
        self.has_come = true;
        self.take_uncharged()
    }

    /// The last refused messages, of which it is unknown whether they are at fault.
    pub(in crate::session) fn take_uncharged(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.uncharged)
    }

    /// Notes that the server would not send so many messages any more in this session.
    pub(in crate::session) fn leave_to_server(&mut self, messages: usize) {
        self.left_by_server += messages as u64;
    }

    /// How many those are.
    pub(in crate::session) fn left_by_server(&self) -> u64 {
        self.left_by_server
    }

    /// Whether messages wait that another session of this poll may request.
    pub(in crate::session) fn is_unfinished(&self) -> bool {
        self.waiting.len() > 0 && !self.quota_reached && !self.budget.is_spent()
    }

    /// Whether the quota left messages for later.
    pub(in crate::session) fn is_quota_reached(&self) -> bool {
        self.quota_reached
    }

    /// Whether due messages were not offered, although they could have been.
    pub(in crate::session) fn has_left(&self) -> bool {
        self.left || self.waiting.len() > self.spared_count
    }
}

impl Transfer<'_> {
    /// Sends what may be sent: due deletes and retrievals, as far as window and memory allow.
    pub(in crate::session) fn ask(&mut self) -> Result<(), SessionError> {
        if !self.doubts.is_empty() {
            return self.ask_alone();
        }
        // If nothing under way could wake this session, one more file does no harm.
        let mut idle = self.is_finished();
        let Some(maildrop) = &mut self.maildrop else {
            return Ok(());
        };
        let orders = &self.orders;
        let full = |asked: u32| {
            orders
                .visit
                .commit_every
                .is_some_and(|every| asked >= every)
        };
        let deletes_at_once = orders.visit.retention.due_after_seconds() == Some(0);
        let coming = |ledger: &Ledger| {
            if deletes_at_once {
                ledger.under_way()
            } else {
                0
            }
        };
        // Deletes and QUIT need time too, or they would never be sent in sessions that reach the
        // time limit.
        let is_late = Instant::now() + Duration::from_secs(limits::SESSION_END_SECONDS)
            >= self.orders.deadline;
        while self.phase.may_go_on()
            && !is_late
            && !orders.with.stop.place.give_way.is_cancelled()
            && self.answers.counts().retrieved < limits::SESSION_MESSAGES_MAX
            && !full(self.deletes.gathered() + coming(&self.ledger))
        {
            let next = self.window.next();
            let Some((at, entry)) = next.and_then(|at| orders.entry(at).map(|entry| (at, entry)))
            else {
                break;
            };
            if !self.window.is_open()
                || !self.ledger.has_room()
                || !may_follow(maildrop, &self.ledger, orders, at)
            {
                break;
            }
            if !self.window.has_file() && !idle {
                break;
            }
            let octets = entry.octets.unwrap_or(0);
            if !self.window.takes(octets) {
                break;
            }
            let mut room = orders.with.spool.room_for(entry.octets);
            self.window.count_file(&mut room);
            let draft = orders.with.spool.begin(room);
            self.window.advance();
            maildrop.retrieve(at, entry, draft, orders.visit.limits.message_octets_max)?;
            // No size shows that the reply is that of this message.
            if entry.octets.is_none() || maildrop.sizes_are_estimates {
                maildrop.prove_in_flight()?;
            }
            self.ledger.asked(at);
            self.window.count_offer();
            idle = false;
        }
        if self.window.next().is_none() {
            maildrop.prove_in_flight()?;
        }
        maildrop.flush()
    }
}

/// Whether one more message may be requested before the last has come. A message without unique-id
/// comes alone, so that only its own reply can be taken for it.
fn may_follow(maildrop: &OpenMaildrop, ledger: &Ledger, orders: &Orders<'_>, at: usize) -> bool {
    let octets = orders.entry(at).and_then(|entry| entry.octets);
    let is_alone = orders.is_unnamed(at) || ledger.is_any_under_way_from(orders.listing.len());
    (!is_alone || !maildrop.is_busy()) && maildrop.has_room_for(octets)
}
