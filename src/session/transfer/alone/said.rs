//! What is reported about messages whose size is not the announced one.

use crate::mail::limits;
use crate::seen::RecordKey;
use crate::session::judge::octets;
use crate::session::judge::octets::Weighed;
use crate::session::transfer::Transfer;
use crate::spool::Message;
use crate::telemetry::{Event, OctetsQuirk, Quirk};

impl Transfer<'_> {
    /// Whether a message may have lost a part on the server, and reports it. `None` without a size.
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

    /// Whether a message has other octets each time, and reports it.
    pub(in crate::session) fn varies(&self, key: &RecordKey, weighed: Weighed) -> bool {
        let varies = matches!(weighed, Weighed::OtherEachTime { .. });
        if varies {
            self.say_of_octets(OctetsQuirk::Vary {
                unique_id: &key.unique_id,
                stays: !self.orders.parks,
            });
        }
        varies
    }

    /// Reports once that the server keeps a message because it has announced more of it.
    pub(super) fn say_cut(&self, key: &RecordKey, octets: u64, listed: Option<u64>) {
        let known = self.orders.records.get(key);
        if known.is_some_and(|known| known.notes.came_short()) {
            return;
        }
        self.say_of_octets(OctetsQuirk::Short {
            unique_id: &key.unique_id,
            announced: listed,
            octets,
        });
    }

    pub(super) fn say_of_octets(&self, quirk: OctetsQuirk<'_>) {
        self.orders.with.reporter.say(Event::Quirk {
            account: &self.orders.visit.account,
            quirk: Quirk::Octets(quirk),
        });
    }
}
