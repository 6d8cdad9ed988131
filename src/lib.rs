//! mailferry polls POP3 maildrops and hands every message, once, to a sink.

pub mod agent;
pub mod cli;
pub mod config;
pub mod mail;
pub mod net;
pub mod proto;
pub mod seen;
pub mod session;
pub mod sink;
pub mod spool;
pub mod telemetry;
