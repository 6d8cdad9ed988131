use proptest::prelude::*;

use super::*;

/// The result of reading a wire: the message if its end is exactly at the end of the wire, else
/// the part so far, and whether its end is unclear.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Whole(Vec<u8>),
    Unclear(Vec<u8>),
    GoesOn(Vec<u8>),
    EndedEarly(Vec<u8>),
}

fn came(parts: &[&[u8]], mut unstuff: Unstuff) -> Came {
    let mut message = Vec::new();
    let rest = |from: usize| parts[from..].iter().all(|part| part.is_empty());
    for (at, part) in parts.iter().enumerate() {
        let mut input = *part;
        while let Some(piece) = unstuff.next(&mut input) {
            match piece {
                Piece::Content(octets) => {
                    assert!(!octets.is_empty());
                    message.extend_from_slice(octets);
                }
                Piece::End if input.is_empty() && rest(at + 1) => return Came::Whole(message),
                Piece::End => return Came::EndedEarly(message),
                Piece::Unclear => return Came::Unclear(message),
            }
        }
    }
    Came::GoesOn(message)
}

fn listed(octets: u64) -> Announced {
    Announced {
        listed: Some(octets),
        said: None,
    }
}

/// The same result, for every split in three and octet by octet.
fn came_however_split(wire: &[u8], unstuff: &Unstuff) -> Came {
    let whole = came(&[wire], unstuff.clone());
    for i in 0..=wire.len() {
        for j in i..=wire.len() {
            let parts = [&wire[..i], &wire[i..j], &wire[j..]];
            assert_eq!(
                came(&parts, unstuff.clone()),
                whole,
                "{wire:?} at {i} and {j}"
            );
        }
    }
    let octets: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(
        came(&octets, unstuff.clone()),
        whole,
        "{wire:?} octet by octet"
    );
    whole
}

/// Unstuffs a message whose status line ended in CRLF and whose octets are announced.
fn unstuffed(parts: &[&[u8]], octets: usize) -> Option<Vec<u8>> {
    match came(parts, Unstuff::new(LineEnd::CrLf, listed(octets as u64))) {
        Came::Whole(message) => Some(message),
        _ => None,
    }
}

