//! A maildrop with mail for many: the header of each message says who gets it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mailferry::mail::{
    EnvelopeRules, EnvelopeSource, MappedTo, Recipient, RecipientMap, Retention, Unmatched,
};
use mailferry::seen::State;
use mailferry::session::{self, Collaborators, End, Retried, Summary};
use mailferry::sink::{Delivery, Destination, Fault, Offer, Outcome, Refusal, Sink};

use crate::support::model::Mail;
use crate::support::world::{World, mail};

/// A sink that answers for each recipient by itself.
#[derive(Clone, Default)]
struct Mailboxes {
    /// The recipients of each offer.
    offers: Arc<Mutex<Vec<Vec<String>>>>,
    /// How often each recipient accepted a message.
    taken: Arc<Mutex<BTreeMap<String, usize>>>,
    /// The `Received` fields of the offers.
    traces: Arc<Mutex<Vec<String>>>,
    refusing: Arc<Mutex<BTreeMap<String, Fault>>>,
}

impl Sink for Mailboxes {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let all = &offer.envelope.recipients;
            let names = all.iter().map(ToString::to_string);
            self.offers.lock().unwrap().push(names.clone().collect());
            self.traces.lock().unwrap().push(offer.trace.to_owned());
            let answer = |name: String| match self.refusing.lock().unwrap().get(&name) {
                Some(fault) => Outcome::Refused(Refusal::new(*fault, "test_refusal", "no")),
                None => {
                    *self.taken.lock().unwrap().entry(name).or_default() += 1;
                    Outcome::Accepted("ok".into())
                }
            };
            names.map(answer).collect()
        })
    }
}

impl Mailboxes {
    fn refuse(&self, recipient: &str, fault: Fault) {
        self.refusing
            .lock()
            .unwrap()
            .insert(recipient.to_owned(), fault);
    }

    fn accept_all(&self) {
        self.refusing.lock().unwrap().clear();
    }

    fn offers(&self) -> Vec<String> {
        let offers = self.offers.lock().unwrap();
        offers.iter().map(|one| one.join(" ")).collect()
    }

