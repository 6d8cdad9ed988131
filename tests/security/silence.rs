//! Servers that stop sending where it is least expected.

use std::sync::LazyLock;
use std::time::Duration;

use mailferry::mail::{Retention, TlsMode, TlsPolicy, WhoActs, limits};
use mailferry::net::{Connector, Roots, SystemRoots, dial};
use mailferry::session::End;

use crate::support::speaker::{Say, Speaker, maildrop, say};
use crate::support::world::World;

static CONNECTOR: LazyLock<Connector> = LazyLock::new(|| {
    Connector::new(&TlsPolicy::default(), &Roots::new(SystemRoots::find())).unwrap()
});

const MAIL: &[u8] = b"Subject: one\r\n\r\nfirst line\r\nsecond line\r\n";

/// The time that we wait for an answer of this many octets to this command, and for all retries.
async fn waits(world: &World, speaker: &Speaker, what: &str) {
    let begun = tokio::time::Instant::now();
    let End::Failed(error) = speaker.poll(world).await.end else {
        panic!("{what}: it did not fail");
    };
    let waited = begun.elapsed().as_secs();
    assert!(
        waited <= 2 * limits::REPLY_SECONDS_MAX,
        "{what}: {waited} seconds"
    );
    assert_eq!(error.who_acts(), WhoActs::Server, "{what}: {error}");
    assert_eq!(world.sink.count(), 0, "{what}");
}

/// Holds CVE-2011-1947: each octet of each reply may be the last.
#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_during_any_reply_is_given_up_in_time() {
    for command in ["", "USER jane", "PASS canary-secret", "UIDL", "RETR 1"] {
        let whole = match maildrop(&[("one", MAIL)])(command) {
            Say::Octets(octets) => octets,
            Say::Last(_) | Say::Slowly(..) => panic!("{command}"),
        };
        for octets in 0..whole.len() {
            let (ordinary, part) = (maildrop(&[("one", MAIL)]), whole[..octets].to_vec());
            let speaker = Speaker::new(move |line| {
                if line == command {
                    say(&part)
                } else {
                    ordinary(line)
                }
            });
            let world = World::new(Vec::new(), Retention::Delete);
            waits(&world, &speaker, &format!("{command:?}, {octets} octets")).await;
            assert!(!speaker.heard().iter().any(|line| line.starts_with("DELE")));
        }
    }
}

/// Holds CVE-2011-1947: the middle of the list of capabilities, or of sizes, is no exception.
#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_during_capa_or_list_is_given_up_in_time_and_not_asked_again() {
    let parts = ["", "+OK", "+OK\r\n", "+OK\r\n1 1\r\n", "+OK\r\n1 1\r\n."];
    for (command, part) in parts
        .into_iter()
        .flat_map(|part| [("CAPA", part), ("LIST", part)])
    {
        let ordinary = maildrop(&[("one", MAIL)]);
        let speaker = Speaker::new(move |line| {
            if line == command {
                say(part)
            } else {
                ordinary(line)
            }
        });
        let world = World::new(Vec::new(), Retention::Keep);
        let begun = tokio::time::Instant::now();
        assert!(matches!(speaker.poll(&world).await.end, End::Complete));
        assert!(
            begun.elapsed().as_secs() <= limits::REPLY_SECONDS_MAX + 5,
            "{part:?}"
        );
        assert_eq!(world.sink.order(), [MAIL], "{part:?}");
    }
}

/// Holds CVE-2011-1947: the handshake after a yes to STLS has its own time limit.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_after_stls_is_given_up_in_time() {
    // The roots are read before the clock of the test starts.
    let connector = CONNECTOR.clone();
    for answer in ["", "+OK", "+OK begin\r\n"] {
        let speaker = Speaker::new(move |line| match line {
            "" => say("+OK\r\n"),
            "CAPA" => say("+OK\r\nSTLS\r\n.\r\n"),
            "STLS" => say(answer),
            // Everything else is the handshake.
            _ => say(""),
        });
        let mut world = World::new(Vec::new(), Retention::Keep);
        world.visit.tls = TlsMode::StartTls;
        waits(&world, &speaker.with_tls(connector.clone()), answer).await;
    }
}

/// Holds 4.4.memory: a server that drips does not keep a session open for ever.
#[tokio::test(start_paused = true)]
async fn a_body_that_drips_an_octet_every_nine_seconds_ends_with_the_session_s_time() {
    let ordinary = maildrop(&[("one", MAIL)]);
    let speaker = Speaker::new(move |line| match line {
        "RETR 1" => Say::Slowly(
            [b"+OK\r\nSubject: slow\r\n\r\n", &b"x".repeat(1 << 14)[..]].concat(),
            Duration::from_secs(9),
        ),
        _ => ordinary(line),
    });
    let world = World::new(Vec::new(), Retention::Delete);
    let begun = tokio::time::Instant::now();
    let End::Failed(error) = speaker.poll(&world).await.end else {
        panic!("it did not fail");
    };
    let waited = begun.elapsed().as_secs();
    assert!(
        waited.abs_diff(limits::SESSION_SECONDS_MAX) <= 60,
        "{waited} seconds: {error}"
    );
    assert_eq!(error.who_acts(), WhoActs::Server, "{error}");
    assert_eq!(world.sink.count(), 0);
}

/// Holds CVE-2011-1947: a host that does not answer the connection is not waited for for ever.
#[tokio::test]
async fn a_host_that_never_answers_a_connect_is_given_up_in_time() {
    // A full queue: new connections are not answered.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let call = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(Duration::from_millis(300), call).await {
            Ok(stream) => waiting.push(stream.unwrap()),
            Err(_) => break,
        }
        assert!(waiting.len() < 100, "the queue has no end");
    }
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let error = dial("127.0.0.1", address.port()).await.unwrap_err();
    assert_eq!(error.code(), "net_timeout", "{error}");
    assert_eq!(begun.elapsed().as_secs(), limits::CONNECT_SECONDS_MAX);
}
