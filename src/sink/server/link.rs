//! An open session with a server, as a transaction uses it.

use std::io;

use crate::proto::transaction::{Extensions, ServerReply};

/// An open session that is ready for a transaction. The caller limits the time of each call.
pub(in crate::sink) trait Link: Send + 'static {
    /// The extensions that the server announced.
    fn extensions(&self) -> Extensions;

    /// Sends octets.
    fn write(&mut self, octets: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// Reads one reply.
    fn hear(&mut self) -> impl Future<Output = ServerReply> + Send;

    /// Whether the server waits for us, while no reply is due: it has sent nothing more, and has
    /// not closed the connection.
    fn is_in_step(&mut self) -> bool;

    /// Whether the server has answered more than it was asked. Then no later reply can be matched
    /// to its command. A server that has only hung up is not ahead: the next command gets no reply.
    fn is_ahead(&mut self) -> bool;

    /// Sends QUIT and waits a moment for the reply: servers log clients that hang up without it.
    fn quit(self) -> impl Future<Output = ()> + Send;
}
