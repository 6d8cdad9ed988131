//! Messages that are listed as too large, before anything is retrieved.
//!
//! A server may list a million of them. So only some are reported one by one, only some are
//! recorded in one session, and their records are made durable in few commits, one after another.

use std::collections::HashMap;

use crate::mail::{Entry, limits};
use crate::seen::{Change, Notes, Record, RecordKey, State};
use crate::session::judge::disposition::{Disposition, Skip};
use crate::session::transfer::Transfer;
use crate::session::transfer::answer::Answered;
use crate::session::transfer::commits::Committed;
use crate::telemetry::{Event, MessageEvent, Quirk};

/// The new oversized messages of one unique-id: the first entry in the listing, and how many there
/// are.
struct News<'a> {
    entry: Entry<'a>,
    copies: u32,
}

impl Transfer<'_> {
    /// Counts oversized messages, and reports and records once that each stays on the server.
    pub(in crate::session) fn report_oversized(&mut self) {
        let listing = self.orders.listing;
        let limit = self.orders.visit.limits.message_octets_max;
        let mut news: Vec<News<'_>> = Vec::new();
        let mut at_of = HashMap::new();
        let mut more = 0_u64;
        for (at, disposition) in self.orders.plan.dispositions.iter().enumerate() {
            let Disposition::Skip(Skip::TooLarge { reported }) = disposition else {
                continue;
            };
            self.counts().oversized += 1;
            let entry = listing
                .get(at)
                .filter(|entry| !reported && entry.octets.is_some_and(|octets| octets > limit));
            let Some(entry) = entry else { continue };
            // One record stands for all oversized messages of the unique-id.
            if let Some(at) = at_of.get(entry.unique_id) {
                if let Some(known) = news.get_mut(*at) {
                    let one: &mut News<'_> = known;
                    one.copies = one.copies.saturating_add(1);
                }
            } else if news.len() < limits::OVERSIZED_RECORDED_MAX {
                at_of.insert(entry.unique_id, news.len());
                news.push(News { entry, copies: 1 });
            } else {
                more += 1;
            }
        }
        if !news.is_empty() {
            self.say_oversized(&news, more);
            self.record_oversized(news);
        }
    }

    fn say_oversized(&self, news: &[News<'_>], more: u64) {
        let account = &self.orders.visit.account;
        let limit_octets = self.orders.visit.limits.message_octets_max;
        let (told, rest) = news.split_at(news.len().min(limits::OVERSIZED_TOLD_MAX));
        for one in told {
            self.orders.with.reporter.say(Event::Message {
                account,
                unique_id: &one.entry.unique_id(),
                event: MessageEvent::TooLarge {
                    octets: one.entry.octets.unwrap_or(0),
                    limit_octets,
                },
            });
        }
        let rest = rest.len() as u64 + more;
        if rest > 0 {
            self.orders.with.reporter.say(Event::Quirk {
                account,
                quirk: Quirk::ManyOversized {
                    messages: rest,
                    limit_octets,
                },
            });
        }
    }

    /// Records the oversized messages, so that they are reported once. When told to stop, leaves
    /// the rest to the next poll.
    fn record_oversized(&mut self, news: Vec<News<'_>>) {
        if self.orders.without_unique_ids {
            return;
        }
        let (at, records) = (self.now(), self.orders.records);
        let changes = news.iter().filter_map(|one| {
            let octets = one.entry.octets?;
            let key = RecordKey::new(one.entry.unique_id(), None);
            if self.is_confirmed(&key) {
                return None;
            }
            let record = Record {
                octets: Some(octets),
                copies: one.copies,
                absent_since: None,
                head: None,
                state: State::Oversized { at, octets },
                notes: Notes::default(),
            };
            Some(Change::Put(key, record))
        });
        let changes: Vec<Change> = changes.collect();
        let (seen, stop) = (&self.orders.with.seen, &self.orders.with.stop);
        self.commits().push(async move {
            for changes in changes.chunks(limits::BATCH_CHANGES_MAX) {
                if stop.soon.is_cancelled() {
                    break;
                }
                let mut batch = records.batch();
                batch.changes.extend_from_slice(changes);
                if let Err(error) = seen.commit(batch, records).await {
                    return Committed::Failed(error.into());
                }
            }
            Committed::Noted
        });
    }
}
