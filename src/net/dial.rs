//! From a name to a connected socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use crate::mail::limits;
use crate::net::NetError;

/// Connects to a host by name, all of its addresses within one limit of time, each a moment after the one before it
/// (RFC 8305), without Nagle's delay.
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
        hint: "The host may be down, or a firewall in between; check host and port",
    }))
}

async fn resolve_and_connect(host: &str, port: u16) -> Result<TcpStream, NetError> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let resolved = lookup_host((name, port)).await;
    let addresses: Vec<SocketAddr> = resolved
        .map_err(|source| NetError::Resolve {
            host: host.to_owned(),
            source,
        })?
        .collect();
    let mut attempts: FuturesUnordered<_> = addresses
        .into_iter()
        .zip(0_u32..)
        .map(|(address, turn)| async move {
            sleep(ATTEMPT_DELAY * turn).await;
            TcpStream::connect(address).await
        })
        .collect();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => {
                // Small commands must not wait for the acknowledgement of the last one.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(NetError::Connect {
        host: host.to_owned(),
        port,
        source: last,
    })
}

/// RFC 8305 section 5 recommends 250 ms between attempts.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

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

    #[tokio::test]
    async fn says_which_host_and_port_refused() {
        // Bound without listening: refused, and nobody else's meanwhile.
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
    async fn says_that_a_name_does_not_resolve() {
        let error = dial("no-such-host.invalid", 995).await.unwrap_err();
        assert_eq!(error.code(), "resolve");
    }
}
