//! An established TLS connection. A server may still refuse our client certificate: in TLS 1.3 our
//! handshake ends before the server has checked it (RFC 8446 section 4.4.2.4).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_native_tls::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};

use crate::net::{IoStream, openssl_words};

/// A verified stream, and the name of its host.
#[derive(Debug)]
pub(super) struct Secured {
    stream: TlsStream<BufReader<Box<dyn IoStream>>>,
    host: Box<str>,
}

impl Secured {
    pub(super) fn new(stream: TlsStream<BufReader<Box<dyn IoStream>>>, host: &str) -> Self {
        let host = host.into();
        Self { stream, host }
    }

    /// Recognises a late refusal of our client certificate, and explains other errors of OpenSSL.
    fn explain(&self, error: io::Error) -> io::Error {
        let words = error.to_string();
        match openssl_words::of_our_certificate(&self.host, &words) {
            Some(refused) => io::Error::other(refused),
            None if words.starts_with("error:") => {
                io::Error::new(error.kind(), openssl_words::explained(&words))
            }
            None => error,
        }
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        Poll::Ready(read.map_err(|error| self.explain(error)))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, octets));
        Poll::Ready(written.map_err(|error| self.explain(error)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        Poll::Ready(flushed.map_err(|error| self.explain(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
