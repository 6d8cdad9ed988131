//! The mailferry binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before threads and open files: an MDA that runs as another user is this program first.
    if let Some(code) = mailferry::sink::mda::become_mda(std::env::args_os()) {
        return code;
    }
    ExitCode::SUCCESS
}
