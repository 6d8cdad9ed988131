//! Numbers and unique-ids that no honest server sends.

use mailferry::mail::Retention;
use mailferry::session::End;

use crate::support::speaker::{Say, Speaker, maildrop, say};
use crate::support::world::World;

const GOOD: &[u8] = b"Subject: good\r\n\r\ngood\r\n";

/// A server with one good message, between these lines of UIDL and of LIST.
fn server(uidl: &str, list: &str) -> Speaker {
    let listed = |lines: &str| format!("+OK\r\n{lines}.\r\n");
    let lines: Vec<String> = uidl.lines().map(str::to_owned).collect();
    let (uidl, list) = (listed(uidl), listed(list));
    let ordinary = maildrop(&[("good", GOOD)]);
    Speaker::new(move |line| match line {
        "UIDL" => say(&uidl),
        "LIST" => say(&list),
        _ => {
            let asked = line.strip_prefix("UIDL ");
            let is_it = |known: &&String| known.split(' ').next() == asked;
            match lines.iter().find(is_it) {
                Some(known) => say(format!("+OK {known}\r\n")),
                None => ordinary(line),
            }
        }
    })
}

/// Holds CVE-2001-0819, CVE-2001-1009 and CVE-2004-0757: a number is neither an index nor signed.
#[tokio::test]
async fn a_number_that_no_message_can_have_costs_its_line_and_a_warning() {
    for number in [
        "-1",
        "-0",
        "0",
        "00",
        "4294967296",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999",
        "+1",
        "0x1",
        "1e1",
        "\u{661}",
    ] {
        let uidl = format!("{number} before\r\n1 good\r\n{number} behind\r\n");
        let list = format!("{number} 5\r\n1 {}\r\n{number} {number}\r\n", GOOD.len());
        let world = World::new(Vec::new(), Retention::Delete);
        let speaker = server(&uidl, &list);
        let summary = speaker.poll(&world).await;
        assert!(matches!(summary.end, End::Complete), "{number}");
        assert_eq!(world.sink.order(), [GOOD], "{number}");
        assert!(world.told("uidl_line_malformed"), "{number}");
        assert!(world.told("list_line_malformed"), "{number}");
        let heard = speaker.heard();
        let about = heard.iter().filter(|line| line.contains(' '));
        assert_eq!(
            about.collect::<Vec<_>>(),
            [
                "USER jane",
                "PASS canary-secret",
                "RETR 1",
                "UIDL 1",
                "DELE 1"
            ],
            "{number}"
        );
    }
}

/// Holds CVE-2001-0819: the largest possible numbers are asked for, and need no memory of their own
/// size.
#[tokio::test]
async fn a_huge_number_is_a_message_that_the_server_does_not_have() {
    for number in [2_147_483_647_u32, 2_147_483_648, u32::MAX] {
        let world = World::new(Vec::new(), Retention::Delete);
        let uidl = format!("{number} huge\r\n1 good\r\n");
        let list = format!("{number} 18446744073709551615\r\n1 {}\r\n", GOOD.len());
        let summary = server(&uidl, &list).poll(&world).await;
        assert!(matches!(summary.end, End::Complete), "{number}");
        assert_eq!(world.sink.order(), [GOOD], "{number}");
        let summary = server(&uidl.replace("huge", "huge2"), "")
            .poll(&world)
            .await;
        assert!(matches!(summary.end, End::Complete), "{number}");
        assert_eq!(world.sink.count(), 1, "{number}");
    }
}

/// Holds CVE-2005-2335, CVE-2018-14356 and CVE-2004-0757.
#[tokio::test]
async fn a_unique_id_of_any_length_costs_at_most_its_own_message() {
    let other: &[u8] = b"Subject: other\r\n\r\nother\r\n";
    // The unique-id, and whether it distinguishes its message from others.
    let trials = [
        ("x".to_owned(), true),
        ("x".repeat(70), true),
        ("x".repeat(71), true),
        ("x".repeat(1024), true),
        ("x".repeat(1025), false),
        (String::new(), false),
        (" ".to_owned(), false),
        (" ".repeat(70), false),
        ("\0".to_owned(), false),
        ("\0".repeat(70), false),
        ("x\0y".to_owned(), false),
    ];
    for (unique_id, is_one) in trials {
        let what = format!("{} octets, {:.9?}", unique_id.len(), unique_id);
        let ordinary = maildrop(&[("good", GOOD), (&unique_id, other), ("last", GOOD)]);
        let world = World::new(Vec::new(), Retention::Keep);
        let summary = Speaker::new(ordinary).poll(&world).await;
        assert!(matches!(summary.end, End::Complete), "{what}");
        let expected = if is_one {
            vec![GOOD, other, GOOD]
        } else {
            vec![GOOD, GOOD]
        };
        assert_eq!(world.sink.order(), expected, "{what}");
        assert_eq!(world.told("uidl_line_malformed"), !is_one, "{what}");
    }
}

/// Holds CVE-2005-2335: a reply that cannot be meant ends the session before anything is done with
/// it.
#[tokio::test]
async fn a_unique_id_of_a_mebibyte_ends_the_session_and_the_next_one_is_a_fresh_start() {
    let endless = "x".repeat(1 << 20);
    let ordinary = maildrop(&[("good", GOOD), (&endless, b"other")]);
    let world = World::new(Vec::new(), Retention::Delete);
    for _ in 0..3 {
        let speaker = Speaker::new(ordinary.clone());
        let End::Failed(error) = speaker.poll(&world).await.end else {
            panic!("it was taken");
        };
        assert_eq!(error.code(), "reply_too_long");
        assert!(error.to_string().len() < 1024);
        assert!(!speaker.heard().iter().any(|line| line.starts_with("DELE")));
    }
    let summary = Speaker::new(maildrop(&[("good", GOOD)])).poll(&world).await;
    assert!(matches!(summary.end, End::Complete));
    assert_eq!(world.sink.order(), [GOOD]);
}

/// Holds getmail6#277: an invalid line costs only itself, in any reply.
#[tokio::test]
async fn a_malformed_line_in_any_reply_of_many_lines_costs_only_itself() {
    let lines = [
        "",
        " ",
        "..",
        "x",
        "1",
        "1 ",
        "\u{e9}\u{e9}",
        "\0\0\0",
        "+OK",
        "-ERR no",
        "\x1b[2J",
    ];
    for line in lines {
        for reply in ["CAPA", "UIDL", "LIST", "RETR 1"] {
            let ordinary = maildrop(&[("good", GOOD)]);
            let odd = format!("{line}\r\n");
            let speaker = Speaker::new(move |command| {
                let Say::Octets(mut octets) = ordinary(command) else {
                    return ordinary(command);
                };
                if command == reply {
                    // After the status line, wherever that was.
                    let status = octets.iter().position(|octet| *octet == b'\n').unwrap() + 1;
                    octets.splice(status..status, odd.bytes());
                }
                say(octets)
            });
            let world = World::new(Vec::new(), Retention::Delete);
            let summary = speaker.poll(&world).await;
            let what = format!("{line:?} in {reply}");
            assert!(matches!(summary.end, End::Complete), "{what}");
            let expected = match (reply, line) {
                ("RETR 1", "..") => [b".\r\n", GOOD].concat(),
                ("RETR 1", _) => [line.as_bytes(), b"\r\n", GOOD].concat(),
                _ => GOOD.to_vec(),
            };
            assert_eq!(world.sink.order(), [expected], "{what}");
        }
    }
}
