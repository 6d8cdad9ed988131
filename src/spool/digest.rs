//! The digest of a message that is read from elsewhere.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::mail::Digest;

/// SHA-256 of all octets up to the end. May block.
///
/// # Errors
/// The system's error when they cannot be read.
pub fn digest_of(octets: &mut impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    io::copy(octets, &mut hash)?;
    Ok(Digest::new(hash.finalize().into()))
}
