//! An open session with a relay: lettre's connection, and the tap below it.

use std::io;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::response::Response;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::mail::Secret;
use crate::proto::transaction::{Extensions, ServerReply};
use crate::sink::server::{Link, QUIT_TIME};
use crate::sink::smtp::tap::{Mood, Tap};

/// A session with a relay, ready for a transaction.
pub(super) struct RelaySession {
    /// Reads replies.
    pub(super) connection: AsyncSmtpConnection,
    /// Writes commands and messages, bypassing lettre.
    pub(super) tap: Tap,
    pub(super) extensions: Extensions,
    /// Secrets that no reply may show: some servers repeat what they were sent.
    pub(super) secrets: Vec<Secret>,
    /// The number of replies that were expected and read. If more have arrived, the relay is out of
    /// step, and no reply can be trusted.
    pub(super) heard: u64,
}

impl Link for RelaySession {
    fn extensions(&self) -> Extensions {
        self.extensions
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.tap.write_all(octets).await?;
        self.tap.flush().await
    }

    async fn hear(&mut self) -> ServerReply {
        self.heard += 1;
        reply_of(self.connection.read_response().await).without(&self.secrets)
    }

    fn is_in_step(&mut self) -> bool {
        self.tap.mood() == Mood::Quiet && self.tap.replies() == self.heard
    }

    /// While commands are sent one by one, a reply that came too early is noticed even if the
    /// numbers match again.
    fn is_ahead(&mut self) -> bool {
        self.tap.mood() == Mood::Talks
            || self.tap.replies() > self.heard
            || (!self.extensions.pipelining && self.tap.was_ahead())
    }

    async fn quit(mut self) {
        let _ = timeout(QUIT_TIME, self.connection.quit()).await;
    }
}

/// Converts lettre's result. lettre treats 3xx as positive and higher codes as an error.
pub(super) fn reply_of(answer: Result<Response, Error>) -> ServerReply {
    match answer {
        Ok(response) => {
            let lines = response.message().map(str::to_owned).collect();
            ServerReply::Said(u16::from(response.code()), lines)
        }
        Err(error) => match error.status() {
            Some(code) => {
                let source = std::error::Error::source(&error);
                let words = source.map(ToString::to_string).unwrap_or_default();
                ServerReply::Said(u16::from(code), vec![words])
            }
            None => ServerReply::Lost(why_lost(&error)),
        },
    }
}

/// Why no reply came. lettre says "error Not at:" for anything that is no reply, and "incomplete
/// response" at the end of the connection.
fn why_lost(error: &Error) -> String {
    let source = std::error::Error::source(error);
    let words = source.map_or_else(|| error.to_string(), ToString::to_string);
    if !error.is_response() {
        return words;
    }
    match words.split_once(" at: ") {
        Some((_, received)) => format!("expected a reply, got: {}", received.trim_end()),
        None if words == "incomplete response" => CLOSED.to_owned(),
        None => words,
    }
}

const CLOSED: &str = "the server closed the connection";
