//! Kills while a message goes to three recipients: at named points between the replies of an LMTP
//! server, and at random moments with two destinations. `contrib/soak recipients 300` does more of
//! the latter.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::kill::kill_one;
use crate::support::destination::lf;
use crate::support::dovecot::Dovecot;
use crate::support::faketime;
use crate::support::lmtp::{LmtpServer, Manner};
use crate::support::place::{Place, delivered_in, without_our_fields};
use crate::support::seed::seed;

const RECIPIENTS: [&str; 3] = ["jane", "joe", "ann"];

/// An LMTP server with a runtime of its own, and a maildrop with messages for all three.
struct Three {
    server: LmtpServer,
    dovecot: Dovecot,
    runtime: tokio::runtime::Runtime,
}

/// How often each recipient got each message.
type Found = BTreeMap<(&'static str, Vec<u8>), usize>;

/// A unique message whose header names an address that the map gives to all three.
fn message(number: usize) -> Vec<u8> {
    format!(
        "X-Original-To: all@example.org\r\nReceived: from a by b id 1; Mon, 1 Jun 2026 10:00:00 \
         +0000\r\nMessage-ID: <{number}@x>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\nSubject: \
         {number}\r\n\r\n{}",
        ".text\r\n".repeat(1 + number % 50)
    )
    .into_bytes()
}

impl Three {
    fn new(sent: &[Vec<u8>]) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(LmtpServer::start(Self::manner()));
        Self {
            server,
            dovecot: Dovecot::with(sent),
            runtime,
        }
    }

    fn manner() -> Manner {
        Manner::with(&["PIPELINING", "8BITMIME"])
    }

    /// One message at a time, to the LMTP server and to the Maildirs of `further`.
    fn place(&self, deliveries: &str) -> Place {
        Place::with(&format!(
            "state_dir = \"{{here}}/state\"\nmax_unrecorded = 1\n[delivery.lmtp]\ntype = \
             \"lmtp\"\nhost = \"localhost\"\nport = {}\n[delivery.box]\ntype = \"maildir\"\npath = \
             \"{{here}}/out/{{recipient_local}}\"\n[account.family]\nhost = \"localhost\"\nport = \
             {}\ntls = \"none\"\nallow_cleartext_password = true\nuser = \"jane\"\npassword = \
             \"secret\"\nretention = \"delete\"\nfirst_run = \"all\"\ndelivery = \
             {deliveries}\n[account.family.envelope]\nunmatched = \"quarantine\"\nmap = {{ \"*\" = \
             [\"jane@home.lan\", \"joe@home.lan\", \"ann@home.lan\"] }}\n",
            self.server.port,
            self.dovecot.plain_port()
        ))
    }

    /// What the LMTP server has accepted.
    fn found(&self) -> Found {
        let mut found = Found::new();
        for taken in self.server.taken() {
            let message = without_our_fields(&lf(&taken.message()));
            let is_it = |name: &&str| taken.recipient == format!("{name}@home.lan");
            let name = RECIPIENTS.into_iter().find(is_it).unwrap();
            *found.entry((name, message)).or_default() += 1;
        }
        found
    }

    /// Polls until the maildrop is empty.
    fn until_empty(&self, place: &Place, what: &str) {
        let until = Instant::now() + Duration::from_secs(120);
        let mut hours = 1;
        loop {
            let mut command = place.command(&["poll"]);
            faketime::at(&mut command, &format!("+{hours}h"));
            let output = command.output().unwrap();
            if output.status.success() && self.dovecot.left().is_empty() {
                return;
            }
            hours += 1;
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(
                Instant::now() < until,
                "{what}: it does not come to rest: {said}"
            );
        }
    }
}

/// How many came twice at each recipient; none may be lost.
fn doubled(sent: &[Vec<u8>], found: &Found, what: &str) -> BTreeMap<&'static str, usize> {
    let mut doubled = BTreeMap::new();
    for name in RECIPIENTS {
        for message in sent {
            let key = (name, lf(message));
            let times = found.get(&key).copied().unwrap_or(0);
            assert!(times > 0, "{what}: {name} lost a message");
            *doubled.entry(name).or_default() += times - 1;
        }
    }
    let count = sent.len() * RECIPIENTS.len();
    assert_eq!(found.len(), count, "{what}: something was altered");
    doubled
}

fn messages(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(message).collect()
}

