//! What many situations need.

pub mod agent;
pub mod between;
pub mod certificates;
pub mod courier;
pub mod crash;
pub mod destination;
pub mod dialogue;
pub mod disk;
pub mod dovecot;
pub mod expected;
pub mod faketime;
pub mod folder;
pub mod fuzzed;
pub mod mail;
pub mod mda;
pub mod model;
pub mod place;
pub mod postfix;
pub mod recorded;
pub mod relay;
pub mod script;
pub mod seed;
pub mod spoken;
pub mod tls_server;
pub mod varied;
pub mod world;
