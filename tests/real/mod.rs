//! The program against servers and MDAs that people run.

mod courier;
mod mda;
mod pop3;
mod smtp;