/// The replies that were heard before the kill are on no disk yet, so that message goes to all
/// three again, and no other does.
#[cfg(feature = "fault-injection")]
#[test]
fn a_kill_between_two_replies_to_one_dot_loses_no_recipient_and_repeats_one_message_at_most() {
    use super::kill_points::dies;

    let sent = messages(3);
    for passing in 1..=6 {
        let fault = format!("lmtp.replied:{passing}");
        let three = Three::new(&sent);
        let place = three.place("\"lmtp\"");
        dies(&place, &["poll"], &fault);
        three.until_empty(&place, &fault);
        for (name, times) in doubled(&sent, &three.found(), &fault) {
            assert!(times <= 1, "{fault}: {name} got {times} twice");
        }
    }
}

/// Two have it and one waits, which is recorded. The kill comes when the third one gets it.
#[cfg(feature = "fault-injection")]
#[test]
fn recipients_whose_replies_are_recorded_get_nothing_twice_after_a_kill() {
    use super::kill_points::died;

    let sent = messages(2);
    for fault in ["lmtp.dot_sent:1", "lmtp.replied:1", "sink.accepted:2"] {
        let three = Three::new(&sent);
        let place = three.place("\"lmtp\"");
        three.server.becomes(Manner {
            at_dot: vec![("joe", "452 4.2.2 mailbox full")],
            ..Three::manner()
        });
        assert_eq!(place.run(&["poll"]).status.code(), Some(75), "{fault}");
        three.server.becomes(Three::manner());
        let mut killed = place.command(&["poll"]);
        faketime::at(&mut killed, "+2m");
        assert!(
            died(&killed.env("MAILFERRY_FAULT", fault).output().unwrap()),
            "{fault}"
        );
        three.until_empty(&place, fault);
        let doubled = doubled(&sent, &three.found(), fault);
        assert_eq!((doubled["jane"], doubled["ann"]), (0, 0), "{fault}");
        assert!(doubled["joe"] <= 1, "{fault}");
    }
}

/// Not the program, but the connection ends after the first or second reply: what was heard counts.
#[test]
fn a_connection_that_ends_between_two_replies_repeats_only_recipients_that_were_not_heard() {
    use crate::support::lmtp::Sent;

    let one = messages(1);
    for (heard, replies) in [
        (1, &b"250 2.0.0 saved\r\n"[..]),
        (2, b"250 saved\r\n250 saved\r\n"),
    ] {
        let three = Three::new(&one);
        let place = three.place("\"lmtp\"");
        three.server.becomes(Manner {
            after_dot: Some(Sent::SaysAndCloses(replies)),
            ..Three::manner()
        });
        assert_eq!(place.run(&["poll"]).status.code(), Some(75), "{heard}");
        three.server.becomes(Three::manner());
        three.until_empty(&place, "the next polls");
        let names: Vec<String> = three.server.recipients();
        let expected = RECIPIENTS[heard..]
            .iter()
            .map(|name| format!("{name}@home.lan"));
        assert_eq!(names, expected.collect::<Vec<_>>(), "{heard} were heard");
    }
}

#[test]
fn random_kills_with_three_recipients_at_two_destinations_lose_none() {
    let kills = std::env::var("MAILFERRY_KILLS").map_or(10, |kills| kills.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed());
    let three = Three::new(&[]);
    let place = three.place("[\"lmtp\", \"box\"]");
    std::fs::create_dir(place.path("out")).unwrap();
    let (mut sent, mut done) = (Vec::new(), 0);
    let mut window = None;
    while done < kills {
        if sent.len() < three.server.taken().len() / 3 + 20 {
            let more: Vec<_> = (sent.len()..sent.len() + 40).map(message).collect();
            three.dovecot.refill(&more);
            sent.extend(more);
        }
        let Some(window) = window else {
            let begun = Instant::now();
            place.run(&["poll"]);
            window = Some(begun.elapsed());
            continue;
        };
        done += usize::from(kill_one(&place, window, &mut random));
    }
    three.until_empty(&place, "after all kills");
    let mut maildirs = Found::new();
    for name in RECIPIENTS {
        let found = delivered_in(&place.path(&format!("out/{name}")));
        maildirs.extend(
            found
                .into_iter()
                .map(|(message, times)| ((name, message), times)),
        );
    }
    for (found, what) in [(three.found(), "lmtp"), (maildirs, "box")] {
        let doubled = doubled(&sent, &found, what);
        assert!(
            doubled.values().all(|times| *times <= done),
            "{what}: {doubled:?}"
        );
        println!(
            "{} messages, {done} kills, {what} doubled: {doubled:?}",
            sent.len()
        );
    }
    drop(three.runtime);
}
