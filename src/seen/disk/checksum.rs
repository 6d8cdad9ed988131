//! The CRC of lines on disk: CRC-32 as in zlib, eight digits in lower case where it is written.

/// The CRC of some octets.
pub(in crate::seen) fn crc(octets: &[u8]) -> u32 {
    crc32fast::hash(octets)
}

/// The CRC of a line that covers its predecessor's, so that no line can be lost, swapped or doubled
/// unseen.
pub(in crate::seen) fn chained(before: u32, line: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&before.to_be_bytes());
    hasher.update(line);
    hasher.finalize()
}
