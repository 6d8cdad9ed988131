//! The mailferry binary.

use std::process::ExitCode;

use mailferry::cli::{self, Process};
use mailferry::config::Environment;
use mailferry::mail::limits;
use mailferry::net::SystemRoots;
use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, set_dumpable_behavior, umask};

fn main() -> ExitCode {
    // Before threads and open files: an MDA of another user starts as this program.
    if let Some(code) = mailferry::sink::mda::become_mda(std::env::args_os()) {
        return code;
    }
    if let Some(code) = mailferry::agent::become_init(std::env::args_os()) {
        return code;
    }
    give_back_large_blocks();
    // If this fails, a write beyond a limit on file sizes ends the program.
    let _ = mailferry::agent::outlive_file_limits();
    // sled creates files that every user may write. With this umask our files are private, and so
    // are those of an MDA unless it sets another.
    umask(Mode::RWXG | Mode::RWXO);
    // Our memory contains passwords, and a core file would store them. If this fails, only this
    // protection is missing.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let process = Process {
        environment: Environment::current(),
        roots: SystemRoots::find(),
        helper: Some("/proc/self/exe".into()),
    };
    for (name, value) in SystemRoots::REDIRECTED {
        // SAFETY: no other thread has been started yet, so none reads the environment while it
        // changes. OpenSSL would otherwise read all roots of the system for each new connection.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    cli::main(std::env::args_os(), process)
}

/// Makes the allocator return large blocks to the system when they are freed. Otherwise it would
/// keep them in an arena for each thread: after a few large listings, most of the process's memory
/// would be unused blocks.
fn give_back_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (setting, value) in [
        (libc::M_MMAP_THRESHOLD, limits::LARGE_BLOCK_OCTETS),
        (libc::M_TRIM_THRESHOLD, 2 * limits::LARGE_BLOCK_OCTETS),
        (libc::M_ARENA_MAX, limits::ARENAS_MAX),
    ] {
        // SAFETY: no other thread has been started yet, and this only changes how the allocator
        // works from now on. If it refuses the setting, more memory is kept.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(setting, value);
        }
    }
}
