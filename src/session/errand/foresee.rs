//! Foresees for the operator what a poll would do: asks whether the destinations could take mail,
//! logs in, lists and quits. Nothing is retrieved, deleted or recorded.

use crate::mail::{DeliveredMessage, Entry, HeadDigests, Listing, Timestamp, UniqueId};
use crate::seen::{AccountState, Known, Records, State};
use crate::session::errand::pause;
use crate::session::judge::clock::ClockVerdict;
use crate::session::judge::disposition::{Circumstances, Disposition, Names, Plan, Skip, Why};
use crate::session::judge::heads_said::Heads;
use crate::session::judge::plan::{plan_with_heads, plan_without_unique_ids};
use crate::session::judge::quota::{comparing, remaining};
use crate::session::judge::{self, first_run};
use crate::session::long::long;
use crate::session::run::inspect::Inspection;
use crate::session::server::listing::{self, Listed};
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{Collaborators, Counts, SessionError, Visit};

/// What a poll would do with the messages that a server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// The messages, in the order of the listing.
    pub messages: Vec<ForeseenMessage>,
    /// How many more are listed without unique-id.
    pub without_unique_id: u64,
}

/// What a poll would do with one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeseenMessage {
    /// Its number in this session.
    pub number: u32,
    /// Its unique-id; `None` on a server that gives none.
    pub unique_id: Option<UniqueId>,
    /// The octets that the server lists.
    pub octets: Option<u64>,
    /// What would happen to it.
    pub what: Disposition,
    /// When it is tried again, if it waits.
    pub next_try: Option<Timestamp>,
    /// Whether it would be deleted in the same poll, if it is delivered then.
    pub then_deleted: bool,
}

/// Foresees what a poll now would do, if each listed message is the recorded one where its header
/// has to show that.
///
/// # Errors
/// Why a poll would stop before it retrieves anything, and who must act.
pub async fn foresee(visit: &Visit, with: &Collaborators) -> Result<Foreseen, SessionError> {
    with.check(visit)?;
    with.delivery
        .ready()
        .await
        .map_err(|(name, refusal)| SessionError::of_refusal(&*name, refusal))?;
    let mut maildrop = pause::enter(visit, with).await?;
    let listed = listing::list(&mut maildrop, &with.stop.place).await;
    let foreseen = match &listed {
        Ok(listed) => plan_of(visit, with, &maildrop, listed).await,
        Err(_) => Ok(Foreseen {
            messages: Vec::new(),
            without_unique_id: 0,
        }),
    };
    maildrop.quit().await;
    listed?;
    foreseen
}

async fn plan_of(
    visit: &Visit,
    with: &Collaborators,
    maildrop: &OpenMaildrop,
    listed: &Listed,
) -> Result<Foreseen, SessionError> {
    let mut state = with.seen.state().await?;
    let records = with.seen.records().await?;
    let before = state.maildrop();
    if !state.maildrop.host.is_empty() && before != visit.maildrop() {
        return Err(SessionError::Account {
            code: "other_maildrop",
            words: visit.uses_another(&before),
            hint: "A poll compares the messages of both first".to_owned(),
        });
    }
    let plan = plan_now((visit, with), maildrop, listed, (&records, &mut state))?;
    let (now, count) = (with.clock.now(), listed.listing.len());
    let message = |(at, (entry, what)): (usize, (Entry<'_>, &Disposition))| ForeseenMessage {
        then_deleted: matches!(
            what,
            Disposition::Retrieve(Why::New | Why::Retry | Why::Changed)
        ) && visit.retention.is_due(
            DeliveredMessage {
                at: now,
                octets: entry.octets,
                newer: count.saturating_sub(at + 1),
            },
            now,
            true,
        ),
        number: entry.number,
        unique_id: listed
            .without_unique_ids
            .is_none()
            .then(|| entry.unique_id()),
        octets: entry.octets,
        what: *what,
        next_try: next_try(&entry, *what, &records),
    };
    let planned = listed.listing.iter().zip(&plan.dispositions);
    Ok(Foreseen {
        messages: planned.enumerate().map(message).collect(),
        without_unique_id: listed.unnamed.len(),
    })
}

/// The plan of a poll, made as by a session, but with what is known without asking for headers.
fn plan_now(
    (visit, with): (&Visit, &Collaborators),
    maildrop: &OpenMaildrop,
    listed: &Listed,
    (records, state): (&Records, &mut AccountState),
) -> Result<Plan, SessionError> {
    let (listing, now) = (&listed.listing, with.clock.now());
    let clock = judge::clock::trust(state, with.seen.newest(), now);
    let mut circumstances = Circumstances {
        retention: visit.retention,
        order: visit.order,
        limits: remaining(visit.limits, &Counts::default()),
        comparing: comparing(visit.limits, &Counts::default()),
        now,
        clock_trusted: matches!(clock, ClockVerdict::Believed),
        pops: false,
        leaves_out_struck: state.odd.leaves_out_struck,
        retry_first: !state.pacing.began_with_retry,
        names: Names::default(),
    };
    let entries = listing.len() + records.len();
    if listed.without_unique_ids.is_some() {
        first_run::without_unique_ids(visit.first_run, listing, records, state)?;
        let struck = &state.odd.struck;
        return Ok(plan_without_unique_ids(
            listing,
            &circumstances,
            &[],
            struck,
        ));
    }
    let inspection = Inspection {
        visit,
        with,
        listing,
        records,
        short: None,
    };
    circumstances.names = inspection.names(maildrop, state, now);
    let marks_all = first_run::first_poll(visit.first_run, listing, 0, records, state)?;
    let mut plan = long(entries, || {
        let mut heads = Heads::default();
        loop {
            let mut plan = plan_with_heads(listing, records, &circumstances, &heads);
            let wanted = std::mem::take(&mut plan.wants_heads);
            if wanted.is_empty() {
                return plan;
            }
            for at in wanted {
                heads.insert(at, recorded_head(listing, records, at));
            }
        }
    });
    if marks_all {
        for what in &mut plan.dispositions {
            if matches!(what, Disposition::Retrieve(Why::New)) {
                *what = Disposition::Skip(Skip::Marked);
            }
        }
    }
    Ok(plan)
}

/// The head that a server shows if the listed message is the recorded one; `None` if no record has
/// its head.
fn recorded_head(listing: &Listing, records: &Records, at: u32) -> Option<HeadDigests> {
    let entry = listing.get(at as usize)?;
    let head = records
        .of(entry.unique_id)
        .find_map(|known| known.record.head)?;
    Some(HeadDigests {
        parted: head,
        whole: head,
    })
}

/// When a message that waits is tried again.
fn next_try(entry: &Entry<'_>, what: Disposition, records: &Records) -> Option<Timestamp> {
    if !matches!(what, Disposition::Skip(Skip::Deferred | Skip::Parked)) {
        return None;
    }
    let of_record = |known: Known<'_>| match known.record.state {
        State::Deferred(deferral) => Some(deferral.next_try),
        _ => None,
    };
    records.of(entry.unique_id).filter_map(of_record).min()
}
