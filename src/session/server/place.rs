//! The place of one session among those that an agent runs at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::net::{NetError, Wire};
use crate::session::Connect;

/// What the agent asks of one session because others wait, and what it observes of it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// End the poll after the messages that were requested; the rest waits for the next poll.
    pub give_way: CancellationToken,
    /// Close the connection: no message is at fault, and the one under way is retried later.
    pub leave: CancellationToken,
    octets: Arc<AtomicU64>,
}

impl Place {
    /// How many octets the session has read.
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Relaxed)
    }

    /// A connector that counts what it reads from the server here.
    pub fn counting(&self, connect: Arc<dyn Connect>) -> Arc<dyn Connect> {
        Arc::new(Counting {
            connect,
            octets: Arc::clone(&self.octets),
        })
    }
}

/// Counts the octets from the server.
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
