//! The mailferry binary.

use std::process::ExitCode;

use mailferry::cli;
use mailferry::config::Environment;

fn main() -> ExitCode {
    // Before threads and open files: an MDA that runs as another user is this program first.
    if let Some(code) = mailferry::sink::mda::become_mda(std::env::args_os()) {
        return code;
    }
    cli::main(std::env::args_os(), Environment::current())
}
