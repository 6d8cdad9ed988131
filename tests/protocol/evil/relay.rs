//! Crimes of a relay: only messages that it accepted after the dot count as delivered, and all
//! messages arrive when it is honest.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use mailferry::agent::Breaker;
use mailferry::mail::{AccountName, Retention, Secret, TlsMode, TlsPolicy, WhoActs};
use mailferry::net::{Connector, Roots, SystemRoots};
use mailferry::seen::{Batch, Seen, SeenStore};
use mailferry::session::{self, Collaborators, End, Summary, Visit};
use mailferry::sink::smtp::{RelayLogin, Smtp, SmtpSettings};
use mailferry::sink::{Delivery, Destination, Gate};

use super::of;
use crate::support::certificates::Certificates;
use crate::support::crash::Crash;
use crate::support::evil::stage::{Protocol, Stage};
use crate::support::evil::{Crime, PASSWORD, Side, USER};
use crate::support::model::{Mail, Server};
use crate::support::place::without_our_fields;
use crate::support::tls::acceptor;
use crate::support::world::{World, mail, mails};

/// Two accounts of one agent: `work`, which delivers to the evil relay, and `beside`, which does
/// not.
struct Trial {
    what: String,
    stage: Arc<Stage>,
    world: World,
    seen: Seen,
    with: Collaborators,
    reached: Reached,
    gate: Arc<dyn Gate>,
    beside: Visit,
    beside_server: Server,
}

/// The messages that the relay accepted, with counts, and those that it received without accepting
/// them.
#[derive(Debug, Default)]
struct Taken {
    with_a_yes: BTreeMap<Vec<u8>, usize>,
    in_silence: BTreeMap<Vec<u8>, usize>,
}

/// The settings of the relay, except for its time-out.
struct Reached(SmtpSettings);

struct Canary;

impl RelayLogin for Canary {
    fn login(&self) -> BoxFuture<'_, Result<(String, Secret), mailferry::sink::Refusal>> {
        Box::pin(async { Ok((USER.to_owned(), Secret::new(PASSWORD.into()))) })
    }
}

impl Reached {
    fn new(crime: &Crime, port: u16, certificates: &Certificates) -> Self {
        let policy = TlsPolicy {
            ca_file: Some(certificates.authority()),
            ..TlsPolicy::default()
        };
        let logs_in = matches!(crime.at, Some((_, "auth"))) || crime.stls;
        Self(SmtpSettings {
            reports: mailferry::mail::Reports::Usual,
            host: "localhost".into(),
            port,
            tls: if crime.stls {
                TlsMode::StartTls
            } else {
                TlsMode::None
            },
            connector: Connector::new(&policy, &Roots::new(SystemRoots::find())).unwrap(),
            login: logs_in.then(|| Arc::new(Canary) as Arc<dyn RelayLogin>),
            helo: "client.test".into(),
            timeout: Duration::ZERO,
            parallel: 1,
        })
    }

    fn within(&self, seconds: u64, gate: &Arc<dyn Gate>) -> Delivery {
        let timeout = Duration::from_secs(seconds);
        let relay = Arc::new(Smtp::new(SmtpSettings {
            timeout,
            ..self.0.clone()
        }));
        Delivery::to(Destination::new("relay", relay, gate.clone()))
    }
}

