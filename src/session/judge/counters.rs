//! Whether a server counts its unique-ids. Then it may begin again, and a unique-id alone proves
//! little. Pure.

use std::cmp::Ordering;

use crate::mail::limits;

/// Whether unique-ids look like counters: they are short, or differ only in a few digits. `names`
/// are the listed and the recorded ones.
///
/// A part that all of them share, such as a UIDVALIDITY, makes them safe: it changes when the
/// server begins again.
pub(in crate::session) fn are_counted<'n>(names: impl Iterator<Item = &'n [u8]> + Clone) -> bool {
    let mut all = names.clone();
    let Some(first) = all.next() else {
        return false;
    };
    let (mut front, mut back) = (first, first);
    let mut longest = first.len();
    let mut is_alone = true;
    for name in all {
        is_alone &= name == first;
        // Both soon have their final length, and there may be a hundred thousand names.
        if !name.starts_with(front) {
            let alike = front.iter().zip(name).take_while(|(a, b)| a == b).count();
            front = &front[..alike];
        }
        if !name.ends_with(back) {
            let ends = back.iter().rev().zip(name.iter().rev());
            let alike = ends.take_while(|(a, b)| a == b).count();
            back = &back[back.len() - alike..];
        }
        longest = longest.max(name.len());
    }
    // One unique-id alone does not show which part of it will stay.
    if is_alone {
        let digits = first
            .iter()
            .rev()
            .take_while(|octet| octet.is_ascii_hexdigit());
        front = &first[..first.len() - digits.count()];
        back = &[];
    }
    // Zeros before a counter are part of the counter.
    let zeros = front
        .iter()
        .rev()
        .take_while(|octet| **octet == b'0')
        .count();
    if front.len() - zeros >= limits::COUNTER_COMMON_OCTETS_MIN
        || back.len() >= limits::COUNTER_COMMON_OCTETS_MIN
    {
        return false;
    }
    longest <= limits::COUNTER_OCTETS_MAX || is_alone || {
        let mut names = names;
        names.all(|name| is_few_digits(name, front.len(), back.len()))
    }
}

/// Whether a unique-id without its common beginning and end is a few hexadecimal digits.
fn is_few_digits(name: &[u8], front: usize, back: usize) -> bool {
    // Beginning and end may overlap in a short unique-id.
    let to = name.len().saturating_sub(back).max(front);
    let middle = name.get(front..to).unwrap_or_default();
    middle.len() <= limits::COUNTER_OCTETS_MAX && middle.iter().all(u8::is_ascii_hexdigit)
}

/// Which of two counted unique-ids is the greater: the longer one without its leading zeros, else
/// the later in the alphabet.
pub(in crate::session) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (significant(a), significant(b));
    a.len().cmp(&b.len()).then_with(|| {
        let folded = |name: &[u8]| name.to_ascii_lowercase();
        folded(a).cmp(&folded(b))
    })
}

/// Whether a counted unique-id is smaller than another of the same form.
pub(in crate::session) fn is_smaller(a: &[u8], b: &[u8]) -> bool {
    stem(a) == stem(b) && compare(a, b).is_lt()
}

/// The part of a unique-id before the digits at its end.
fn stem(name: &[u8]) -> &[u8] {
    let digits = name.iter().rev().take_while(|octet| octet.is_ascii_digit());
    &name[..name.len() - digits.count()]
}

fn significant(name: &[u8]) -> &[u8] {
    let zeros = name.iter().take_while(|octet| **octet == b'0').count();
    &name[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(names: &[&str]) -> bool {
        are_counted(names.iter().map(|name| name.as_bytes()))
    }

    #[test]
    fn short_names_and_names_that_differ_in_a_few_digits_are_counted() {
        for names in [
            &["1"][..],
            &["1", "2", "3"],
            &["msg1", "msg22"],
            &["0000000000000001", "0000000000000002"],
            &["UID1-2048", "UID1-2049", "UID2-7"],
            &["mail-1f@a.host", "mail-20@a.host"],
            // It may be a counter with zeros, or one of Dovecot.
            &["0000000000000001"],
            &["000000015f2b3c4d", "000000015f2b3c4d"],
        ] {
            assert!(counted(names), "{names:?}");
        }
    }

    #[test]
    fn a_part_that_all_share_or_that_is_no_number_makes_names_more_than_counters() {
        for names in [
            // Dovecot: number, then UIDVALIDITY.
            &["000000015f2b3c4d", "000000025f2b3c4d"][..],
            &["1795982400.M1P1.host"],
            &["1795982400.M1P1.host", "1795982401.M2P7.host"],
            &["GmailId18c5a", "GmailId18c5azz"],
            &["whqtswO00WBw418f9t5JxYwZ", "QhdPYR:00WBw1Ph7x7"],
            &[],
        ] {
            assert!(!counted(names), "{names:?}");
        }
    }

    #[test]
    fn names_are_compared_as_numbers() {
        for (smaller, greater) in [("9", "10"), ("009", "10"), ("a9", "aA"), ("1f", "20")] {
            assert_eq!(
                compare(smaller.as_bytes(), greater.as_bytes()),
                Ordering::Less,
                "{smaller} {greater}"
            );
        }
        assert_eq!(compare(b"007", b"7"), Ordering::Equal);
        assert!(is_smaller(b"msg9", b"msg10"));
        assert!(!is_smaller(b"later9", b"msg10"), "names of another form");
    }
}