const WIRES: &[(&[u8], &[u8])] = &[
    (b".\r\n", b""),
    (b"..\r\n.\r\n", b".\r\n"),
    (b"...\r\n.\r\n", b"..\r\n"),
    (b"a\r\n.\r\n", b"a\r\n"),
    (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
    (b".a\r\n.\r\n", b"a\r\n"),
    (b"a\n.\nb\r\n.\r\n", b"a\n.\nb\r\n"),
    (b"a\n.\r\nb\r\n.\r\n", b"a\n.\r\nb\r\n"),
    (b".\r\r\nb\r\n.\r\n", b"\r\r\nb\r\n"),
    (b"a\r\n.\r\r\n.\r\n", b"a\r\n\r\r\n"),
    (b".\rx\r\n.\r\n", b"\rx\r\n"),
    (b".\nx\r\n.\r\n", b"\nx\r\n"),
    (b"a\rb\r\r\n..\r\n.\r\n", b"a\rb\r\r\n.\r\n"),
    (b"a\0b\r\n.\r\n", b"a\0b\r\n"),
    (b"\r\n.\r\n", b"\r\n"),
    (b"\n\r\n.\r\n", b"\n\r\n"),
];

#[test]
fn rfc1939_section_3_unstuffs_the_same_at_every_split_in_three() {
    for (wire, message) in WIRES {
        for status in [LineEnd::CrLf, LineEnd::Lf] {
            // After a status line that ends in LF, a LF in the first line would end that line.
            let first = message
                .iter()
                .position(|octet| *octet == b'\n')
                .unwrap_or(0);
            let in_crlf = first == 0 || message[first - 1] == b'\r';
            if status == LineEnd::Lf && !(in_crlf && message.first() != Some(&b'\n')) {
                continue;
            }
            let unstuff = Unstuff::new(status, listed(message.len() as u64));
            let whole = Came::Whole(message.to_vec());
            assert_eq!(came_however_split(wire, &unstuff), whole, "{wire:?}");
        }
    }
}

const BOTH: [LineEnd; 2] = [LineEnd::CrLf, LineEnd::Lf];

#[test]
fn a_body_in_lf_ends_in_lf_whatever_its_status_line_ended_in() {
    for status in BOTH {
        for (wire, message) in [
            (&b"a\n..b\n.\n"[..], &b"a\n.b\n"[..]),
            (b"a\n..b\n.\r\n", b"a\n.b\n"),
            (b"a\n.\n", b"a\n"),
            (b".\n", b""),
            (b".\r\n", b""),
        ] {
            for counted in [message.len() as u64, message.len() as u64 + lines(message)] {
                let came = came_however_split(wire, &Unstuff::new(status, listed(counted)));
                assert_eq!(came, Came::Whole(message.to_vec()), "{wire:?} {counted}");
            }
        }
    }
}

fn lines(message: &[u8]) -> u64 {
    message.iter().filter(|octet| **octet == b'\n').count() as u64
}

#[test]
fn a_body_in_crlf_after_a_status_in_lf_ends_in_crlf_only() {
    for (wire, message) in [
        (
            &b"a\r\n.\nb\n.\r\nc\n.\n\r\n.\r\n"[..],
            &b"a\r\n\nb\n.\r\nc\n.\n\r\n"[..],
        ),
        (b"a\r\nb\n.\r\nc\r\n.\r\n", b"a\r\nb\n.\r\nc\r\n"),
    ] {
        // Announced sizes make no difference when the line ends of all lines are clear.
        for octets in [0, message.len() as u64, 1000] {
            let came = came_however_split(wire, &Unstuff::new(LineEnd::Lf, listed(octets)));
            assert_eq!(came, Came::Whole(message.to_vec()), "{wire:?} {octets}");
        }
    }
}

#[test]
fn if_a_body_could_end_at_two_places_the_announced_size_decides() {
    let lf_end = b"one\n.\n";
    let goes_on = b"one\n.\ntwo three\r\n.\r\n";
    let to =
        |wire: &[u8], announced| came_however_split(wire, &Unstuff::new(LineEnd::CrLf, announced));
    assert_eq!(to(lf_end, listed(4)), Came::Whole(b"one\n".to_vec()));
    assert_eq!(to(lf_end, listed(5)), Came::Whole(b"one\n".to_vec()));
    let content = b"one\n.\ntwo three\r\n";
    assert_eq!(to(goes_on, listed(17)), Came::Whole(content.to_vec()));
    let said = Announced {
        listed: Some(99),
        said: Some(4),
    };
    assert_eq!(
        to(lf_end, said),
        Came::Whole(b"one\n".to_vec()),
        "one that agrees is enough"
    );
    for undecided in [Announced::default(), listed(0), listed(7)] {
        assert_eq!(to(lf_end, undecided), Came::Unclear(b"one\n".to_vec()));
        assert_eq!(to(goes_on, undecided), Came::Unclear(b"one\n".to_vec()));
    }
}

#[test]
fn a_dot_that_only_one_reading_unstuffs_makes_the_message_unclear() {
    for status in BOTH {
        for wire in [&b"a\n..b\nc\r\n.\r\n"[..], b"a\nb\r\nc\n..d\r\n.\r\n"] {
            let came = came_however_split(wire, &Unstuff::new(status, listed(8)));
            assert!(matches!(came, Came::Unclear(_)), "{wire:?}: {came:?}");
        }
    }
    let both = came_however_split(
        b"a\nb\r\n..c\r\n.\r\n",
        &Unstuff::new(LineEnd::CrLf, listed(9)),
    );
    assert_eq!(both, Came::Whole(b"a\nb\r\n.c\r\n".to_vec()));
}

#[test]
fn part_of_a_message_ends_at_the_first_dot_that_could_end_it() {
    for wire in [&b"a\n.\n"[..], b"a\n.\r\n", b"a\nb\r\n.\n", b".\n"] {
        let came = came_however_split(wire, &Unstuff::part(LineEnd::CrLf));
        assert!(matches!(came, Came::Whole(_)), "{wire:?}: {came:?}");
    }
    let strict = came_however_split(b"a\r\n.\nb\n.\r\n\r\n.\r\n", &Unstuff::part(LineEnd::CrLf));
    assert_eq!(strict, Came::Whole(b"a\r\n\nb\n.\r\n\r\n".to_vec()));
}

#[test]
fn a_dot_before_another_octet_shows_that_the_server_does_not_stuff() {
    for (wire, lone, kept) in [
        (&b"a\r\n..b\r\n.\r\n"[..], 0, &b"a\r\n..b\r\n"[..]),
        (b"a\r\n..\r\n.\r\n", 0, b"a\r\n..\r\n"),
        (b"a\r\n.b\r\n..c\r\n.\r\n", 1, b"a\r\n.b\r\n..c\r\n"),
        (b".b\r\n.\rc\r\n.\r\n", 2, b".b\r\n.\rc\r\n"),
        (b"a\n.b\n.\n", 1, b"a\n.b\n"),
    ] {
        let unstuff = Unstuff::new(LineEnd::Lf, listed(kept.len() as u64));
        let whole = Came::Whole(kept.to_vec());
        assert_eq!(
            came_however_split(wire, &unstuff.clone().keeping_dots()),
            whole
        );
        let (mut unstuff, mut input) = (unstuff, wire);
        while unstuff
            .next(&mut input)
            .is_some_and(|piece| piece != Piece::End)
        {}
        assert_eq!(unstuff.lone_dots(), lone, "{wire:?}");
    }
}

#[test]
fn a_cut_message_is_never_whole() {
    for (wire, message) in WIRES {
        for cut in 0..wire.len() {
            assert_eq!(
                unstuffed(&[&wire[..cut]], message.len()),
                None,
                "{wire:?} cut at {cut}"
            );
        }
    }
}

proptest! {
    #[test]
    fn stuffed_text_is_unstuffed_if_its_first_line_ends_in_crlf(
        rest in proptest::collection::vec(
            prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), any::<u8>()],
            0..200,
        ),
        cuts in proptest::collection::vec(0_usize..220, 0..4),
        octets in 0_usize..300,
    ) {
        let message = [&b"a\r\n"[..], &rest].concat();
        let wire = stuff(&message);
        let mut expected = message;
        if !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        let parts = split(&wire, cuts);
        prop_assert_eq!(unstuffed(&parts, octets), Some(expected));
    }

    #[test]
    fn whatever_a_first_line_ends_in_a_message_is_whole_and_unaltered_or_not_whole(
        message in proptest::collection::vec(
            prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'x')],
            0..60,
        ),
        cuts in proptest::collection::vec(0_usize..80, 0..4),
    ) {
        let wire = stuff(&message);
        let mut expected = message.clone();
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        let parts = split(&wire, cuts);
        let unstuff = Unstuff::new(LineEnd::CrLf, listed(message.len() as u64));
        let got = came(&parts, unstuff.clone());
        prop_assert_eq!(&got, &came(&[&wire], unstuff));
        if let Came::Whole(got) = got {
            prop_assert_eq!(got, expected);
        }
    }
}

fn split(wire: &[u8], cuts: Vec<usize>) -> Vec<&[u8]> {
    let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(wire.len())).collect();
    cuts.sort_unstable();
    let mut parts = Vec::new();
    let mut from = 0;
    for cut in cuts {
        parts.push(&wire[from..cut]);
        from = cut;
    }
    parts.push(&wire[from..]);
    parts
}
