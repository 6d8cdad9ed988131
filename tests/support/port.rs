//! Ports on loopback for real servers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
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
