//! mailferry polls POP3 maildrops and hands every message, once, to a sink.

pub mod mail;
pub mod seen;
#[allow(missing_docs)]
pub mod session;
pub mod sink;
pub mod spool;
pub mod telemetry;
