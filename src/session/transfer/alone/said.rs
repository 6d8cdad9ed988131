//! What is reported about messages whose size is not the announced one.

use crate::mail::{Percent, limits};
use crate::seen::RecordKey;
use crate::session::judge::octets;
use crate::session::judge::octets::Weighed;
use crate::session::transfer::Transfer;
use crate::spool::Message;
use crate::telemetry::Event;

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
            let stays = if self.orders.hides {
                ""
            } else {
                ", and it stays on the server"
            };
            let detail = format!(
                "message {}: the server sends other contents each time. The last copy is \
                 delivered{stays}",
                key.unique_id
            );
            self.say_of_octets("octets_differ", &detail);
        }
        varies
    }

    /// Reports once that the server keeps a message because it has announced more of it.
    pub(super) fn say_cut(&self, key: &RecordKey, octets: u64, listed: Option<u64>) {
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

    pub(super) fn say_estimated(&self) {
        let detail = "the server announces wrong sizes: messages are no longer retrieved twice for \
                      that, and are deleted unless less than half of the announced size arrived";
        self.say_of_octets("octets_estimated", detail);
    }

    pub(super) fn say_of_octets(&self, what: &'static str, detail: &str) {
        self.orders.with.reporter.say(Event::Quirk {
            account: &self.orders.visit.account,
            what,
            detail,
        });
    }
}
