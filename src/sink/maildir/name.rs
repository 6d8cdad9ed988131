//! The names of files in a Maildir: unique, and with the sizes of the message, so that no server
//! has to read it to know them.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The sizes of a stored message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredSizes {
    /// Its octets on disk.
    octets: u64,
    /// Its octets when each line ends in CRLF, as POP3 and IMAP send it.
    with_crlf: u64,
}

/// Writes a message, and measures it.
pub(super) struct Measured<'a, W> {
    out: &'a mut W,
    sizes: StoredSizes,
    after_cr: bool,
}

impl StoredSizes {
    /// Adds the sizes to a name, as Dovecot and Courier read them: `,S=` on disk, `,W=` with CRLF.
    pub(super) fn add_to(self, name: &mut String) {
        let _ = write!(name, ",S={},W={}", self.octets, self.with_crlf);
    }
}

impl<'a, W: Write> Measured<'a, W> {
    /// Measures what is written to `out` from now on.
    pub(super) fn new(out: &'a mut W) -> Self {
        Self {
            out,
            sizes: StoredSizes::default(),
            after_cr: false,
        }
    }

    /// The sizes of all that was written.
    pub(super) fn sizes(&self) -> StoredSizes {
        self.sizes
    }
}

impl<W: Write> Write for Measured<'_, W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = self.out.write(octets)?;
        let written = octets.get(..count).unwrap_or(octets);
        let is_bare = |at: usize| match at.checked_sub(1) {
            Some(before) => written.get(before) != Some(&b'\r'),
            None => !self.after_cr,
        };
        let bare = memchr::memchr_iter(b'\n', written).filter(|at| is_bare(*at));
        let added = bare.count() as u64;
        self.sizes.octets += count as u64;
        self.sizes.with_crlf += count as u64 + added;
        if let Some(last) = written.last() {
            self.after_cr = *last == b'\r';
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A name that no other file of any Maildir has: time, process, count, chance and host, as the
/// convention requires.
pub(super) fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut name = String::with_capacity(NAME_OCTETS + HOST.len());
    let _ = write!(
        name,
        "{}.M{:06}P{}Q{}R{:016x}.{}",
        now.as_secs(),
        now.subsec_micros(),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed),
        // In a container every agent is process 1, on a host with its predecessor's name.
        fastrand::u64(..),
        *HOST
    );
    name
}

static HOST: LazyLock<String> = LazyLock::new(|| {
    let system = rustix::system::uname();
    host_part(&system.nodename().to_string_lossy())
});

/// A host name without characters that a file name or Maildir's own marks could be confused with.
fn host_part(name: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name.chars().filter(|&c| harmless(c)).take(64).collect();
    if name.is_empty() {
        "localhost".to_owned()
    } else {
        name
    }
}

/// Room for a name without the host, and for the sizes that are added to it.
const NAME_OCTETS: usize = 120;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        let names: std::collections::HashSet<String> = (0..1000).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 1000);
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        assert!(
            names
                .iter()
                .all(|name| name.chars().all(plain) && name.len() < 200)
        );
        assert_eq!(host_part("a/b:c,d\u{e4}.lan"), "abcd.lan");
        assert_eq!(host_part("///"), "localhost");
    }

    proptest::proptest! {
        #[test]
        fn the_second_size_is_that_of_the_message_with_crlf(
            pieces in proptest::collection::vec("[ab\r\n]{0,9}", 0..9),
        ) {
            let mut out = Vec::new();
            let mut measured = Measured::new(&mut out);
            for piece in &pieces {
                measured.write_all(piece.as_bytes()).unwrap();
            }
            let sizes = measured.sizes();
            let text = String::from_utf8(out).unwrap();
            let sent = text.replace("\r\n", "\n").replace('\n', "\r\n");
            proptest::prop_assert_eq!(sizes.octets, text.len() as u64);
            proptest::prop_assert_eq!(sizes.with_crlf, sent.len() as u64);
        }
    }
}
