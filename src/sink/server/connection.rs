//! A connection on which replies are read by our own reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use crate::mail::limits;
use crate::net::IoStream;
use crate::proto::transaction::{Extensions, ReplyReader, ServerReply};
use crate::sink::server::Link;

/// A stream to a server, and what has arrived on it.
#[derive(Debug)]
pub(in crate::sink) struct Connection {
    stream: Box<dyn IoStream>,
    reader: ReplyReader,
    /// The extensions that the server announced.
    pub(in crate::sink) extensions: Extensions,
}

impl Connection {
    /// Takes a stream on which nothing was read.
    pub(in crate::sink) fn new(stream: Box<dyn IoStream>) -> Self {
        Self {
            stream,
            reader: ReplyReader::default(),
            extensions: Extensions::default(),
        }
    }

    /// The stream; `None` if anything was read beyond the replies that were heard.
    pub(super) fn into_stream(self) -> Option<Box<dyn IoStream>> {
        self.reader.is_empty().then_some(self.stream)
    }

    /// Whether anything was read beyond the replies that were heard.
    pub(super) const fn has_leftover(&self) -> bool {
        !self.reader.is_empty()
    }

    /// Reads what has arrived, without waiting. Ready if that is something, or the end.
    fn look(&mut self) -> Poll<()> {
        let mut octets = [0; READ_OCTETS];
        let mut buffer = ReadBuf::new(&mut octets);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream)
            .poll_read(&mut context, &mut buffer)
            .map(|_| self.reader.push(buffer.filled()))
    }
}

impl Link for Connection {
    fn extensions(&self) -> Extensions {
        self.extensions
    }

    async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    async fn hear(&mut self) -> ServerReply {
        let mut octets = [0; READ_OCTETS];
        loop {
            if let Some(reply) = self.reader.next_reply() {
                return reply;
            }
            match self.stream.read(&mut octets).await {
                Ok(0) => return ServerReply::Lost("the server closed the connection".to_owned()),
                Ok(count) => self.reader.push(octets.get(..count).unwrap_or_default()),
                Err(error) => return ServerReply::Lost(error.to_string()),
            }
        }
    }

    fn is_in_step(&mut self) -> bool {
        !self.has_leftover() && self.look().is_pending()
    }

    fn is_ahead(&mut self) -> bool {
        if !self.has_leftover() {
            let _ = self.look();
        }
        self.has_leftover()
    }

    async fn quit(mut self) {
        let quit = async {
            self.write(b"QUIT\r\n").await.ok()?;
            Some(self.hear().await)
        };
        let _ = timeout(QUIT_TIME, quit).await;
    }
}

/// Read at once; a reply has a few hundred octets.
const READ_OCTETS: usize = 2048;

/// How long the reply to QUIT is waited for.
pub(in crate::sink) const QUIT_TIME: Duration = Duration::from_secs(limits::RELAY_QUIT_SECONDS_MAX);