impl Trial {
    fn of(crime: &Crime, certificates: &Certificates) -> Self {
        let stage = Stage::new(
            Protocol::Smtp,
            Some(crime.clone()),
            Some(acceptor(certificates)),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let playing = stage.clone();
        // It ends with the test program.
        std::thread::spawn(move || playing.play(&listener));
        let reached = Reached::new(crime, port, certificates);
        let world = World::new(sent(), Retention::Delete);
        let seen = world.seen();
        let mut with = world.collaborators_with(&seen);
        // The time that a wait may take, if the crime needs one.
        let gate: Arc<dyn Gate> = Arc::new(Breaker::new("relay", with.reporter.clone()));
        with.delivery = reached.within(if crime.waits { 2 } else { 60 }, &gate);
        let mut beside = world.visit.clone();
        beside.account = AccountName::new("beside").unwrap();
        beside.host = "beside.example.org".into();
        Self {
            what: crime.name.clone(),
            stage,
            world,
            seen,
            with,
            reached,
            gate,
            beside,
            beside_server: Server::new(mails_beside(), Crash::never()),
        }
    }

    /// Polls both at once; returns the result of the one that delivers to the relay.
    async fn poll(&self) -> Summary {
        let mut beside = self.world.collaborators_with(&self.seen);
        beside.seen = self.seen.account(&self.beside.account);
        beside.connect = Arc::new(self.beside_server.clone());
        let (summary, honest) = tokio::join!(
            session::poll(&self.world.visit, &self.with),
            session::poll(&self.beside, &beside),
        );
        assert!(
            matches!(honest.end, End::Complete),
            "{}: {:?}",
            self.what,
            honest.end
        );
        for (visit, summary) in [(&self.world.visit, &summary), (&self.beside, &honest)] {
            let state = Some(summary.state.clone());
            let batch = Batch {
                state,
                ..Batch::new(&visit.account)
            };
            self.world.store.commit(batch).await.unwrap();
        }
        summary
    }

    fn taken(&self) -> Taken {
        let mut all = Taken::default();
        for taken in self.stage.inbox().lock().unwrap().iter() {
            let counts = if taken.said_yes {
                &mut all.with_a_yes
            } else {
                &mut all.in_silence
            };
            *counts.entry(without_our_fields(&taken.octets)).or_default() += 1;
        }
        all
    }

    /// Every message that the relay did not accept is reported.
    fn is_told(&self, summary: &Summary) {
        let yes = self.taken().with_a_yes.len() as u64;
        if yes == 5 {
            return;
        }
        let counts = &summary.counts;
        match &summary.end {
            End::Failed(error) => {
                assert_ne!(error.who_acts(), WhoActs::Us, "{}: {error}", self.what);
                assert!(!error.code().is_empty() && !error.to_string().is_empty());
                assert!(
                    !error.to_string().contains(PASSWORD),
                    "{}: {error}",
                    self.what
                );
            }
            // Messages that were deferred before wait silently.
            end => assert!(
                counts.deferred + counts.quarantined > 0 || counts.retrieved == 0,
                "{}: silence: {end:?} {counts:?}",
                self.what
            ),
        }
    }
}

/// Messages of different senders.
fn sent() -> Vec<Mail> {
    let from = |mail: Mail| Mail {
        octets: [
            format!("Return-Path: <{}@sender.test>\r\n", mail.unique_id).as_bytes(),
            &mail.octets,
        ]
        .concat(),
        ..mail
    };
    mails(5).into_iter().map(from).collect()
}

fn mails_beside() -> Vec<Mail> {
    let octets = |number| format!("Subject: beside {number}\r\n\r\n{number}\r\n");
    let one = |number| mail(&format!("beside-{number}"), octets(number).as_bytes());
    (0..3).map(one).collect()
}

/// The cost of these crimes: the relay has messages that it never accepted, so they come again
/// (`maybe_duplicate`).
fn takes_in_silence(crime: &Crime) -> bool {
    crime.name.starts_with("smtp-take-and-")
}

async fn tried(crime: &Crime, certificates: &Certificates) {
    let mut trial = Trial::of(crime, certificates);
    let what = trial.what.clone();
    let mut delivered = 0;
    for round in 0..2 {
        let summary = trial.poll().await;
        trial.is_told(&summary);
        delivered += summary.counts.delivered;
        let taken = trial.taken();
        assert_eq!(
            delivered,
            taken.with_a_yes.values().sum::<usize>() as u64,
            "{what}: {taken:?}"
        );
        assert!(
            round > 0 || taken.in_silence.is_empty() || takes_in_silence(crime),
            "{what}"
        );
        // Only messages that the relay has received were deleted.
        let gone = trial.world.server.deleted();
        assert!(
            gone.iter()
                .all(|mail| taken.with_a_yes.contains_key(&mail.octets)),
            "{what}"
        );
        trial.world.pass(3600);
    }
    if crime.stls {
        let heard = String::from_utf8_lossy(&trial.stage.heard()).into_owned();
        assert!(
            !heard.contains("AUTH") && !heard.contains("MAIL"),
            "{what}: {heard}"
        );
    }
    trial.stage.repent();
    trial.with.delivery = trial.reached.within(60, &trial.gate);
    let mut last = None;
    for _ in 0..8 {
        trial.world.pass(12 * 3600);
        last = Some(trial.poll().await.end);
    }
    let taken = trial.taken();
    let kept = trial.world.kept.octets();
    for mail in sent() {
        let count = taken.with_a_yes.get(&mail.octets).copied().unwrap_or(0);
        let kept = kept.iter().filter(|octets| **octets == mail.octets).count();
        assert_eq!(
            count + kept,
            1,
            "{what}: {last:?} {} {}",
            taken.with_a_yes.len(),
            kept
        );
        assert!(
            kept == 0 || trial.world.told("quarantined"),
            "{what}: quarantined in silence"
        );
    }
    assert_eq!(
        taken.with_a_yes.len() + kept.len(),
        5,
        "{what}: {taken:?} {kept:?}"
    );
    assert_eq!(
        takes_in_silence(crime),
        !taken.in_silence.is_empty(),
        "{what}"
    );
    for mail in mails_beside() {
        let count = trial.world.sink.taken().get(&mail.octets).copied();
        assert_eq!(count, Some(1), "{what}: the account beside");
    }
    assert!(!trial.world.said(PASSWORD), "{what}: the password is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_relay_is_reported_loses_nothing_and_affects_no_other_account() {
    let certificates = Arc::new(Certificates::new());
    certificates.signed("evil", "DNS:localhost,IP:127.0.0.1", 30);
    let trials = of(Side::Smtp).map(|crime| {
        let certificates = certificates.clone();
        tokio::spawn(async move {
            tried(&crime, &certificates).await;
            crime.name
        })
    });
    let ended = join_all(trials).await;
    let failed = ended.iter().filter(|ended| ended.is_err()).count();
    assert_eq!(failed, 0, "see above");
}
