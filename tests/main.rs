//! One test binary: one link, one support library, many situations.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adopt;
mod attacked;
mod canary;
mod check;
mod cli;
mod clock;
mod config;
mod crash;
mod daemon;
mod damage;
mod damage_random;
mod doubtful;
mod evil;
#[cfg(feature = "fault-injection")]
mod failing_disk;
mod full_disk;
mod fuzz_corpus;
mod hostile;
mod identity;
mod init;
mod kept;
mod kill;
#[cfg(feature = "fault-injection")]
mod kill_kept;
#[cfg(feature = "fault-injection")]
mod kill_points;
mod maildir;
mod mda;
mod mda_hygiene;
mod net;
mod no_regular_file;
mod octets;
mod odd_answers;
mod operator;
mod packaging;
mod packaging_container;
mod places;
mod protocol;
mod protocol_garbled;
mod protocol_session;
mod protocol_tls;
mod quarantine;
mod real_courier;
mod real_mda;
mod real_pop3;
mod real_smtp;
mod refusals;
mod relay;
mod relay_refusals;
mod secret;
mod security;
mod session;
mod simulation;
mod starved;
mod state_dir;
mod stopped;
mod store;
mod storm_found;
mod support;
mod tidy;
mod told;
mod twins;
mod unreachable;
mod unread_log;
mod waits;
