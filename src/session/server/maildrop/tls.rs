//! The connection of a maildrop, on its way to TLS.

use crate::net::Wire;
use crate::session::server::maildrop::Maildrop;
use crate::session::{Connect, SessionError};

impl Maildrop {
    /// Takes the connection to TLS: the server has said yes to STLS. What it announced before is
    /// forgotten.
    pub(in crate::session) async fn upgrade(
        mut self,
        connect: &dyn Connect,
    ) -> Result<Self, SessionError> {
        self.wire = connect.upgrade(self.wire).await?;
        self.client.upgraded();
        Ok(self)
    }

    /// The connection alone.
    pub(in crate::session) fn into_wire(self) -> Wire {
        self.wire
    }
}
