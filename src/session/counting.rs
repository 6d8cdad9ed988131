//! A connector that counts the octets from the server.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::future::BoxFuture;

use crate::net::{NetError, Wire};
use crate::session::{Connect, Place};

impl Place {
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
