//! The channel from an operator back to the caller.

use tokio::sync::mpsc;

use crate::mail::limits;
use crate::operator::{Failure, Response};

/// Receives the responses to one request, one by one.
///
/// It holds only a few of them. The operator waits while the caller is slower, so that a long
/// answer needs little memory.
#[derive(Clone)]
pub struct Answer(mpsc::Sender<Response>);

impl Answer {
    /// Creates the channel for one request; the caller receives the responses from the second
    /// value.
    pub fn new() -> (Self, mpsc::Receiver<Response>) {
        let (to, from) = mpsc::channel(limits::WAITING_RESPONSES_MAX);
        (Self(to), from)
    }

    /// Sends one response.
    pub(super) async fn say(&self, response: impl Into<Response>) -> Result<(), Failure> {
        let said = self.0.send(response.into()).await;
        said.map_err(|_| Failure::Unheard)
    }
}
