#![doc = include_str!("ARCHITECTURE.md")]

pub mod agent;
pub mod cli;
pub mod config;
mod disk;
mod fault;
pub mod mail;
pub mod net;
pub mod operator;
mod process;
pub mod proto;
pub mod quarantine;
pub mod route;
pub mod secrets;
pub mod seen;
pub mod session;
pub mod sink;
pub mod spool;
pub mod telemetry;
