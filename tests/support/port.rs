//! Ports on loopback for real servers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The ports that a system gives to nothing that did not ask for them (RFC 6335, section 6; those
/// of Linux begin at 32768). Any other port could go to a connection or a scripted server of
/// another test between the choice and the start of the server.
const CHOSEN_ONLY: Range<u16> = 10_000..32_000;

/// A port that was free a moment ago and that this process has not chosen before.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(CHOSEN_ONLY)));
    for _ in CHOSEN_ONLY {
        let next = |port: u16| {
            Some(if port + 1 < CHOSEN_ONLY.end {
                port + 1
            } else {
                CHOSEN_ONLY.start
            })
        };
        let port = NEXT
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            .unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {CHOSEN_ONLY:?} is free");
}

/// Waits until a server accepts connections. `check` receives whether it still has time, and fails
/// with the server's log if it has none.
pub fn wait_for(port: u16, seconds: u64, mut check: impl FnMut(bool)) {
    let until = Instant::now() + Duration::from_secs(seconds);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        check(Instant::now() < until);
        std::thread::yield_now();
    }
}
