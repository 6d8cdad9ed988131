//! POP3 crimes against the real program, over sockets and real TLS. Those that a client notices
//! only by waiting are tried in `memory`.

use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Output;
use std::sync::{Arc, Mutex};

use super::{Cost, cost, is_before_tls, of};
use crate::support::certificates::Certificates;
use crate::support::evil::maildrop::COUNT;
use crate::support::evil::stage::{Protocol, Stage};
use crate::support::evil::{Crime, Maildrop, PASSWORD, Side, USER};
use crate::support::expected::{assert_same, expected};
use crate::support::faketime;
use crate::support::place::{Place, delivered_in};
use crate::support::tls::acceptor;

/// Two accounts, `evil` and `honest`, and their servers.
struct Trial {
    what: String,
    /// What the server sends for its messages where that is less than the message.
    stumps: Vec<Vec<u8>>,
    evil: Arc<Stage>,
    honest: Arc<Stage>,
    place: Place,
    /// The number of polls; some hours pass between two.
    polls: u32,
}

fn stumps(crime: &Crime, ever: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if cost(crime) != Cost::Stump {
        return Vec::new();
    }
    let stump = |octets: &Vec<u8>| Maildrop::stump(octets, &crime.name);
    ever.iter().map(stump).collect()
}

fn listening(stage: &Arc<Stage>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let stage = Arc::clone(stage);
    // It ends with the test program.
    std::thread::spawn(move || stage.play(&listener));
    port
}

fn configuration(crime: &Crime, ports: [u16; 2], certificates: &Certificates) -> String {
    let tls = if crime.stls {
        let authority = certificates.authority();
        format!(
            "tls = \"starttls\"\ntls_ca_file = \"{}\"",
            authority.display()
        )
    } else {
        PLAIN.to_owned()
    };
    let account = |name: &str, host: &str, port: u16, tls: &str| {
        format!(
            "[delivery.{name}]\ntype = \"maildir\"\npath = \"{{here}}/{name}\"\n[account.{name}]\n\
             host = \"{host}\"\n\
             port = {port}\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\ndelivery = \
              \"{name}\"\n{tls}\n"
        )
    };
    "state_dir = \"{here}/state\"\n[defaults]\nretention = \"delete\"\nmax_message_size = \
     \"1MiB\"\nfirst_run = \"all\"\n"
        .to_owned()
        + &account("evil", "localhost", ports[0], &tls)
        + &account("honest", "127.0.0.1", ports[1], PLAIN)
}

const PLAIN: &str = "tls = \"none\"\nallow_cleartext_password = true";

impl Trial {
    fn of(crime: &Crime, certificates: &Certificates) -> Self {
        let tls = crime.stls.then(|| acceptor(certificates));
        let evil = Stage::new(Protocol::Pop3, Some(crime.clone()), tls);
        let honest = Stage::new(Protocol::Pop3, None, None);
        let stumps = stumps(crime, evil.maildrop().ever());
        let ports = [&evil, &honest].map(listening);
        Self {
            what: crime.name.clone(),
            stumps,
            place: Place::with(&configuration(crime, ports, certificates)),
            evil,
            honest,
            polls: 0,
        }
    }

    /// Polls both; returns standard output and the log.
    fn poll(&mut self) -> (Option<i32>, String, String) {
        let mut command = self.place.command(&["poll"]);
        faketime::at(&mut command, &format!("+{}h", self.polls * 13));
        self.polls += 1;
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let [out, err] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        let what = &self.what;
        assert!(
            !out.contains(PASSWORD) && !err.contains(PASSWORD),
            "{what}: {out}\n{err}"
        );
        assert!(
            out.contains("honest: 5 listed, 5 delivered") || self.polls > 1,
            "{what}: {out}"
        );
        assert!(!out.contains("honest: failed"), "{what}: {out}");
        (status.code(), out, err)
    }

