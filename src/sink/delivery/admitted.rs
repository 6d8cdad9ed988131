//! May a session of an account offer messages now? All destinations of its delivery are asked.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use crate::mail::{AccountName, Timestamp};
use crate::sink::delivery::{Delivery, Destination};
use crate::sink::{Admission, Probe, Spared};

/// A session that may offer messages. Its end is told to every destination even if the session
/// panics: a probe that never ended would keep a destination closed for ever.
pub struct Admitted<'a> {
    delivery: &'a Delivery,
    account: &'a AccountName,
    /// For each destination that was asked, the probe that it granted; `None` where it is open.
    probes: Vec<Option<Probe>>,
    /// Messages that are not offered, or offered last, while the session probes.
    pub spared: Spared,
    /// Whether the session left messages that it might have offered.
    pub left: bool,
}

/// Why a session may offer nothing now.
pub enum NotAdmitted<'a> {
    /// Another session probes a destination. [`Delivery::probes_over`] tells when to ask again.
    Busy {
        /// The destination that is probed.
        destination: &'a Destination,
    },
    /// A destination takes nothing before this time.
    Closed {
        /// The destination that is down.
        destination: &'a Destination,
        /// When a probe is due.
        until: Timestamp,
    },
}

impl Delivery {
    /// Asks every destination whether messages of an account may be offered. All of them must take
    /// messages, because a message is delivered only when all of them have it.
    ///
    /// # Errors
    /// [`NotAdmitted`] when one takes none now. Probes that others granted are given back.
    pub fn admit<'a>(
        &'a self,
        account: &'a AccountName,
        now: Timestamp,
    ) -> Result<Admitted<'a>, NotAdmitted<'a>> {
        let mut admitted = Admitted {
            delivery: self,
            account,
            probes: Vec::with_capacity(self.destinations.len()),
            spared: Spared::default(),
            // When it is not admitted after all, it leaves everything that is due.
            left: true,
        };
        let mut busy = None;
        for destination in &self.destinations {
            let probe = match destination.gate.admits(account, now) {
                Admission::Open => None,
                Admission::Probe(probe, spared) => {
                    admitted.spared.never.extend(spared.never);
                    admitted.spared.last.extend(spared.last);
                    Some(probe)
                }
                Admission::Busy => {
                    busy = busy.or(Some(destination));
                    None
                }
                Admission::Closed { until } => {
                    return Err(NotAdmitted::Closed { destination, until });
                }
            };
            admitted.probes.push(probe);
        }
        if let Some(destination) = busy {
            return Err(NotAdmitted::Busy { destination });
        }
        admitted.left = false;
        Ok(admitted)
    }

    /// Whether messages of an account may be offered to every destination, and none is to be probed
    /// first. For a session that has had its probe.
    pub fn is_open(&self, account: &AccountName, now: Timestamp) -> bool {
        match self.admit(account, now) {
            Ok(mut admitted) => {
                admitted.left = admitted.probes();
                !admitted.left
            }
            Err(_) => false,
        }
    }

    /// Waits until the probes that are under way now have ended.
    pub fn probes_over(&self) -> BoxFuture<'_, ()> {
        // Each gate is asked now: an end after this is not missed.
        let over = self.destinations.iter().map(|one| one.gate.probe_over());
        join_all(over).map(|_| ()).boxed()
    }
}

impl Admitted<'_> {
    /// Whether one message may be offered, to see whether a destination takes mail again.
    pub fn probes(&self) -> bool {
        self.probes.iter().any(Option::is_some)
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        for (destination, probe) in self.delivery.destinations.iter().zip(&self.probes) {
            match probe {
                Some(probe) => destination.gate.probe_ended(*probe, self.left),
                None => destination.gate.session_ended(self.account, self.left),
            }
        }
    }
}
