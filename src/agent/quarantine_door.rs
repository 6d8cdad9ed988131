//! Gives sessions access to the quarantine of the state directory.

use futures_util::future::BoxFuture;

use crate::mail::text::Shown;
use crate::quarantine;
use crate::quarantine::QuarantineError;
use crate::session::{CopyStore, LoadedCopy};
use crate::sink::{Offer, Refusal};
use crate::spool::Spool;

/// A quarantine with the spool that its messages are loaded into.
pub struct Kept {
    quarantine: quarantine::Quarantine,
    spool: Spool,
}

impl Kept {
    /// Combines the two.
    pub fn new(quarantine: quarantine::Quarantine, spool: Spool) -> Self {
        Self { quarantine, spool }
    }
}

impl CopyStore for Kept {
    fn keep<'a>(
        &'a self,
        offer: Offer<'a>,
        why: &'a Refusal,
    ) -> BoxFuture<'a, Result<String, Refusal>> {
        Box::pin(async move {
            self.quarantine
                .keep(offer, why.code, &why.words)
                .await
                .map_err(|error| refused(&error))
        })
    }

    fn load<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<LoadedCopy, Refusal>> {
        Box::pin(async {
            let loaded = self.quarantine.load(file, &self.spool).await;
            loaded
                .map(|(message, label)| LoadedCopy {
                    message,
                    envelope: label.envelope,
                    trace: label.received,
                })
                .map_err(|error| refused(&error))
        })
    }

    fn has<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(async {
            let has = self.quarantine.has(file).await;
            has.map_err(|error| refused(&error))
        })
    }

    fn remove<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async {
            self.quarantine
                .remove(file)
                .await
                .map_err(|error| refused(&error))
        })
    }
}

/// Our own disk is treated as a destination: when it is full, no more messages are retrieved.
fn refused(error: &QuarantineError) -> Refusal {
    let words = Shown::new(&error.to_string()).to_string();
    Refusal::of_system(error.lack(), error.code(), words)
}
