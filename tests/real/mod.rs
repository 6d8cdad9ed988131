//! The program with widely used servers and MDAs.

mod courier;
mod mda;
mod pop3;
mod smtp;
