//! What many situations need.

pub mod mail;
pub mod mda;
pub mod varied;
