//! One connection: reads and writes at the same time, with one buffer for input.

use std::fmt::Debug;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::mail::limits;
use crate::net::NetError;

/// A stream of bytes: a socket, TLS over one, or a pipe in tests.
pub trait IoStream: AsyncRead + AsyncWrite + Send + Sync + Unpin + Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + Debug> IoStream for T {}

/// A connection, with input that was read from it and is not used yet.
#[derive(Debug)]
pub struct Wire {
    stream: Box<dyn IoStream>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
    /// The last read filled the buffer, so there may be more to read.
    was_filled: bool,
    /// How the connection ended after the last data, to be returned by the next read.
    end: Option<io::Result<Read>>,
    /// Octets that were written.
    written: u64,
    /// The counter of octets that were read.
    counted: Option<Arc<AtomicU64>>,
}

/// The result of [`Wire::exchange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Data was read.
    Some,
    /// The peer has closed the connection.
    End,
}

impl Wire {
    /// Takes a connected stream.
    pub fn new(stream: Box<dyn IoStream>) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            from: 0,
            to: 0,
            was_filled: false,
            end: None,
            written: 0,
            counted: None,
        }
    }

    /// Counts octets that are read from now on.
    #[must_use]
    pub fn counted_in(mut self, octets: &Arc<AtomicU64>) -> Self {
        self.counted = Some(Arc::clone(octets));
        self
    }

    /// How many octets the stream has taken so far. The peer may not have seen the last of them.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// The input that was read and is not used yet.
    pub fn input(&self) -> &[u8] {
        self.buffer.get(self.from..self.to).unwrap_or_default()
    }

    /// Marks octets at the front of the input as used.
    pub fn consume(&mut self, octets: usize) {
        self.from = (self.from + octets).min(self.to);
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
    }

    /// Writes `output` and reads, both at the same time, because two peers that only write would
    /// wait for each other for ever. Returns when data was read or the peer has closed the
    /// connection. Written octets are removed from the front of `output`, so that dropping this
    /// future loses nothing.
    ///
    /// # Errors
    /// [`NetError::Io`] when the connection breaks; [`NetError::ClientCertificate`] when the server
    /// closes it because of our client certificate.
    pub async fn exchange(&mut self, output: &mut Vec<u8>) -> Result<Read, NetError> {
        self.make_room();
        let before = self.to;
        let read = poll_fn(|context| {
            self.poll_output(context, output)?;
            self.poll_input(context)
        })
        .await;
        if let Some(counted) = &self.counted {
            counted.fetch_add((self.to - before) as u64, Ordering::Relaxed);
        }
        read.map_err(NetError::from)
    }

    /// Writes as much as possible without waiting; the rest is written while the next read waits.
    fn poll_output(&mut self, context: &mut Context<'_>, output: &mut Vec<u8>) -> io::Result<()> {
        let wrote_before = !output.is_empty();
        while !output.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, output) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(octets)) => {
                    self.written += octets as u64;
                    drop(output.drain(..octets));
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
        }
        if wrote_before && let Poll::Ready(flushed) = Pin::new(&mut self.stream).poll_flush(context)
        {
            flushed?;
        }
        Ok(())
    }

    /// Reads the available data, as far as the buffer has room: under TLS each read returns one
    /// record at most.
    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Read>> {
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        let before = self.to;
        let end = loop {
            let mut room = ReadBuf::new(self.buffer.get_mut(self.to..).unwrap_or_default());
            match Pin::new(&mut self.stream).poll_read(context, &mut room) {
                Poll::Ready(Ok(())) if room.filled().is_empty() => break Ok(Read::End),
                Poll::Ready(Ok(())) => {
                    self.was_filled = room.remaining() == 0;
                    self.to += room.filled().len();
                    if self.was_filled {
                        return Poll::Ready(Ok(Read::Some));
                    }
                }
                Poll::Ready(Err(error)) => break Err(error),
                Poll::Pending if self.to > before => return Poll::Ready(Ok(Read::Some)),
                Poll::Pending => return Poll::Pending,
            }
        };
        if self.to == before {
            return Poll::Ready(end);
        }
        // Data that was read before the end is returned first.
        self.end = Some(end);
        Poll::Ready(Ok(Read::Some))
    }

    /// Makes room in the buffer. It is created at the first read, grows while reads fill it, and
    /// its content moves to the front when little room is left at its end.
    fn make_room(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = vec![0; limits::WIRE_BUFFER_OCTETS_MIN];
        }
        if self.was_filled && self.buffer.len() < limits::WIRE_BUFFER_OCTETS {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.buffer.len() {
            self.buffer
                .resize(self.buffer.len() + limits::WIRE_BUFFER_OCTETS, 0);
        }
    }

    /// Returns the stream for the upgrade to TLS with `host`.
    ///
    /// # Errors
    /// [`NetError::InjectedPlaintext`] when the buffer still contains data: that data was not
    /// protected by TLS, and must not appear to be.
    pub fn into_stream(self, host: &str) -> Result<Box<dyn IoStream>, NetError> {
        if self.from < self.to {
            let host = host.to_owned();
            Err(NetError::InjectedPlaintext { host })
        } else {
            Ok(self.stream)
        }
    }

    /// Closes the connection. Whether the peer learns of it does not matter any more.
    pub async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A stream that returns the given data in each read, and then breaks.
    #[derive(Debug)]
    struct Said(std::collections::VecDeque<Result<&'static [u8], io::ErrorKind>>);

    impl Said {
        fn new(reads: &[Result<&'static [u8], io::ErrorKind>]) -> Self {
            Self(reads.iter().copied().collect())
        }
    }

    impl AsyncRead for Said {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match self.0.pop_front() {
                Some(Ok(octets)) => buffer.put_slice(octets),
                Some(Err(kind)) => return Poll::Ready(Err(kind.into())),
                None => {}
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Said {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(octets.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn two_peers_that_both_write_more_than_fits_do_not_wait_for_each_other() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut wire = Wire::new(Box::new(near));
        let mut output = vec![b'c'; 100_000];
        let peer = tokio::spawn(async move {
            // This peer writes everything before it reads anything.
            far.write_all(&vec![b's'; 100_000]).await.unwrap();
            let mut heard = vec![0; 100_000];
            far.read_exact(&mut heard).await.unwrap();
        });
        let mut heard = 0;
        while heard < 100_000 {
            assert_eq!(wire.exchange(&mut output).await.unwrap(), Read::Some);
            heard += wire.input().len();
            wire.consume(wire.input().len());
        }
        while !output.is_empty() {
            if wire.exchange(&mut output).await.unwrap() == Read::End {
                break;
            }
        }
        peer.await.unwrap();
    }

    #[tokio::test]
    async fn unused_input_stays_before_new_input() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut wire = Wire::new(Box::new(near));
        far.write_all(b"one two").await.unwrap();
        wire.exchange(&mut Vec::new()).await.unwrap();
        wire.consume(4);
        assert_eq!(wire.input(), b"two");
        far.write_all(b" three").await.unwrap();
        wire.exchange(&mut Vec::new()).await.unwrap();
        assert_eq!(wire.input(), b"two three");
        drop(far);
        assert_eq!(wire.exchange(&mut Vec::new()).await.unwrap(), Read::End);
    }

    #[tokio::test]
    async fn output_before_the_end_is_read_before_it() {
        let io = Said::new(&[
            Ok(b"+OK "),
            Ok(b"bye\r\n"),
            Err(io::ErrorKind::ConnectionReset),
        ]);
        let mut wire = Wire::new(Box::new(io));
        assert_eq!(wire.exchange(&mut Vec::new()).await.unwrap(), Read::Some);
        assert_eq!(wire.input(), b"+OK bye\r\n");
        let broken = wire.exchange(&mut Vec::new()).await;
        assert!(matches!(broken, Err(NetError::Io(_))), "{broken:?}");

        let (near, mut far) = tokio::io::duplex(1024);
        let mut wire = Wire::new(Box::new(near));
        far.write_all(b"bye").await.unwrap();
        drop(far);
        assert_eq!(wire.exchange(&mut Vec::new()).await.unwrap(), Read::Some);
        assert_eq!(wire.input(), b"bye");
        assert_eq!(wire.exchange(&mut Vec::new()).await.unwrap(), Read::End);
    }

    #[tokio::test]
    async fn the_buffer_grows_with_the_input() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut wire = Wire::new(Box::new(near));
        far.write_all(b"+OK\r\n").await.unwrap();
        wire.exchange(&mut Vec::new()).await.unwrap();
        assert_eq!(wire.buffer.len(), limits::WIRE_BUFFER_OCTETS_MIN);
        far.write_all(&vec![b's'; 1 << 20]).await.unwrap();
        for _ in 0..8 {
            wire.consume(wire.input().len());
            wire.exchange(&mut Vec::new()).await.unwrap();
        }
        assert_eq!(wire.input().len(), limits::WIRE_BUFFER_OCTETS);
    }

    #[tokio::test]
    async fn a_stream_with_anything_in_its_buffer_is_not_given_to_tls() {
        for injected in [&b"+OK injected\r\n"[..], b"x"] {
            let (near, mut far) = tokio::io::duplex(1024);
            let mut wire = Wire::new(Box::new(near));
            far.write_all(&[b"+OK begin\r\n", injected].concat())
                .await
                .unwrap();
            wire.exchange(&mut Vec::new()).await.unwrap();
            wire.consume(11);
            let error = wire.into_stream("pop.example").unwrap_err();
            assert_eq!(error.code(), "tls_injected");
        }
    }
}
