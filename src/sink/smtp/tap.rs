//! The stream under lettre: ours, shared, and with replies made harmless before lettre reads them.
//!
//! lettre reads replies as UTF-8 lines without an end to their length. So here octets above 0x7F become `?`, and a line without
//! an end is an error. Bodies and pipelined commands are written past lettre, through a second handle on the same stream.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::mail::limits;
use crate::net::IoStream;

/// A handle on the stream; clones are the same stream.
#[derive(Clone, Debug)]
pub(super) struct Tap(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    stream: Box<dyn IoStream>,
    /// What is read before anything of the stream: the greeting, where it was read before TLS.
    lead: Vec<u8>,
    line_octets: usize,
}

impl Tap {
    /// Takes a stream; `lead` is read first.
    pub(super) fn new(stream: Box<dyn IoStream>, lead: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            stream,
            lead: lead.to_vec(),
            line_octets: 0,
        })))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    /// Makes what was read harmless.
    fn clean(&mut self, octets: &mut [u8]) -> io::Result<()> {
        for octet in octets {
            self.line_octets = if *octet == b'\n' {
                0
            } else {
                self.line_octets + 1
            };
            if self.line_octets > limits::SMTP_REPLY_LINE_OCTETS_MAX {
                return Err(io::Error::other(
                    "the relay sends a reply line without an end",
                ));
            }
            if !octet.is_ascii() || *octet == 0 {
                *octet = b'?';
            }
        }
        Ok(())
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|inner| {
            if !inner.lead.is_empty() {
                let count = inner.lead.len().min(buffer.remaining());
                let lead: Vec<u8> = inner.lead.drain(..count).collect();
                buffer.put_slice(&lead);
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            match Pin::new(&mut inner.stream).poll_read(context, buffer) {
                Poll::Ready(Ok(())) => {
                    let fresh = buffer.filled_mut().get_mut(before..).unwrap_or_default();
                    Poll::Ready(inner.clean(fresh))
                }
                other => other,
            }
        })
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|inner| Pin::new(&mut inner.stream).poll_write(context, octets))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|inner| Pin::new(&mut inner.stream).poll_flush(context))
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
