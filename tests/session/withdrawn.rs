//! A note of deletes that were never sent is withdrawn: their messages are not compared later.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use mailferry::mail::Retention;
use mailferry::net::{NetError, Wire};
use mailferry::seen::{Batch, Change, Seen};
use mailferry::session::{self, Connect};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::support::model::Server;
use crate::support::stores::Hooked;
use crate::support::world::{World, mails};

/// A connection that breaks when it is told to: nothing more is read or written.
#[derive(Debug)]
struct Breakable<S> {
    stream: S,
    is_broken: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Breakable<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        with: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(with, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Breakable<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        with: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(with, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, with: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(with)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, with: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(with)
    }
}

/// A server whose connections break so.
struct BreakableServer {
    server: Server,
    is_broken: Arc<AtomicBool>,
}

impl Connect for BreakableServer {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let stream = self
                .server
                .connect()
                .await?
                .into_stream("pop.example.org")?;
            Ok(Wire::new(Box::new(Breakable {
                stream,
                is_broken: self.is_broken.clone(),
            })))
        })
    }

    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(wire) })
    }
}

/// Whether a batch contains a note of deletes that are about to be sent.
fn has_note(batch: &Batch) -> bool {
    let is_note = |change: &Change| matches!(change, Change::Asked { at: Some(_), .. });
    batch.changes.iter().any(is_note)
}

#[tokio::test(start_paused = true)]
async fn a_note_is_withdrawn_when_no_octet_of_its_deletes_was_written() {
    for pipelining in [true, false] {
        let world = World::new(mails(3), Retention::Delete);
        world.server.with(|habits| {
            habits.pipelining = pipelining;
            habits.capabilities = vec!["TOP".into()];
        });
        let is_broken = Arc::new(AtomicBool::new(false));
        let breaks = is_broken.clone();
        let seen = Seen::new(Arc::new(Hooked::guarded(
            world.store.clone(),
            move |batch| {
                breaks.fetch_or(has_note(batch), Ordering::Relaxed);
                Ok(())
            },
        )));
        let mut with = world.collaborators_with(&seen);
        with.connect = Arc::new(BreakableServer {
            server: world.server.clone(),
            is_broken: is_broken.clone(),
        });
        let summary = session::poll(&world.visit, &with).await;
        assert!(is_broken.load(Ordering::Relaxed), "there was a note");
        assert_eq!(world.sink.count(), 3);
        let records = world.records().await;
        let are_free = records
            .iter()
            .all(|(_, record)| record.notes.asked.is_none());
        assert!(are_free && records.len() == 3, "{pipelining}: {records:?}");
        world.save_state(summary.state).await;
        let retrieved = world.server.handed_out().len();
        world.pass(60);
        let counts = world.poll().await.counts;
        assert_eq!((retrieved, counts.retrieved), (3, 0), "none is doubtful");
        assert!(world.server.listed().is_empty(), "{pipelining}");
        assert_eq!(world.sink.count(), 3);
    }
}
