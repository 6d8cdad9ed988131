//! Whether a sink has begun with an offer. Until then the offer can be withdrawn, for example when
//! the agent stops while the offer waits for its turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Shared by the sink, which begins, and by the one who made the offer and may withdraw it. Only
/// one of the two happens.
#[derive(Clone, Debug, Default)]
pub struct Begin(Arc<AtomicU8>);

impl Begin {
    /// The sink begins with the message now. False if the offer was withdrawn: then the sink must
    /// not touch the message. May be called again.
    pub fn begin(&self) -> bool {
        self.decide(BEGUN)
    }

    /// Withdraws the offer. False if the sink has begun.
    pub fn withdraw(&self) -> bool {
        self.decide(WITHDRAWN)
    }

    fn decide(&self, wanted: u8) -> bool {
        let orders = (Ordering::SeqCst, Ordering::SeqCst);
        match self.0.compare_exchange(WAITING, wanted, orders.0, orders.1) {
            Ok(_) => true,
            Err(decided) => decided == wanted,
        }
    }
}

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_begun_or_withdrawn_and_never_both() {
        let begun = Begin::default();
        assert!(begun.begin() && begun.begin() && !begun.withdraw());
        let withdrawn = Begin::default();
        assert!(withdrawn.withdraw() && !withdrawn.clone().begin());
    }
}
