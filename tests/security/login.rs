//! Which servers get the password, and which do not.

use mailferry::mail::{LoginMethod, Retention, TlsMode};
use mailferry::session::End;

use crate::support::speaker::{Say, Speaker, maildrop, say};
use crate::support::world::World;

const METHODS: [LoginMethod; 4] = [
    LoginMethod::Auto,
    LoginMethod::UserPass,
    LoginMethod::Plain,
    LoginMethod::Apop,
];

/// A world whose account requires STLS, and allows everything else.
fn demanding(method: LoginMethod) -> World {
    let mut world = World::new(Vec::new(), Retention::Keep);
    world.visit.tls = TlsMode::StartTls;
    world.visit.allow_cleartext_password = true;
    world.visit.login.method = method;
    world
}

fn failure(end: &End) -> &'static str {
    match end {
        End::Failed(error) => error.code(),
        End::Complete | End::Stopped => "",
    }
}

/// Checks that only these commands were received, in this order.
fn assert_only(speaker: &Speaker, allowed: &[&str], what: &str) {
    let heard = speaker.heard();
    let strange = heard.iter().find(|line| !allowed.contains(&line.as_str()));
    assert_eq!(strange, None, "{what}: {heard:?}");
}

/// Holds CVE-2006-5867, CVE-2021-22946, CVE-2021-39272 and 4.2.starttls: there is no way round
/// STLS, whatever the server announces and however it refuses.
#[tokio::test(start_paused = true)]
async fn no_text_of_a_server_before_tls_causes_an_octet_of_the_login_to_be_sent() {
    let greetings = [
        "+OK ready",
        "+OK jane logged in",
        "+OK [PREAUTH] welcome back, jane",
        "+OK maildrop locked and ready, 3 messages",
        "+OK <1896.697170952@pop.example.org>",
    ];
    let capabilities = [
        "+OK\r\nUSER\r\nSTLS\r\n.\r\n",
        "+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
        "+OK\r\nuser\r\nsasl plain\r\nstls\r\n.\r\n",
        "-ERR what?\r\n",
        "",
        "+OK\r\nUSER\r\nST",
        "closed",
    ];
    let answers = [
        "-ERR no TLS today\r\n",
        "-ERR [AUTH] log in first\r\n",
        "+ \r\n",
        "nonsense\r\n",
        "",
        "closed",
    ];
    let said = |text: &str| match text {
        "closed" => Say::Last(Vec::new()),
        text => say(text),
    };
    for greeting in greetings {
        for capability in capabilities {
            for answer in answers {
                for method in METHODS {
                    let speaker = Speaker::new(move |line| match line {
                        "" => say(format!("{greeting}\r\n")),
                        "CAPA" => said(capability),
                        "STLS" => said(answer),
                        _ => say("+OK\r\n"),
                    });
                    let what = format!("{greeting:?} {capability:?} {answer:?} {method:?}");
                    let end = speaker.poll(&demanding(method)).await.end;
                    assert!(matches!(end, End::Failed(_)), "{what}");
                    assert_only(&speaker, &["CAPA", "STLS", "QUIT"], &what);
                }
            }
        }
    }
}

/// Holds CVE-2021-39272: a capability has no letter case, and TLS is requested whatever was
/// announced.
#[tokio::test]
async fn stls_is_sent_however_it_is_spelled_or_not_announced() {
    for announced in ["STLS", "stls", "sTlS", "STLS now", "X-NONE"] {
        let ordinary = maildrop(&[("one", b"Subject: one\r\n\r\n")]);
        let speaker = Speaker::new(move |line| match line {
            "CAPA" => say(format!("+OK\r\nUIDL\r\n{announced}\r\n.\r\n")),
            "STLS" => say("+OK begin\r\n"),
            _ => ordinary(line),
        });
        let world = demanding(LoginMethod::Auto);
        assert_eq!(failure(&speaker.poll(&world).await.end), "", "{announced}");
        let heard = speaker.heard();
        assert_eq!(heard[..4], ["CAPA", "STLS", "CAPA", "USER jane"]);
    }
}

/// Holds CVE-2007-1558: MD5 of a password is sent only if the operator chose it.
#[tokio::test]
async fn apop_is_used_only_if_it_is_configured() {
    for method in [
        LoginMethod::Auto,
        LoginMethod::UserPass,
        LoginMethod::Plain,
        LoginMethod::Apop,
    ] {
        let ordinary = maildrop(&[]);
        let speaker = Speaker::new(move |line| match line.split(' ').next() {
            Some("") => say("+OK <1896.697170952@pop.example.org>\r\n"),
            Some("APOP" | "AUTH") => say("+OK\r\n"),
            _ => ordinary(line),
        });
        let mut world = World::new(Vec::new(), Retention::Keep);
        world.visit.login.method = method;
        assert_eq!(failure(&speaker.poll(&world).await.end), "", "{method:?}");
        let heard = speaker.heard();
        let apop = heard
            .iter()
            .filter(|line| line.starts_with("APOP "))
            .count();
        assert_eq!(apop, usize::from(method == LoginMethod::Apop), "{heard:?}");
    }
}

