//! The file that an MDA reads: the whole rendered message, complete before the process starts.
//!
//! With a pipe, an MDA could not distinguish the end of the message from our death. A file ends
//! where the message ends, even if we crash.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;

use crate::mail::limits;
use crate::sink::mda::user::Switch;
use crate::sink::render::Rendering;
use crate::spool::Spool;

/// Creates the file, at offset 0: in memory for a message that is in memory, else in the spool's
/// directory.
pub(super) fn file(
    rendering: Rendering<'_>,
    octets: u64,
    spool: &Spool,
    reader: Option<&Switch>,
) -> io::Result<File> {
    let in_memory = octets <= limits::MDA_MEMORY_OCTETS_MAX;
    let file = match in_memory.then(memory_file).transpose()?.flatten() {
        Some(file) => file,
        None => spool.scratch()?,
    };
    if let Some(switch) = reader {
        // `/dev/stdin` opens the file again, with the rights of the MDA's user. If we may not
        // change the owner of files, only the inherited descriptor works.
        let _ = std::os::unix::fs::fchown(&file, Some(switch.uid), Some(switch.gid));
    }
    rendering.write_to(&mut AtStart {
        file: &file,
        position: 0,
    })?;
    Ok(file)
}

/// A file in memory; `None` if the system has none.
fn memory_file() -> io::Result<Option<File>> {
    // Since Linux 6.3 the kernel expects a flag that says that the file will not be executed; older
    // kernels do not know the flag.
    let made = memfd_create(
        "mailferry-message",
        MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL,
    )
    .or_else(|errno| match errno {
        Errno::INVAL => memfd_create("mailferry-message", MemfdFlags::CLOEXEC),
        errno => Err(errno),
    });
    match made {
        Ok(descriptor) => Ok(Some(File::from(descriptor))),
        Err(Errno::NOSYS | Errno::PERM | Errno::ACCESS) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Writes by position, so that the offset, which the MDA inherits, stays 0.
struct AtStart<'a> {
    file: &'a File,
    position: u64,
}

impl Write for AtStart<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let count = self.file.write_at(octets, self.position)?;
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
