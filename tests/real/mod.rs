//! The program with widely used servers and MDAs.

mod courier;
mod lmtp;
mod mda;
mod pop3;
mod several;
mod smtp;