    fn taken(&self) -> String {
        let taken = self.taken.lock().unwrap();
        let each = taken.iter().map(|(name, times)| format!("{name} {times}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// A world whose account has rules for the recipients.
struct Routed {
    world: World,
    boxes: Mailboxes,
}

impl Routed {
    fn new(mails: Vec<Mail>, rules: EnvelopeRules) -> Self {
        let mut world = World::new(mails, Retention::Delete);
        world.visit.envelope = Some(Arc::new(rules));
        Self {
            world,
            boxes: Mailboxes::default(),
        }
    }

    fn with(&self) -> Collaborators {
        let sink = Arc::new(self.boxes.clone());
        let mut with = self.world.collaborators();
        with.delivery = Delivery::to(Destination::new("box", sink, self.world.gate.clone()));
        with
    }

    async fn poll(&self) -> Summary {
        self.world.poll_with(&self.with()).await
    }

    fn change(&mut self, rules: EnvelopeRules) {
        self.world.visit.envelope = Some(Arc::new(rules));
    }

    async fn state(&self) -> State {
        let records = self.world.records().await;
        records.into_iter().next().unwrap().1.state
    }

    /// The operator's retry of the only quarantine copy.
    async fn retry(&self) -> Retried {
        let (key, record) = self.world.records().await.remove(0);
        let State::Quarantined { file, .. } = record.state else {
            panic!("{:?}", record.state)
        };
        let visit = &self.world.visit;
        session::retry_kept(visit, &self.with(), &key, &file)
            .await
            .unwrap()
    }
}

fn rules(lines: &[(&str, &str)]) -> EnvelopeRules {
    let mut map = RecipientMap::default();
    for (key, to) in lines {
        let to = to.split(' ').map(|to| match to.strip_prefix('@') {
            Some(domain) => MappedTo::Domain(domain.to_owned()),
            None => MappedTo::Address(Recipient::new(to).unwrap()),
        });
        assert!(map.add(key, to.collect()));
    }
    EnvelopeRules {
        source: EnvelopeSource::Fields {
            names: ["Delivered-To", "X-Original-To"].map(str::to_owned).into(),
            position: 1,
        },
        trusted: Vec::new(),
        strip_prefix: None,
        map: (!lines.is_empty()).then_some(map),
        unmatched: Unmatched::Recipient,
    }
}

fn strict(lines: &[(&str, &str)]) -> EnvelopeRules {
    EnvelopeRules {
        unmatched: Unmatched::Quarantine,
        ..rules(lines)
    }
}

/// A message whose header begins with these lines.
fn sent(unique_id: &str, top: &str) -> Mail {
    let text = format!(
        "{top}Received: from a.example by mx.example id 1; now\r\nDelivered-To: \
         root@evil.example\r\nMessage-ID: <{unique_id}@example.org>\r\nDate: Mon, 2 Nov 2026 \
         10:00:00 +0000\r\nSubject: x\r\n\r\ntext\r\n"
    );
    mail(unique_id, text.as_bytes())
}

const THREE: &str = "X-Original-To: jane@home.lan,\r\n joe@home.lan, ann@home.lan\r\n";

#[tokio::test]
async fn each_message_goes_to_those_whom_its_header_names_in_one_offer() {
    let mails = vec![
        sent("1", "X-Original-To: jane@example.org\r\n"),
        sent("2", THREE),
        sent("3", ""),
    ];
    let map = [("@example.org", "@home.lan"), ("@home.lan", "@home.lan")];
    let routed = Routed::new(mails, rules(&map));
    let summary = routed.poll().await;
    assert_eq!(summary.counts.delivered, 3);
    assert_eq!(
        routed.boxes.offers(),
        [
            "jane@home.lan",
            "jane@home.lan joe@home.lan ann@home.lan",
            "jane@home.lan",
        ],
        "what no believed field addresses goes to the recipient of the account"
    );
    let traces = routed.boxes.traces.lock().unwrap();
    assert!(traces[0].contains("for <jane@home.lan>;"));
    assert!(!traces[1].contains("for <"), "{}", traces[1]);
    assert!(routed.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_recipient_who_waits_gets_the_message_later_and_the_others_not_again() {
    let routed = Routed::new(vec![sent("1", THREE)], rules(&[]));
    routed
        .boxes
        .refuse("joe@home.lan", Fault::RecipientTransient);
    assert_eq!(routed.poll().await.counts.deferred, 1);
    assert_eq!(
        routed.world.server.listed().len(),
        1,
        "one does not have it"
    );
    routed.boxes.accept_all();
    routed.world.pass(61);
    assert_eq!(routed.poll().await.counts.delivered, 1);
    assert_eq!(
        routed.boxes.taken(),
        "ann@home.lan 1, jane@home.lan 1, joe@home.lan 1"
    );
    assert!(routed.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_recipient_who_does_not_exist_quarantines_the_message_and_holds_no_account() {
    for fault in [Fault::Recipient, Fault::RecipientOrMessage] {
        let mails = vec![
            sent("1", "X-Original-To: no@home.lan\r\n"),
            sent("2", "X-Original-To: no@home.lan, joe@home.lan\r\n"),
            sent("3", "X-Original-To: jane@home.lan\r\n"),
        ];
        let routed = Routed::new(mails, rules(&[]));
        routed.boxes.refuse("no@home.lan", fault);
        let summary = routed.poll().await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        let counts = (summary.counts.delivered, summary.counts.quarantined);
        assert_eq!(counts, (1, 2), "{fault:?}");
        assert_eq!(routed.boxes.taken(), "jane@home.lan 1, joe@home.lan 1");
        assert_eq!(routed.world.kept.count(), 2);
        assert_eq!(routed.world.server.listed().len(), 2);
        routed.poll().await;
        assert_eq!(routed.boxes.offers().len(), 3, "nothing is asked again");
    }
}

#[tokio::test]
async fn a_retry_from_the_quarantine_asks_only_recipients_who_do_not_have_it() {
    let routed = Routed::new(vec![sent("1", THREE)], rules(&[]));
    routed.boxes.refuse("joe@home.lan", Fault::Recipient);
    routed.poll().await;
    routed.boxes.accept_all();
    assert_eq!(routed.retry().await, Retried::Delivered);
    assert_eq!(routed.boxes.offers()[1..], ["joe@home.lan"]);
    assert!(matches!(routed.state().await, State::Delivered { .. }));
}

#[tokio::test]
async fn a_message_for_no_recipient_is_quarantined_until_the_map_has_its_address() {
    let mails = vec![sent("1", "X-Original-To: new@example.org\r\n")];
    let mut routed = Routed::new(mails, strict(&[("jane@example.org", "jane@home.lan")]));
    let summary = routed.poll().await;
    assert_eq!(summary.counts.quarantined, 1);
    assert!(routed.world.told_reason("unmatched"));
    assert!(routed.boxes.offers().is_empty());
    let retried = routed.retry().await;
    let Retried::Refused(refusal) = retried else {
        panic!("{retried:?}")
    };
    let why = "new@example.org, which the map does not have";
    assert!(refusal.words.contains(why), "{refusal}");
    routed.change(strict(&[("@example.org", "@home.lan")]));
    assert_eq!(routed.retry().await, Retried::Delivered);
    assert_eq!(routed.boxes.taken(), "new@home.lan 1");
    let trace = routed.boxes.traces.lock().unwrap().concat();
    assert!(
        !trace.contains("jane@home.lan"),
        "the recipient of before is not named: {trace}"
    );
}

#[tokio::test]
async fn a_map_that_changes_between_two_tries_gives_the_message_to_new_recipients_only() {
    for hides in [false, true] {
        let to_jane_and_joe = [("a@example.org", "jane@home.lan joe@home.lan")];
        let mails = vec![sent("1", "X-Original-To: a@example.org\r\n")];
        let mut routed = Routed::new(mails, rules(&to_jane_and_joe));
        routed.world.visit.hides_retrieved = hides;
        routed
            .boxes
            .refuse("joe@home.lan", Fault::RecipientTransient);
        routed.poll().await;
        assert_eq!(routed.world.kept.count(), usize::from(hides), "parked");
        routed.change(rules(&[("a@example.org", "jane@home.lan ann@home.lan")]));
        routed.world.pass(61);
        routed.poll().await;
        assert_eq!(
            routed.boxes.taken(),
            "ann@home.lan 1, jane@home.lan 1",
            "hides: {hides}"
        );
        assert!(matches!(routed.state().await, State::Delivered { .. }));
    }
}

#[tokio::test]
async fn a_message_whose_open_recipients_left_the_map_is_delivered_to_those_who_have_it() {
    let mails = vec![sent("1", "X-Original-To: a@example.org\r\n")];
    let mut routed = Routed::new(mails, rules(&[("*", "jane@home.lan joe@home.lan")]));
    routed
        .boxes
        .refuse("joe@home.lan", Fault::RecipientTransient);
    routed.poll().await;
    routed.change(rules(&[("*", "jane@home.lan")]));
    routed.world.pass(61);
    routed.poll().await;
    assert_eq!(routed.boxes.taken(), "jane@home.lan 1");
    assert!(routed.world.server.listed().is_empty());
}

#[tokio::test]
async fn a_parked_copy_that_the_rules_give_to_no_one_any_more_is_quarantined() {
    let mails = vec![sent("1", "X-Original-To: jane@example.org\r\n")];
    let mut routed = Routed::new(mails, strict(&[("@example.org", "@home.lan")]));
    routed.world.visit.hides_retrieved = true;
    routed
        .boxes
        .refuse("jane@home.lan", Fault::RecipientTransient);
    routed.poll().await;
    routed.change(strict(&[("@other.example", "@home.lan")]));
    routed.boxes.accept_all();
    routed.world.pass(61);
    let summary = routed.poll().await;
    assert_eq!(summary.counts.quarantined, 1);
    assert_eq!(routed.world.kept.count(), 1, "the copy is the same");
    assert!(matches!(routed.state().await, State::Quarantined { .. }));
    assert_eq!(routed.boxes.taken(), "");
    routed.change(strict(&[("@example.org", "@home.lan")]));
    assert_eq!(routed.retry().await, Retried::Delivered);
}

/// Holds 4.4.envelope.
#[tokio::test]
async fn forged_fields_in_whatever_form_change_nothing() {
    let forged = [
        "Delivered-To: root@evil.example",
        "delivered-to : <root@evil.example>",
        "X-Original-To:\r\n root@evil.example",
        "Received: by mx.example id 2 for <root@evil.example>; now\r\nX-Original-To: \
         root@evil.example",
    ];
    let genuine = ["", "X-Original-To: joe@example.org\r\n"];
    let mut mails = Vec::new();
    for (at, (forged, top)) in forged
        .iter()
        .flat_map(|forged| genuine.map(|top| (forged, top)))
        .enumerate()
    {
        let text = format!(
            "Return-Path: <a@b.example>\r\n{top}Received: from a (helo {forged}\r\n\tb) by \
             mx.example id 1; now\r\n{forged}\r\nDate: Mon, 2 Nov 2026 10:00:00 \
             +0000\r\nMessage-ID: <{at}@b.example>\r\n\r\ntext {forged}\r\n"
        );
        // A line end in what the client called itself would be the server's fault.
        let text = text.replacen(forged, &forged.replace("\r\n", ""), 1);
        mails.push(mail(&format!("id-{at}"), text.as_bytes()));
    }
    let routed = Routed::new(mails, rules(&[]));
    routed.poll().await;
    assert_eq!(routed.boxes.taken(), "jane@home.lan 4, joe@example.org 4");
}
