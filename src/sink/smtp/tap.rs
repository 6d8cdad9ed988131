//! The stream below lettre: it is ours, shared, and makes replies harmless before lettre reads
//! them.
//!
//! lettre reads replies as UTF-8 lines of unlimited length. So octets above 0x7F become `?` here,
//! and an endless reply is an error. lettre does not accept three digits without a text as a reply,
//! although RFC 5321 section 4.2 allows it, so such a line gets a blank at its end. Bodies and
//! pipelined commands bypass lettre, through a second handle on the same stream.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::mail::limits;
use crate::net::IoStream;

/// A handle on the stream; clones share the stream.
#[derive(Clone, Debug)]
pub(super) struct Tap(Arc<Mutex<TapInner>>);

#[derive(Debug)]
struct TapInner {
    stream: Box<dyn IoStream>,
    /// Data that is read before the stream: replies that arrived and were made harmless, and the
    /// greeting if it was read before TLS.
    lead: Vec<u8>,
    line_octets: usize,
    reply_octets: usize,
    /// Whether the line so far is the last one of its reply: its fourth octet is no hyphen.
    line_is_last: bool,
    /// Complete replies that arrived, whether they were expected or not.
    replies: u64,
    /// How often data was sent. While commands are sent one by one, this is their number.
    sent: u64,
    /// Whether a single command was sent after more replies had arrived than the greeting and one
    /// for each earlier command.
    ahead: bool,
}

/// The behaviour of a relay while no command waits for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It waits.
    Quiet,
    /// It has sent something.
    Talks,
    /// It has closed the connection.
    Gone,
}

impl Tap {
    /// Takes a stream; `lead` is read first.
    pub(super) fn new(stream: Box<dyn IoStream>, lead: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(TapInner {
            stream,
            lead: lead.to_vec(),
            line_octets: 0,
            reply_octets: 0,
            line_is_last: true,
            replies: u64::from(!lead.is_empty()),
            sent: 0,
            ahead: false,
        })))
    }

    /// Complete replies that have arrived so far.
    pub(super) fn replies(&self) -> u64 {
        self.with(|inner| inner.replies)
    }

    /// How often data was sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.with(|inner| inner.sent)
    }

    /// Whether the relay ever replied before it was asked, while commands were sent one by one.
    /// From then on each reply may belong to another command, even if the numbers match again.
    pub(super) fn was_ahead(&self) -> bool {
        self.with(|inner| inner.ahead)
    }

    /// Checks whether anything has arrived, without waiting. Data that has arrived is kept for the
    /// next read.
    pub(super) fn mood(&self) -> Mood {
        self.with(|inner| {
            if !inner.lead.is_empty() {
                return Mood::Talks;
            }
            match inner.read(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => Mood::Quiet,
                Poll::Ready(Ok(())) if !inner.lead.is_empty() => Mood::Talks,
                Poll::Ready(_) => Mood::Gone,
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut TapInner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TapInner {
    /// Reads data that has arrived and appends it to `lead`; appends nothing at the end of the
    /// stream.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut octets = [0; 2048];
        let mut buffer = ReadBuf::new(&mut octets);
        match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(self.clean(buffer.filled())),
            other => other,
        }
    }

    /// Makes received data harmless.
    fn clean(&mut self, octets: &[u8]) -> io::Result<()> {
        for octet in octets {
            self.reply_octets += 1;
            let ends = matches!(octet, b'\r' | b'\n');
            if ends && self.line_octets == 3 {
                self.line_octets += 1;
                self.lead.push(b' ');
            }
            if *octet == b'\n' {
                self.lead.push(b'\n');
                self.line_ends();
                continue;
            }
            self.line_octets += 1;
            if self.line_octets == 4 {
                self.line_is_last = *octet != b'-';
            }
            if self.line_octets > limits::SMTP_REPLY_LINE_OCTETS_MAX
                || self.reply_octets > limits::SMTP_REPLY_OCTETS_MAX
            {
                return Err(io::Error::other("the relay sends an endless reply"));
            }
            let is_harmless = octet.is_ascii() && *octet != 0;
            self.lead.push(if is_harmless { *octet } else { b'?' });
        }
        Ok(())
    }

    fn line_ends(&mut self) {
        if self.line_is_last {
            self.replies += 1;
            self.reply_octets = 0;
        }
        (self.line_octets, self.line_is_last) = (0, true);
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|inner| {
            if inner.lead.is_empty() {
                match inner.read(context) {
                    Poll::Ready(Ok(())) => {}
                    other => return other,
                }
            }
            let count = inner.lead.len().min(buffer.remaining());
            buffer.put_slice(inner.lead.get(..count).unwrap_or_default());
            inner.lead.drain(..count);
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|inner| {
            inner.ahead |= inner.replies > inner.sent + 1;
            Pin::new(&mut inner.stream).poll_write(context, octets)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| {
            let flushed = Pin::new(&mut inner.stream).poll_flush(context);
            inner.sent += u64::from(flushed.is_ready());
            flushed
        })
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| Pin::new(&mut inner.stream).poll_shutdown(context))
    }
}

impl AsyncTokioStream for Tap {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