/// Holds CVE-2007-1558: a crafted challenge is not hashed, and a server that refuses APOP gets
/// nothing instead.
#[tokio::test]
async fn a_doubtful_timestamp_or_a_refused_apop_is_never_followed_by_the_password() {
    let good = "<1896.697170952@pop.example.org>";
    // Collisions consist of octets beyond ASCII and control characters.
    let doubtful: [&[u8]; 9] = [
        b"ready",
        b"<>",
        b"<@>",
        b"<1896@>",
        b"<@pop.example.org>",
        b"<1896.697170952pop.example.org>",
        b"<18\x0196@pop.example.org>",
        b"<18\xC396@pop.example.org>",
        b"<18 96@pop.example.org>",
    ];
    let refusals = [
        "-ERR [AUTH] no\r\n",
        "-ERR APOP is off\r\n",
        "-ERR [SYS/TEMP] later\r\n",
        "+ \r\n",
    ];
    let mut trials: Vec<(Vec<u8>, &str, usize)> = Vec::new();
    trials.extend(doubtful.map(|greeting| (greeting.to_vec(), "+OK\r\n", 0)));
    trials.extend(refusals.map(|refusal| (good.into(), refusal, 1)));
    for (greeting, answer, said) in trials {
        let what = format!("{} {answer:?}", String::from_utf8_lossy(&greeting));
        let speaker = Speaker::new(move |line| match line.split(' ').next() {
            Some("") => say([b"+OK ", &greeting[..], b"\r\n"].concat()),
            Some("APOP") => say(answer),
            Some("CAPA") => say("+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n"),
            _ => say("+OK\r\n"),
        });
        let mut world = World::new(Vec::new(), Retention::Keep);
        world.visit.login.method = LoginMethod::Apop;
        let end = speaker.poll(&world).await.end;
        assert!(matches!(end, End::Failed(_)), "{what}");
        let heard = speaker.heard();
        let apop = heard
            .iter()
            .filter(|line| line.starts_with("APOP "))
            .count();
        assert_eq!(apop, said, "{what}: {heard:?}");
        let login = |line: &String| ["USER", "PASS", "AUTH"].iter().any(|v| line.starts_with(v));
        assert!(!heard.iter().any(login), "{what}: {heard:?}");
        assert!(!heard.concat().contains("canary"), "{what}: {heard:?}");
    }
}

/// Holds CVE-2012-3482 and EN-2010-03: a challenge is decoded within limits, and an unexpected one
/// is not answered.
#[tokio::test]
async fn a_challenge_of_any_size_gets_no_second_answer() {
    let mebibyte = "QUFB".repeat(1 << 18);
    let long = "QUFB".repeat(4096);
    for challenge in [
        "",
        "=",
        "====",
        "Q",
        "QQ",
        "QQ=",
        "QQ==",
        "QQ==QQ==",
        "QUFB",
        "Q\0==",
        "\u{e9}",
        "TlRMTVNTUAACAAAA",
        &long,
        &mebibyte,
    ] {
        let what = format!("{} octets, {challenge:.9?}", challenge.len());
        let challenge = format!("+ {challenge}\r\n");
        let speaker = Speaker::new(move |line| match line.split(' ').next() {
            Some("CAPA") => say("+OK\r\nSASL PLAIN NTLM DIGEST-MD5\r\n.\r\n"),
            Some("AUTH") => say(&challenge),
            Some("*") => say("-ERR cancelled\r\n"),
            Some("") => say("+OK\r\n"),
            // To the one answer that it gets, another challenge.
            _ => say(&challenge),
        });
        let world = World::new(Vec::new(), Retention::Keep);
        let code = failure(&speaker.poll(&world).await.end);
        let heard = speaker.heard();
        assert_eq!(heard[0], "CAPA", "{what}");
        assert!(heard[1].starts_with("AUTH PLAIN "), "{what}: {heard:?}");
        if what.starts_with("1048576") {
            assert_eq!(code, "reply_too_long", "{what}");
            assert_eq!(heard.len(), 2, "{what}: {heard:?}");
        } else {
            assert_eq!(code, "auth_challenge", "{what}");
            assert_eq!(
                (heard.len(), heard[3].as_str()),
                (4, "*"),
                "{what}: {heard:?}"
            );
        }
    }
}
