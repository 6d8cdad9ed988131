//! The mailferry binary.

use std::process::ExitCode;

use mailferry::cli::{self, Process};
use mailferry::config::Environment;
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
    // sled asks for files that everybody may write; whatever we make is ours alone, and so is what an MDA makes unless it says so.
    umask(Mode::RWXG | Mode::RWXO);
    // Passwords are in our memory, and a core file would keep them. Without this nothing but that protection is missing.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let process = Process {
        environment: Environment::current(),
        roots: SystemRoots::find(),
        helper: Some("/proc/self/exe".into()),
    };
    for (name, value) in SystemRoots::REDIRECTED {
        // SAFETY: no other thread has been started yet, so nobody reads the environment while it changes.
        // OpenSSL would otherwise read every root of the system into each new connection.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(name, value);
        }
    }
    cli::main(std::env::args_os(), process)
}
