//! The connection of a maildrop, when TLS starts.

use crate::net::Wire;
use crate::session::server::maildrop::OpenMaildrop;
use crate::session::{Connect, SessionError};

impl OpenMaildrop {
    /// Starts TLS on the connection: the server has accepted STLS. The capabilities announced
    /// before are forgotten.
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
