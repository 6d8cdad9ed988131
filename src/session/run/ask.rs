//! Asks for heads, and goes on in the next session where there was no time.

use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{Timestamp, limits};
use crate::seen::AccountState;
use crate::session::judge::heads_said::Heads;
use crate::session::run::inspect::{DAY_SECONDS, HEADS_UNRELIABLE_SECONDS, Inspection};
use crate::session::server::asking::Asking;
use crate::session::server::heads::HEADERS_AT_ONCE;

impl Inspection<'_> {
    /// Asks for heads, until it is time to note what they have said so far.
    pub(in crate::session) async fn ask(
        &self,
        asking: &mut Asking<'_>,
        state: &mut AccountState,
        positions: &[u32],
        heads: &mut Heads,
    ) {
        let begun = Instant::now();
        let noted_after = Duration::from_secs(limits::HEADS_NOTED_SECONDS);
        let mut positions = positions.to_vec();
        // Those that come first must not take all the time of each session.
        if positions.len() > HEADERS_AT_ONCE {
            let first = fastrand::usize(..positions.len());
            positions.rotate_left(first);
        }
        for some in positions.chunks(asking.at_once()) {
            if asking.is_over() {
                return heads.end();
            }
            if begun.elapsed() >= noted_after {
                return;
            }
            let shown = asking.heads(self.listing, some).await;
            // A server that ends sessions at TOP must not end each of them: it goes without for a
            // day.
            if asking.ended_by_server() {
                let day_left = HEADS_UNRELIABLE_SECONDS - DAY_SECONDS;
                let now = self.with.clock.now();
                state.names.heads_unreliable = Some(Timestamp(now.0.saturating_sub(day_left)));
            }
            for (at, head) in some.iter().zip(shown.into_iter().flatten()) {
                heads.insert(*at, head);
            }
        }
        if asking.is_cut() {
            heads.end();
        }
    }
}
