//! The way from an operator back to whoever asked.

use tokio::sync::mpsc;

use crate::operator::{Failure, Response};

/// Takes the responses to one request, one by one.
///
/// It holds only a few of them: the operator waits while whoever asked is slower, so that a long
/// answer needs little memory.
#[derive(Clone)]
pub struct Answer(mpsc::Sender<Response>);

impl Answer {
    /// The way for one request, and its other end, where the responses come out.
    pub fn new() -> (Self, mpsc::Receiver<Response>) {
        let (to, from) = mpsc::channel(WAITING_RESPONSES_MAX);
        (Self(to), from)
    }

    /// Sends one response.
    pub(super) async fn say(&self, response: impl Into<Response>) -> Result<(), Failure> {
        let said = self.0.send(response.into()).await;
        said.map_err(|_| Failure::Unheard)
    }
}

/// Responses that wait to be heard. The largest hold a piece of a message, of 64 KiB.
const WAITING_RESPONSES_MAX: usize = 16;
