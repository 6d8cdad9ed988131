//! The program with widely used servers and MDAs.

mod courier;
mod envelope;
mod filter;
mod lmtp;
mod maildir;
mod mda;
mod pop3;
mod several;
mod smtp;
