//! What many situations need.

pub mod crash;
pub mod mail;
pub mod mda;
pub mod model;
pub mod varied;
pub mod world;
