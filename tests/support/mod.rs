//! What many situations need.

pub mod mail;
