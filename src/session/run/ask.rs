//! Requests heads, and continues in the next session if there was no time.

use std::time::Duration;

use tokio::time::Instant;

use crate::mail::{DAY_SECONDS, Timestamp, limits};
use crate::seen::AccountState;
use crate::session::judge::heads_said::{Head, Heads};
use crate::session::run::inspect::Inspection;
use crate::session::server::asking::Asking;

impl Inspection<'_> {
    /// Requests the missing heads, until it is time to note what they have shown so far. The heads
    /// of one unique-id are useful only together: so they are requested one unique-id after the
    /// other, and one that was begun is continued first. If `is_patient`, it continues after the
    /// session's time for heads is over, too: otherwise a unique-id with very many messages would
    /// be finished in no session.
    pub(in crate::session) async fn ask(
        &self,
        asking: &mut Asking<'_>,
        state: &mut AccountState,
        wanted: &[u32],
        heads: &mut Heads,
        is_patient: bool,
    ) {
        let begun = Instant::now();
        let noted_after = Duration::from_secs(limits::HEADS_NOTED_SECONDS);
        let (wanted, mut current) = self.in_turn(wanted, heads);
        let mut rest = &wanted[..];
        while !rest.is_empty() {
            let mut at_once = asking.at_once().min(rest.len());
            if asking.is_late() && is_patient {
                let of_current = |at: &&u32| current.is_some() && self.name(**at) == current;
                at_once = at_once.min(rest.iter().take_while(of_current).count());
            }
            if asking.is_over() || (asking.is_late() && !is_patient) || at_once == 0 {
                return heads.end();
            }
            if begun.elapsed() >= noted_after {
                return;
            }
            let (some, later) = rest.split_at(at_once);
            let shown = asking.heads(self.listing, some).await;
            // A server that ends sessions at TOP must not end each of them: TOP is left out for a
            // day. One that ends each session after a few commands has answered TOP before.
            let few = 2..=limits::SHORT_SESSION_COMMANDS_MAX;
            let is_short = asking
                .lost_after()
                .is_some_and(|after| few.contains(&after));
            if asking.ended_by_server() && !is_short {
                let day_left = limits::HEADS_UNRELIABLE_SECONDS - DAY_SECONDS;
                let now = self.with.clock.now();
                state.names.heads_unreliable = Some(Timestamp(now.0.saturating_sub(day_left)));
            }
            for (at, head) in some.iter().zip(shown.into_iter().flatten()) {
                heads.insert(*at, head);
            }
            current = some.last().and_then(|at| self.name(*at));
            rest = later;
        }
        if asking.is_cut() {
            heads.end();
        }
    }

    /// The positions whose heads were not requested, and the unique-id of which some were. That one
    /// comes first; the others begin at a random one, so that those at the front of the listing do
    /// not take all the time of each session.
    fn in_turn(&self, wanted: &[u32], heads: &Heads) -> (Vec<u32>, Option<&[u8]>) {
        let is_asked = |at: &u32| heads.get(*at) != Head::NotAsked;
        let begun = |some: &[u32]| some.iter().any(is_asked) && !some.iter().all(is_asked);
        let mut groups: Vec<&[u32]> = wanted
            .chunk_by(|a, b| self.name(*a) == self.name(*b))
            .collect();
        let current = groups.iter().position(|group| begun(group));
        let first = current.or_else(|| {
            (wanted.len() > limits::HEADS_AT_ONCE_MAX)
                .then(|| fastrand::usize(..groups.len().max(1)))
        });
        groups.rotate_left(first.unwrap_or(0));
        let current = current.and_then(|_| self.name(*groups.first()?.first()?));
        let wanted = groups.into_iter().flatten().copied();
        (wanted.filter(|at| !is_asked(at)).collect(), current)
    }

    fn name(&self, at: u32) -> Option<&[u8]> {
        self.listing.get(at as usize).map(|entry| entry.unique_id)
    }
}
