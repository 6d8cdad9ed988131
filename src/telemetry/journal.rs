//! The systemd journal's native protocol: one datagram an entry.
//!
//! `tracing-journald` is not used because it gives an event without message no `MESSAGE`, and a
//! delivery is such an event: `journalctl` would show nothing where it matters most.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Where journald listens.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// A way into the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Finds the journal.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A journal that has stopped reading must not stop us; what it does not take goes to
        // standard error.
        socket.set_nonblocking(true)?;
        // An empty datagram is discarded by journald, and tells us whether anyone is there.
        socket.send_to(&[], path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// Sends one entry. The address is given each time because journald may have restarted.
    ///
    /// # Errors
    /// When the entry was not taken, for instance because it is larger than a datagram may be.
    pub(super) fn send(&self, entry: &str) -> io::Result<()> {
        self.socket
            .send_to(entry.as_bytes(), &self.path)
            .map(|_| ())
    }
}
