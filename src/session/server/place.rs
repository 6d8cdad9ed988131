//! The place of one session among those that an agent has (DOUBT.md 4).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::net::{NetError, Wire};
use crate::session::Connect;

/// What the agent tells one session because others wait, and what it sees of it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// End the poll when the messages that were asked for have come; the rest waits for the next
    /// poll.
    pub give_way: CancellationToken,
    /// Drop the link: no message is to blame, and the one that was coming is tried later.
    pub leave: CancellationToken,
    octets: Arc<AtomicU64>,
}

impl Place {
    /// How many octets the session has read.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// The same way to the server, with what is read from it counted here.
    pub fn counting(&self, connect: Arc<dyn Connect>) -> Arc<dyn Connect> {
        Arc::new(Counting {
            connect,
            octets: Arc::clone(&self.octets),
        })
    }
}

/// Counts what is read from the server.
struct Counting {
    connect: Arc<dyn Connect>,
    octets: Arc<AtomicU64>,
}

impl Connect for Counting {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let wire = self.connect.connect().await?;
            Ok(wire.counted_in(&self.octets))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let wire = self.connect.upgrade(wire).await?;
            Ok(wire.counted_in(&self.octets))
        })
    }

    fn name_them<'a>(
        &'a self,
        error: NetError,
        again: BoxFuture<'a, Option<Wire>>,
    ) -> BoxFuture<'a, NetError> {
        self.connect.name_them(error, again)
    }
}
