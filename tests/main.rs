//! The test binary: one link, one support library, many situations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod agent;
mod cli;
mod crash;
mod deploy;
mod protocol;
mod real;
mod security;
mod session;
mod sinks;
mod store;
mod support;
mod tidy;
