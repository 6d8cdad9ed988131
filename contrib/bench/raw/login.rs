//! Bare logins over async-native-tls, many at once: what a poll of an empty maildrop cannot cost less than.

use std::io::{Error, Result};
use std::sync::Arc;

use async_native_tls::TlsConnector;
use native_tls::{Certificate, Protocol};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::wire::broken;

pub fn all(
    host: &str,
    port: u16,
    prefix: &str,
    count: usize,
    at_once: usize,
    ca: Certificate,
) -> Result<()> {
    let mut builder = native_tls::TlsConnector::builder();
    builder
        .disable_built_in_roots(true)
        .min_protocol_version(Some(Protocol::Tlsv12))
        .add_root_certificate(ca);
    let connector = Arc::new(TlsConnector::from(builder));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let turns = Arc::new(Semaphore::new(at_once));
        let mut polls = JoinSet::new();
        for number in 1..=count {
            let turn = turns.clone().acquire_owned().await.map_err(Error::other)?;
            let (host, user, connector) = (
                host.to_owned(),
                format!("{prefix}{number}"),
                connector.clone(),
            );
            polls.spawn(async move {
                let done = poll(&host, port, &user, &connector).await;
                drop(turn);
                done
            });
        }
        while let Some(done) = polls.join_next().await {
            done.map_err(Error::other)??;
        }
        Ok(())
    })
}

async fn poll(host: &str, port: u16, user: &str, connector: &TlsConnector) -> Result<()> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let stream = connector
        .connect(host, stream)
        .await
        .map_err(|error| Error::other(error.to_string()))?;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    for command in [
        "CAPA",
        &format!("USER {user}"),
        "PASS secret",
        "UIDL",
        "QUIT",
    ] {
        stream
            .get_mut()
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        line.clear();
        stream.read_line(&mut line).await?;
        if !line.starts_with("+OK") {
            return Err(broken("the server said no"));
        }
        while matches!(command, "CAPA" | "UIDL") && line != ".\r\n" {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Err(broken("the server hung up"));
            }
        }
    }
    Ok(())
}
