//! Makes the files of a batch durable.

use std::io;
use std::sync::LazyLock;

use crate::disk::NewFile;
use crate::fault;

/// Makes a batch durable, with one result for each file. One call syncs the whole batch if its
/// result can be trusted; otherwise the files are synced one by one.
pub(super) fn sync_all(batch: &[&NewFile]) -> Vec<io::Result<()>> {
    if let Err(error) = fault::fail("maildir.written") {
        return batch.iter().map(|_| Err(again(&error))).collect();
    }
    if let [first, _, ..] = batch
        && *SYNCFS_TELLS
        && rustix::fs::syncfs(first.file()).is_ok()
    {
        return batch.iter().map(|_| Ok(())).collect();
    }
    batch.iter().map(|file| file.sync()).collect()
}

/// Whether `syncfs` reports write errors: since Linux 5.8. Older kernels always reported success.
static SYNCFS_TELLS: LazyLock<bool> = LazyLock::new(|| {
    let system = rustix::system::uname();
    let release = system.release().to_str().unwrap_or_default();
    at_least_5_8(release)
});

fn at_least_5_8(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let major: u32 = numbers.next().unwrap_or(0);
    let minor: u32 = numbers.next().unwrap_or(0);
    (major, minor) >= (5, 8)
}

/// A copy of the error, with the system's error number if it has one.
pub(super) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncfs_is_believed_from_linux_5_8_on() {
        for (release, tells) in [
            ("6.18.44-fc-v657", true),
            ("5.8.0-rc1", true),
            ("5.10.0-13-amd64", true),
            ("5.4.0", false),
            ("4.18.0-553.el8_10.x86_64", false),
            ("", false),
        ] {
            assert_eq!(at_least_5_8(release), tells, "{release}");
        }
    }
}