    /// How often each message of the evil server was delivered, in its order. Nothing else was
    /// delivered.
    fn delivered(&self) -> Vec<usize> {
        let ever = self.evil.maildrop().ever().to_vec();
        let found = delivered_in(&self.place.path("evil"));
        let whole = expected(&[&ever[..], &self.stumps].concat(), <[u8]>::to_vec);
        for octets in found.keys() {
            let shown = String::from_utf8_lossy(octets);
            assert!(
                whole.contains_key(octets),
                "{}: delivered {shown:?}",
                self.what
            );
        }
        let one = |octets: &Vec<u8>| expected(std::slice::from_ref(octets), <[u8]>::to_vec);
        let count = |octets| {
            one(octets)
                .keys()
                .map(|known| found.get(known).copied().unwrap_or(0))
                .sum()
        };
        ever.iter().map(count).collect()
    }

    /// Polls while the crime is committed: every message that was there and not delivered is
    /// reported.
    fn poll_and_be_told(&mut self) {
        let there = self.evil.maildrop().ever().len();
        let (code, out, err) = self.poll();
        if self.delivered().iter().take(there).all(|count| *count > 0) {
            return;
        }
        let line = out.lines().find(|line| line.starts_with("evil: ")).unwrap();
        let failed = line.contains("failed (") && line.contains("who must act: ");
        let told = failed
            || line.contains(" deferred")
            || line.contains(" too large")
            || err.contains("quirk");
        assert!(told, "{}: silence: {out}\n{err}", self.what);
        assert!(
            !failed || matches!(code, Some(69 | 75)),
            "{}: {code:?} {out}",
            self.what
        );
    }
}

impl Trial {
    /// No message is deleted of which only a part came.
    fn stumps_are_left(&mut self) {
        self.poll();
        let found = delivered_in(&self.place.path("evil"));
        assert_same(&found, &expected(&self.stumps, <[u8]>::to_vec));
        let left = self.evil.maildrop().mails().len();
        assert_eq!(left, COUNT, "{}: lost", self.what);
    }

    fn all_is_delivered(&mut self, crime: &Crime) {
        let mut last = String::new();
        // If deletes had no effect, messages are compared after one day and after two.
        for _ in 0..12 {
            last = self.poll().1;
            if self.evil.maildrop().mails().is_empty() {
                break;
            }
        }
        let delivered = self.delivered();
        assert!(
            delivered.iter().all(|count| *count > 0),
            "{}: lost: {delivered:?} {last}",
            crime.name
        );
        if cost(crime) != Cost::Repeats {
            assert!(
                delivered.iter().all(|count| *count == 1),
                "{}: {delivered:?}",
                crime.name
            );
        }
        let left = self.evil.maildrop().mails().len();
        assert_eq!(left, 0, "{}: left on the server: {last}", crime.name);
    }
}

fn tried(crime: &Crime, certificates: &Certificates) {
    let mut trial = Trial::of(crime, certificates);
    // A cut message is reported once.
    let is_once = crime.floods || cost(crime) == Cost::Stump;
    for _ in 0..if is_once { 1 } else { 2 } {
        trial.poll_and_be_told();
    }
    if crime.stls && is_before_tls(crime) {
        let heard = String::from_utf8_lossy(&trial.evil.heard()).into_owned();
        assert!(
            !heard.contains(PASSWORD) && !heard.contains("USER"),
            "{}: {heard}",
            crime.name
        );
    }
    if cost(crime) == Cost::Stump {
        trial.stumps_are_left();
    }
    trial.evil.repent();
    if cost(crime) == Cost::Limit {
        let path = trial.place.path("mailferry.toml");
        let text = std::fs::read_to_string(path).unwrap();
        trial.place.configure(&text.replace("1MiB", "2MiB"));
    }
    if cost(crime) != Cost::Stump {
        trial.all_is_delivered(crime);
    }
    let honest = expected(trial.honest.maildrop().ever(), <[u8]>::to_vec);
    assert_same(&delivered_in(&trial.place.path("honest")), &honest);
}

#[test]
fn every_pop3_fault_is_reported_by_the_program_loses_nothing_and_affects_no_other_account() {
    let certificates = Certificates::new();
    certificates.signed("evil", "DNS:localhost,IP:127.0.0.1", 30);
    let crimes = Mutex::new(of(Side::Pop3).filter(|crime| !crime.waits));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let crime = crimes.lock().unwrap().next();
                    let Some(crime) = crime else { break };
                    // One failure must not hide the next.
                    if catch_unwind(AssertUnwindSafe(|| tried(&crime, &certificates))).is_err() {
                        failed.lock().unwrap().push(crime.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}
