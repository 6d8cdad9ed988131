//! The POP3 server of one account, as configured.

use futures_util::future::BoxFuture;

use crate::mail::TlsMode;
use crate::net::{Connector, IoStream, NetError, Wire, dial};
use crate::session::Connect;

/// The server of one account.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) mode: TlsMode,
    pub(super) connector: Connector,
}

impl Connect for Server {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let stream = self.dial().await?;
            if self.mode != TlsMode::Implicit {
                return Ok(Wire::new(stream));
            }
            match self.connector.connect(&self.host, stream).await {
                Ok(stream) => Ok(Wire::new(stream)),
                Err(error) => {
                    let again = async { self.dial().await.ok() };
                    Err(self.connector.name_them(&self.host, error, again).await)
                }
            }
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let stream = wire.into_stream(&self.host)?;
            Ok(Wire::new(self.connector.connect(&self.host, stream).await?))
        })
    }

    fn name_them<'a>(
        &'a self,
        error: NetError,
        again: BoxFuture<'a, Option<Wire>>,
    ) -> BoxFuture<'a, NetError> {
        Box::pin(async move {
            let again = async { again.await?.into_stream(&self.host).ok() };
            self.connector.name_them(&self.host, error, again).await
        })
    }
}

impl Server {
    async fn dial(&self) -> Result<Box<dyn IoStream>, NetError> {
        Ok(Box::new(dial(&self.host, self.port).await?))
    }
}
