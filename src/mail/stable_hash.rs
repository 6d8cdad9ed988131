//! A hash for numbers that are stored: the same in every version, whatever hash the standard
//! library has.

/// SipHash-1-3 of some octets, with a key of zeros.
///
/// It distinguishes values, and is not secure: a person who chooses the octets can find two values
/// with one hash. Hashes that earlier versions stored with the standard library are equal, because
/// that was the same algorithm; a text that was hashed there has the octet 0xFF after it.
pub fn stable_hash(octets: &[u8]) -> u64 {
    let mut state = [
        0x736f_6d65_7073_6575,
        0x646f_7261_6e64_6f6d,
        0x6c79_6765_6e65_7261,
        0x7465_6462_7974_6573,
    ];
    let mut words = octets.chunks_exact(8);
    for word in &mut words {
        mix(&mut state, le_word(word));
    }
    let length = (octets.len() as u64) << 56;
    mix(&mut state, length | le_word(words.remainder()));
    state[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut state);
    }
    state[0] ^ state[1] ^ state[2] ^ state[3]
}

fn mix(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *b = b.rotate_left(13) ^ *a;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*d);
    *d = d.rotate_left(16) ^ *c;
    *a = a.wrapping_add(*d);
    *d = d.rotate_left(21) ^ *a;
    *c = c.wrapping_add(*b);
    *b = b.rotate_left(17) ^ *c;
    *c = c.rotate_left(32);
}

/// Up to eight octets as a number, the first one lowest.
fn le_word(octets: &[u8]) -> u64 {
    let octets = octets.iter().rev();
    octets.fold(0, |word, octet| (word << 8) | u64::from(*octet))
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn the_values_never_change() {
        for (octets, hash) in [
            (&b""[..], VALUES[0]),
            (b"jane@home.lan", VALUES[1]),
            (b"12345678", VALUES[2]),
        ] {
            assert_eq!(stable_hash(octets), hash, "{octets:?}");
        }
    }

    #[test]
    fn what_the_standard_library_hashed_before_is_equal() {
        for text in [
            "",
            "x",
            "1234567",
            "12345678",
            "a longer text of many words",
        ] {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            let mut octets = text.as_bytes().to_vec();
            octets.push(0xff);
            assert_eq!(stable_hash(&octets), hasher.finish(), "{text}");
        }
    }

    const VALUES: [u64; 3] = [
        0xd1fb_a762_150c_532c,
        0x413d_56f3_6ac0_b5ea,
        0x3489_9824_3056_0a87,
    ];
}
