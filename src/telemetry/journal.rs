//! The systemd journal's native protocol: one datagram for each entry.
//!
//! `tracing-journald` is not used, because it writes no `MESSAGE` for an event without a message. A
//! delivery is such an event, and `journalctl` would show nothing for it.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The socket of journald.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// A connection to the journal.
#[derive(Debug)]
pub(super) struct Journald {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journald {
    /// Connects to the journal.
    ///
    /// # Errors
    /// When journald does not listen there.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A journal that has stopped reading must not block us; entries that it does not accept go
        // to standard error.
        socket.set_nonblocking(true)?;
        // journald discards an empty datagram, and sending it shows whether journald listens.
        socket.send_to(&[], path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// Sends one entry. The address is given each time because journald may have restarted.
    ///
    /// # Errors
    /// When the entry was not accepted, for instance because it is larger than a datagram may be.
    pub(super) fn send(&self, entry: &str) -> io::Result<()> {
        self.socket
            .send_to(entry.as_bytes(), &self.path)
            .map(|_| ())
    }
}
