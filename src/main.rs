//! The mailferry binary.

use std::process::ExitCode;

use mailferry::cli::{self, Process};
use mailferry::config::Environment;
use mailferry::mail::limits;
use mailferry::net::SystemRoots;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

fn main() -> ExitCode {
    // Before threads and open files: an MDA that runs as another user is this program first.
    if let Some(code) = mailferry::sink::mda::become_mda(std::env::args_os()) {
        return code;
    }
    if let Some(code) = mailferry::agent::become_init(std::env::args_os()) {
        return code;
    }
    give_back_large_blocks();
    // sled asks for files that everybody may write; whatever we make is ours alone, and so is what
    // an MDA makes unless it says so.
    umask(Mode::RWXG | Mode::RWXO);
    // Passwords are in our memory, and a core file would keep them. Without this nothing but that
    // protection is missing.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let process = Process {
        environment: Environment::current(),
        roots: SystemRoots::find(),
        helper: Some("/proc/self/exe".into()),
    };
    for (name, value) in SystemRoots::REDIRECTED {
        // SAFETY: no other thread has been started yet, so nobody reads the environment while it
        // changes. OpenSSL would otherwise read every root of the system into each new connection.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    cli::main(std::env::args_os(), process)
}

/// Lets the allocator give large blocks back to the system when they are freed. It would keep them
/// for later otherwise, in an arena for each thread: after a few large listings, most of the
/// process's memory would be blocks that nobody uses.
fn give_back_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (setting, value) in [
        (libc::M_MMAP_THRESHOLD, limits::LARGE_BLOCK_OCTETS),
        (libc::M_TRIM_THRESHOLD, 2 * limits::LARGE_BLOCK_OCTETS),
        (libc::M_ARENA_MAX, limits::ARENAS_MAX),
    ] {
        // SAFETY: no other thread has been started yet, and this changes nothing but how the
        // allocator goes on. Where it does not take the setting, more memory is kept.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(setting, value);
        }
    }
}
