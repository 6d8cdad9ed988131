//! What many situations need.

pub mod mail;
pub mod varied;
