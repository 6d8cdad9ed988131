//! `mailferry run`: the agent.

use crate::cli::{Exit, Failure, Start};

/// Runs the agent until it is told to stop, or once.
pub(super) fn run(_start: Start, _once: bool) -> Result<Exit, Failure> {
    Err(Failure::said(
        Exit::TempFail,
        "this build has no agent in it",
    ))
}
