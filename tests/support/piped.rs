//! Plays the evil POP3 server over a pipe, with a clock that stands still while any task has work.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mailferry::net::{NetError, Wire};
use mailferry::session::Connect;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::evil::stage::Stage;
use super::evil::{Act, Session};

/// Connects to it.
#[derive(Clone)]
pub struct Piped(pub Arc<Stage>);

impl Connect for Piped {
    fn connect(&self) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(64 * 1024);
            let stage = self.0.clone();
            // A client that has gone is the end of a session, not of the server.
            tokio::spawn(async move { serve(&stage, far).await });
            Ok(Wire::new(Box::new(near)))
        })
    }

    /// As with TLS, the stream is taken out of the wire.
    fn upgrade(&self, wire: Wire) -> BoxFuture<'_, Result<Wire, NetError>> {
        Box::pin(async { Ok(Wire::new(wire.into_stream("evil.example")?)) })
    }
}

async fn serve(stage: &Stage, mut pipe: DuplexStream) -> std::io::Result<()> {
    let mut session = stage.session();
    let mut acts = session.greet();
    let mut unread = Vec::new();
    loop {
        for act in acts {
            if !play(&mut pipe, session.as_mut(), act).await? {
                return Ok(());
            }
        }
        let Some(line) = line(stage, &mut pipe, &mut unread).await? else {
            return Ok(());
        };
        acts = session.hear(&line);
    }
}

/// Performs one action; returns whether the connection continues.
async fn play(
    pipe: &mut DuplexStream,
    session: &mut dyn Session,
    act: Act,
) -> std::io::Result<bool> {
    match act {
        Act::Say(octets) => pipe.write_all(&octets).await?,
        Act::Flow { count, piece } => {
            for number in 0..count {
                pipe.write_all(&piece(number)).await?;
            }
        }
        Act::Wait(time) => tokio::time::sleep(time).await,
        Act::Hear => panic!("what happens inside a handshake is for real TLS to play"),
        Act::StartTls => session.secured(),
        Act::Stall => {
            // It stays as long as the client does.
            tokio::io::copy(pipe, &mut tokio::io::sink()).await?;
            return Ok(false);
        }
        Act::Close => return Ok(false),
    }
    Ok(true)
}

async fn line(
    stage: &Stage,
    pipe: &mut DuplexStream,
    unread: &mut Vec<u8>,
) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = unread.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            let line = &line[..end];
            return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()));
        }
        let mut some = [0; 4096];
        let octets = pipe.read(&mut some).await?;
        if octets == 0 {
            return Ok(None);
        }
        stage.hears(&some[..octets]);
        unread.extend_from_slice(&some[..octets]);
    }
}
