//! What a breaker means for the mail of accounts: properties of a model of their polls.

use std::collections::BTreeMap;

use super::tests::{account, named_in, undo};
use super::*;
use crate::mail::limits;
use crate::sink::breaker::text;

/// A message of the model.
#[derive(Clone, Debug)]
struct Mail {
    /// Why it is refused, if it is.
    fault: Option<Fault>,
    tries: u32,
    next_try: Timestamp,
    is_new: bool,
    is_quarantined: bool,
}

/// Accounts that deliver to one relay, without servers, sinks or stores: what sessions do with the
/// verdicts of the breaker.
#[derive(Default)]
struct Model {
    state: BreakerState,
    now: Timestamp,
    accounts: BTreeMap<String, BTreeMap<String, Mail>>,
    count: usize,
}

impl Model {
    fn put(&mut self, account: &str, fault: Option<Fault>) -> String {
        self.count += 1;
        let id = format!("{:06}", self.count);
        let mail = Mail {
            fault,
            tries: 0,
            next_try: Timestamp(0),
            is_new: true,
            is_quarantined: false,
        };
        let mails = self.accounts.entry(account.to_owned()).or_default();
        mails.insert(id.clone(), mail);
        id
    }

    fn has(&self, account: &str, id: &str) -> bool {
        self.accounts[account].contains_key(id)
    }

    /// One poll of an account: new mail first, then retries, those that wait longest first.
    fn poll(&mut self, name: &str) {
        let admission = self.state.admits(&account(name), self.now);
        assert_eq!(admission, Admission::Open, "refusals stop nothing");
        let now = self.now;
        let due = self.accounts.entry(name.to_owned()).or_default().iter();
        let due = due.filter(|(_, mail)| !mail.is_quarantined && mail.next_try <= now);
        let mut due: Vec<_> = due
            .map(|(id, mail)| (!mail.is_new, mail.next_try, id.clone()))
            .collect();
        due.sort();
        for (offered, (_, _, id)) in (0..).zip(due) {
            if self.state.suspicion.is_suspect() && offered >= limits::SUSPECT_OFFERS_MAX {
                break;
            }
            if !self.offer(name, &id) {
                break;
            }
        }
    }

    /// Whether the session goes on.
    fn offer(&mut self, name: &str, id: &str) -> bool {
        let message = named_in(name, id);
        let mails = self.accounts.get_mut(name).unwrap();
        let Some(fault) = mails[id].fault else {
            mails.remove(id);
            self.state.accepted(&message.0, &message.1);
            return true;
        };
        let sender = Sender::Address(format!("{id}@x").into());
        let verdict = self
            .state
            .refused(fault, undo(message), &sender, self.now, 0.0);
        match verdict {
            Verdict::Count => self.count(name, id, fault == Fault::MessagePermanent),
            Verdict::Defer { take_back, .. } => {
                self.count(name, id, false);
                for Undo { account, key, .. } in take_back {
                    let mails = self.accounts.get_mut(account.as_str()).unwrap();
                    let mail = mails.get_mut(&key.unique_id.to_string()).unwrap();
                    mail.is_quarantined = mail.tries >= limits::TRIES_MAX;
                }
            }
            Verdict::Hold => return false,
            Verdict::Opened { .. } => panic!("a refusal of a message opened it"),
        }
        true
    }

    fn count(&mut self, name: &str, id: &str, permanent: bool) {
        let mail = self.accounts.get_mut(name).unwrap().get_mut(id).unwrap();
        mail.tries += 1;
        mail.is_new = false;
        mail.next_try = self.now.plus(backoff::message_seconds(mail.tries));
        mail.is_quarantined = permanent || mail.tries >= limits::TRIES_MAX;
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.plus(seconds);
    }

    fn restart(&mut self) {
        self.state = text::read(&text::write(&self.state)).unwrap();
    }

    fn all(&self) -> impl Iterator<Item = &Mail> {
        self.accounts.values().flat_map(BTreeMap::values)
    }
}

fn refusal() -> impl proptest::strategy::Strategy<Value = Fault> {
    proptest::sample::select(vec![
        Fault::MessagePermanent,
        Fault::MessageTransient,
        Fault::MessageUnknown,
        Fault::Recipient,
        Fault::RecipientOrMessage,
    ])
}

/// Refusals that leave the account its turn.
fn of_message() -> impl proptest::strategy::Strategy<Value = Fault> {
    proptest::sample::select(vec![
        Fault::MessagePermanent,
        Fault::MessageTransient,
        Fault::MessageUnknown,
    ])
}

proptest::proptest! {
    #[test]
    fn honest_mail_of_an_account_that_is_not_refused_comes_at_its_next_poll(
        steps in proptest::collection::vec(
            (0..5_u8, proptest::collection::vec(refusal(), 1..30), proptest::bool::ANY),
            1..60,
        )
    ) {
        let mut model = Model::default();
        for (who, faults, restarts) in steps {
            let name = format!("refused-{who}");
            let count = faults.len();
            for (number, fault) in faults.into_iter().enumerate() {
                // Now and then something of theirs is taken.
                model.put(&name, (number % 7 < 6).then_some(fault));
            }
            model.poll(&name);
            if restarts {
                model.restart();
            }
            let honest: Vec<_> = (0..count).map(|_| model.put("honest", None)).collect();
            model.poll("honest");
            for id in honest {
                proptest::prop_assert!(!model.has("honest", &id));
            }
            model.pass(300);
        }
    }

    #[test]
    fn mail_after_n_refused_messages_is_delivered_within_n_fiftieths_and_one_polls(
        faults in proptest::collection::vec(of_message(), 0..300),
        others in 0..3_usize,
        suspect in proptest::bool::ANY,
    ) {
        let mut model = Model::default();
        if suspect {
            (0..30).for_each(|_| {
                model.put("before", Some(Fault::MessagePermanent));
            });
            model.poll("before");
        }
        let count = faults.len();
        for fault in &faults {
            model.put("work", Some(*fault));
        }
        let honest = model.put("work", None);
        for _ in 0..=count / 50 {
            model.poll("work");
            for other in 0..others {
                let name = format!("other-{other}");
                model.put(&name, faults.first().copied().filter(|_| other == 0));
                model.poll(&name);
            }
            model.pass(300);
        }
        proptest::prop_assert!(!model.has("work", &honest));
    }

    #[test]
    fn a_relay_that_refuses_everything_leaves_nothing_in_the_quarantine_before_its_twentieth_try(
        counts in proptest::collection::vec(1..80_usize, 1..5),
        polls in 1..40_u64,
        restarts in proptest::bool::ANY,
    ) {
        let mut model = Model::default();
        for (at, count) in counts.iter().enumerate() {
            (0..*count).for_each(|_| {
                model.put(&format!("a{at}"), Some(Fault::MessagePermanent));
            });
        }
        let total: usize = counts.iter().sum();
        for _ in 0..polls {
            (0..counts.len()).for_each(|at| model.poll(&format!("a{at}")));
            if restarts {
                model.restart();
            }
            model.pass(3600);
        }
        if total >= limits::REFUSED_IN_A_ROW_MAX as usize {
            let early = model
                .all()
                .filter(|mail| mail.is_quarantined && mail.tries < limits::TRIES_MAX);
            proptest::prop_assert_eq!(early.count(), 0);
        }
    }
}
