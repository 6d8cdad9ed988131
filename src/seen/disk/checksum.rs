//! The CRC of lines on disk: CRC-32 as in zlib, written as eight lower-case digits.

/// The CRC of some octets.
pub(in crate::seen) fn crc(octets: &[u8]) -> u32 {
    crc32fast::hash(octets)
}

/// The CRC of a line, including the CRC of the previous line, so that a lost, swapped or doubled
/// line is detected.
pub(in crate::seen) fn chained(before: u32, line: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&before.to_be_bytes());
    hasher.update(line);
    hasher.finalize()
}
