//! Connects a socket to a host by name.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{sleep, timeout};

use crate::mail::limits;
use crate::net::NetError;

/// Connects to a host by name, without Nagle's delay. All of its addresses share one time limit,
/// and each is tried a moment after the one before it (RFC 8305).
///
/// # Errors
/// [`NetError::Resolve`], [`NetError::Connect`] or [`NetError::TimedOut`].
pub async fn dial(host: &str, port: u16) -> Result<TcpStream, NetError> {
    let seconds = limits::CONNECT_SECONDS_MAX;
    let what = format!("connecting to {host} port {port}");
    timeout(
        Duration::from_secs(seconds),
        resolve_and_connect(host, port),
    )
    .await
    .unwrap_or(Err(NetError::TimedOut {
        what,
        seconds,
        hint: "The host may be down, or a firewall may block the port; check host and port",
    }))
}

/// Connects to a Unix socket of this machine.
///
/// # Errors
/// [`NetError::Socket`] or [`NetError::TimedOut`].
pub async fn dial_socket(path: &Path) -> Result<UnixStream, NetError> {
    let seconds = limits::CONNECT_SECONDS_MAX;
    let connected = timeout(Duration::from_secs(seconds), UnixStream::connect(path)).await;
    let connected = connected.map_err(|_| NetError::TimedOut {
        what: format!("connecting to {}", path.display()),
        seconds,
        hint: "The server that listens there may be overloaded or stopped",
    })?;
    connected.map_err(|source| NetError::Socket {
        path: path.to_owned(),
        source,
    })
}

async fn resolve_and_connect(host: &str, port: u16) -> Result<TcpStream, NetError> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let resolved = lookup_host((name, port)).await;
    let addresses = resolved.map_err(|source| NetError::Resolve {
        host: host.to_owned(),
        source,
    })?;
    let stream = connect(addresses.collect()).await;
    let stream = stream.map_err(|source| NetError::Connect {
        host: host.to_owned(),
        port,
        source,
    })?;
    // Small commands must not wait until the previous one is acknowledged.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns the first connection. The next address is tried when the previous one has failed, or has
/// not answered for a moment.
async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let next = Duration::from_millis(limits::DIAL_NEXT_MILLISECONDS);
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        attempts.extend(addresses.next().map(TcpStream::connect));
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = sleep(next), if addresses.len() > 0 => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reaches_a_listener_by_name_and_by_bracketed_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "[127.0.0.1]"] {
            assert!(dial(host, port).await.unwrap().nodelay().unwrap(), "{host}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_no_waiting() {
        let deaf = tokio::net::TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = vec![deaf.local_addr().unwrap(), listener.local_addr().unwrap()];
        let begun = tokio::time::Instant::now();
        connect(addresses.clone()).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(limits::DIAL_NEXT_MILLISECONDS));
        drop(listener);
        connect(addresses).await.unwrap_err();
        connect(Vec::new()).await.unwrap_err();
    }

    #[tokio::test]
    async fn the_error_names_the_host_and_port_that_refused() {
        // Bound without listening: connections are refused, and no other process can use the port
        // meanwhile.
        let deaf = tokio::net::TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = deaf.local_addr().unwrap().port();
        let error = dial("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.code(), "connect");
        assert!(
            error
                .to_string()
                .contains(&format!("127.0.0.1 port {port}")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_error_names_the_path_of_a_missing_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lmtp");
        let error = dial_socket(&path).await.unwrap_err();
        assert_eq!(error.code(), "connect");
        assert!(
            error.to_string().contains(path.to_str().unwrap()),
            "{error}"
        );
    }

    #[tokio::test]
    async fn the_error_says_that_a_name_does_not_resolve() {
        let error = dial("no-such-host.invalid", 995).await.unwrap_err();
        assert_eq!(error.code(), "resolve");
    }
}
