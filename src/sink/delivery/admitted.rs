//! Decides whether a session of an account may offer messages now, by asking all destinations that
//! must accept them.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use crate::mail::{AccountName, Timestamp};
use crate::sink::delivery::{Delivery, Gated};
use crate::sink::{Admission, Probe, Spared};

/// A session that may offer messages. Its end is reported to every destination even if the session
/// panics: a probe that never ended would keep a destination closed for ever.
pub struct Admitted<'a> {
    delivery: &'a Delivery,
    account: &'a AccountName,
    /// For each filter and destination that was asked, the probe that it granted; `None` if it is
    /// open.
    probes: Vec<Option<Probe>>,
    /// Messages that are not offered, or offered last, while the session probes.
    pub spared: Spared,
    /// Whether the session left messages that it could have offered.
    pub left: bool,
}

/// Why a session may not offer messages now.
pub enum NotAdmitted<'a> {
    /// Another session probes a destination. [`Delivery::probes_over`] waits for its end.
    Busy {
        /// What is probed.
        gated: &'a Gated,
    },
    /// A destination accepts no mail before this time.
    Closed {
        /// What is down.
        gated: &'a Gated,
        /// When a probe is due.
        until: Timestamp,
    },
}

impl Delivery {
    /// Asks every filter, and every destination that must accept messages, whether those of an
    /// account may be offered.
    /// A `best_effort` one that is down stops no account.
    ///
    /// # Errors
    /// [`NotAdmitted`] when one accepts none now. Probes that others granted are returned.
    pub fn admit<'a>(
        &'a self,
        account: &'a AccountName,
        now: Timestamp,
    ) -> Result<Admitted<'a>, NotAdmitted<'a>> {
        let mut admitted = Admitted {
            delivery: self,
            account,
            probes: Vec::with_capacity(self.filters.len() + self.destinations.len()),
            spared: Spared::default(),
            // If it is not admitted in the end, it leaves everything that is due.
            left: true,
        };
        let mut busy = None;
        for gated in self.must_pass() {
            let probe = match gated.gate.admits(account, now) {
                Admission::Open => None,
                Admission::Probe(probe, spared) => {
                    admitted.spared.never.extend(spared.never);
                    admitted.spared.last.extend(spared.last);
                    Some(probe)
                }
                Admission::Busy => {
                    busy = busy.or(Some(gated));
                    None
                }
                Admission::Closed { until } => {
                    return Err(NotAdmitted::Closed { gated, until });
                }
            };
            admitted.probes.push(probe);
        }
        if let Some(gated) = busy {
            return Err(NotAdmitted::Busy { gated });
        }
        admitted.left = false;
        Ok(admitted)
    }

    /// Whether messages of an account may be offered to every destination without a probe. For a
    /// session that has finished its probe.
    pub fn is_open(&self, account: &AccountName, now: Timestamp) -> bool {
        match self.admit(account, now) {
            Ok(mut admitted) => {
                admitted.left = admitted.probes();
                !admitted.left
            }
            Err(_) => false,
        }
    }

    /// Waits until the probes that are running now have ended.
    pub fn probes_over(&self) -> BoxFuture<'_, ()> {
        // Each gate is asked now, so that an end after this is not missed.
        let over = self.must_pass().map(|one| one.gate.probe_over());
        join_all(over).map(|_| ()).boxed()
    }
}

impl Admitted<'_> {
    /// Whether only one message may be offered, to see whether a destination accepts mail again.
    pub fn probes(&self) -> bool {
        self.probes.iter().any(Option::is_some)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        for (gated, probe) in self.delivery.must_pass().zip(&self.probes) {
            match probe {
                Some(probe) => gated.gate.probe_ended(*probe, self.left),
                None => gated.gate.session_ended(self.account, self.left),
            }
        }
    }
}
