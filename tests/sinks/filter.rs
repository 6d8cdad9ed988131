//! Filters: programs that see a message before any destination does.

use std::sync::Arc;
use std::time::Duration;

use mailferry::agent::Breaker;
use mailferry::mail::Retention;
use mailferry::seen::State;
use mailferry::session::{self, Collaborators, End, Retried, SessionError, Summary};
use mailferry::sink::filter::ProgramFilter;
use mailferry::sink::{Destination, Fault, FilterStep, Gate};
use mailferry::spool::digest_of;

use crate::support::mda::script;
use crate::support::model::Mail;
use crate::support::world::{Notes, World, mails};

/// A world whose messages go through filters, which are shell scripts.
struct Filtered {
    world: World,
    steps: Vec<FilterStep>,
    gate: Arc<dyn Gate>,
    fallback: Option<Notes>,
}

impl Filtered {
    fn new(mails: Vec<Mail>) -> Self {
        let world = World::new(mails, Retention::Delete);
        let reporter = world.collaborators().reporter;
        Self {
            steps: Vec::new(),
            gate: Arc::new(Breaker::new("filter:test", reporter)),
            fallback: None,
            world,
        }
    }

    /// The same with one more filter. `$1` is the world's folder.
    fn through(mut self, text: &str, replaces: bool) -> Self {
        let mut settings = script(self.world.directory(), text, &[]);
        settings.timeout = Duration::from_secs(if text == "sleep 60" { 1 } else { 60 });
        let filter = Arc::new(ProgramFilter::new(settings, replaces).unwrap());
        let step = FilterStep::new("filter:test", filter, self.gate.clone());
        self.steps.push(step);
        self
    }

    fn with(&self) -> Collaborators {
        let mut with = self.world.collaborators();
        for step in &self.steps {
            with.delivery = with.delivery.through(step.clone());
        }
        if let Some(notes) = &self.fallback {
            let gate = Arc::new(Breaker::new("folder", with.reporter.clone()));
            let folder = Destination::new("folder", notes.sink(), gate);
            with.delivery = with.delivery.or(folder);
        }
        with
    }

    async fn poll(&self) -> Summary {
        self.world.poll_with(&self.with()).await
    }

    async fn quarantined(&self) -> usize {
        let states = self.world.states().await;
        let is_quarantined = |state: &&State| matches!(state, State::Quarantined { .. });
        states.iter().filter(is_quarantined).count()
    }
}

#[tokio::test]
async fn a_message_that_passes_is_delivered_as_it_was_received() {
    let one = Filtered::new(mails(3)).through("cat > /dev/null; echo ignored", false);
    let summary = one.poll().await;
    assert_eq!((summary.counts.delivered, summary.counts.deleted), (3, 3));
    for mail in mails(3) {
        assert_eq!(one.world.sink.taken().get(&mail.octets), Some(&1));
    }
}

#[tokio::test]
async fn a_filter_may_replace_the_message_and_the_next_one_sees_that() {
    let one = Filtered::new(mails(1))
        .through("echo 'X-One: 1'; cat", true)
        .through("grep -q '^X-One: 1$' && exit 0; exit 75", false);
    assert_eq!(one.poll().await.counts.delivered, 1);
    let octets = &one.world.sink.order()[0];
    assert!(octets.starts_with(b"X-One: 1\nDate: Mon, 2 Nov 2026 10:00:00 +0000\n"));
    assert!(one.world.server.listed().is_empty());
}

#[tokio::test]
async fn the_record_is_of_the_message_that_was_received() {
    let mut one = Filtered::new(mails(1)).through("echo 'X-One: 1'; cat", true);
    one.world.visit.retention = Retention::Keep;
    one.poll().await;
    let received = mails(1).remove(0).octets;
    let [(key, record)] = &one.world.records().await[..] else {
        panic!("one record")
    };
    assert_eq!(key.digest, Some(digest_of(&mut &received[..]).unwrap()));
    assert_eq!(record.octets, Some(received.len() as u64));
}

#[tokio::test]
async fn a_large_message_is_replaced_too() {
    let mut large = mails(1);
    let line = b"0123456789 0123456789 0123456789 0123456789\r\n";
    large[0].octets.extend(line.repeat(20_000));
    let one = Filtered::new(large.clone()).through("echo 'X-One: 1'; cat", true);
    assert_eq!(one.poll().await.counts.delivered, 1);
    let octets = &one.world.sink.order()[0];
    assert_eq!(
        octets.len(),
        large[0].octets.len() - 20_000 - 5 + "X-One: 1\n".len()
    );
}

#[tokio::test]
async fn the_codes_for_unwanted_mail_quarantine_it_and_no_destination_sees_it() {
    for code in [65, 76, 77, 100] {
        let one = Filtered::new(mails(2)).through(
            &format!("grep -q '^Subject: 0' && {{ echo 'is spam'; exit {code}; }}; exit 0"),
            false,
        );
        let summary = one.poll().await;
        assert_eq!(summary.counts.quarantined, 1, "{code}");
        assert_eq!(summary.counts.delivered, 1, "{code}");
        assert_eq!(one.world.server.listed().len(), 1, "{code}");
        assert!(one.world.told_reason("filter_refused"));
        assert!(one.world.said("is spam"));
    }
}

#[tokio::test]
async fn what_a_filter_refuses_is_not_for_the_fallback() {
    let mut one = Filtered::new(mails(1)).through("exit 65", false);
    one.fallback = Some(Notes::default());
    assert_eq!(one.poll().await.counts.quarantined, 1);
    assert_eq!(one.fallback.as_ref().map(Notes::asked), Some(0));
}

#[tokio::test]
async fn the_fallback_gets_what_the_filters_made_of_the_message() {
    let text = "test ! -e $1/asked || exit 77; touch $1/asked; echo 'X-One: 1'; cat";
    let mut one = Filtered::new(mails(1)).through(text, true);
    one.world.sink.refuse_all(Fault::MessagePermanent);
    let folder = Notes::default();
    one.fallback = Some(folder.clone());
    assert_eq!(one.poll().await.counts.delivered, 1);
    assert!(
        folder.order()[0].starts_with(b"X-One: 1\n"),
        "it is not asked again"
    );
}

#[tokio::test]
async fn any_other_end_of_a_filter_lets_the_message_wait() {
    for (text, code) in [
        ("exit 1", "filter_temporary"),
        ("exit 67", "filter_temporary"),
        ("exit 75", "filter_temporary"),
        ("exit 99", "filter_temporary"),
        ("kill -9 $$", "filter_signal"),
        ("sleep 60", "filter_timeout"),
    ] {
        let one = Filtered::new(mails(1)).through(text, false);
        let summary = one.poll().await;
        assert_eq!(summary.counts.deferred, 1, "{text}");
        assert_eq!(one.world.sink.asked(), 0, "{text}");
        assert!(one.world.told_reason(code), "{text}");
        assert!(
            matches!(one.world.states().await[..], [State::Deferred(_)]),
            "{text}"
        );
    }
}

#[tokio::test]
async fn output_that_cannot_be_the_message_is_never_used() {
    for (text, why) in [
        ("cat > /dev/null", "wrote nothing"),
        ("echo; echo no header here", "no header"),
        ("cat; head -c 3000000 /dev/zero; exit 65", "more than"),
        ("cat; exit 1", "exit 1"),
    ] {
        let one = Filtered::new(mails(1)).through(text, true);
        assert_eq!(one.poll().await.counts.deferred, 1, "{text}");
        assert_eq!(one.world.sink.asked(), 0, "{text}");
        assert!(one.world.said(why), "{text}");
    }
}

#[tokio::test]
async fn a_filter_is_asked_again_with_each_try() {
    let one = Filtered::new(mails(1)).through("echo x >> $1/asked; echo 'X-One: 1'; cat", true);
    let received = String::from_utf8(mails(1)[0].octets.clone()).unwrap();
    let replaced = [
        &b"X-One: 1\n"[..],
        &received.replace("\r\n", "\n").into_bytes(),
    ]
    .concat();
    one.world.sink.refuse(&replaced, Fault::MessageTransient);
    one.poll().await;
    one.world.sink.accept_all();
    one.world.pass(61);
    assert_eq!(one.poll().await.counts.delivered, 1);
    assert_eq!(one.world.sink.order(), [replaced]);
    let asked = std::fs::read(one.world.directory().join("asked")).unwrap();
    assert_eq!(asked, b"x\nx\n");
}

#[tokio::test]
async fn a_program_that_is_missing_or_cannot_run_keeps_the_account_from_logging_in() {
    let mut one = Filtered::new(mails(1));
    let mut settings = script(one.world.directory(), "", &[]);
    settings.command = vec!["/nonexistent/filter".to_owned()];
    let filter = Arc::new(ProgramFilter::new(settings, false).unwrap());
    one.steps
        .push(FilterStep::new("filter:test", filter, one.gate.clone()));
    let summary = one.poll().await;
    let End::Failed(SessionError::Destination { delivery, refusal }) = summary.end else {
        panic!("{:?}", summary.end)
    };
    assert_eq!(
        (&*delivery, refusal.code),
        ("filter:test", "filter_missing")
    );
    assert_eq!(one.world.server.logins(), 0);

    let one = Filtered::new(mails(2)).through("exit 127", false);
    one.poll().await;
    assert!(one.gate.why().is_some(), "it is down");
    assert_eq!(one.world.sink.asked(), 0);
    assert_eq!(one.quarantined().await, 0);
}

#[tokio::test]
async fn a_repaired_filter_is_up_again_though_the_first_message_is_spam() {
    let text = "test -e $1/repaired || exit 127; grep -q '^Subject: [012]' && exit 65; exit 0";
    let one = Filtered::new(mails(4)).through(text, false);
    one.poll().await;
    assert!(one.gate.why().is_some(), "it is down");
    std::fs::write(one.world.directory().join("repaired"), "").unwrap();
    one.world.pass(3_600);
    one.poll().await;
    assert!(one.gate.why().is_none(), "it has judged a message");
    one.poll().await;
    assert_eq!(one.quarantined().await, 3);
    assert_eq!(one.world.sink.count(), 1);
}

#[tokio::test]
async fn much_spam_in_a_row_is_quarantined_at_once_and_honest_mail_comes_with_the_same_poll() {
    let one = Filtered::new(mails(60)).through("grep -q '^Subject: .*0$' || exit 65", false);
    let summary = one.poll().await;
    assert_eq!(summary.counts.quarantined, 54);
    assert_eq!(summary.counts.delivered, 6);
    assert!(!one.gate.is_suspect());
}

#[tokio::test]
async fn no_text_of_the_message_is_logged() {
    for text in [
        "cat; exit 77",
        "cat; exit 1",
        "head -c 30; exit 65",
        "cat >&2; true",
    ] {
        let one = Filtered::new(mails(1)).through(text, false);
        one.poll().await;
        assert!(!one.world.said(".text 0"), "{text}");
        assert!(!one.world.said("Date: Mon"), "{text}");
    }
    let one = Filtered::new(mails(1)).through("echo 'stream: Eicar FOUND'; exit 65", false);
    one.poll().await;
    assert!(
        one.world
            .said("filter:test: exit 65 (EX_DATAERR): stream: Eicar FOUND")
    );
}

#[tokio::test]
async fn a_child_that_a_filter_leaves_with_its_standard_error_is_not_waited_for() {
    for replaces in [true, false] {
        let text = "sh -c 'echo $$ > $0; exec sleep 60' $1/child > /dev/null & \
                    while ! test -s $1/child; do :; done; cat";
        let one = Filtered::new(mails(1)).through(text, replaces);
        let began = std::time::Instant::now();
        assert_eq!(one.poll().await.counts.delivered, 1, "{replaces}");
        assert!(began.elapsed() < Duration::from_secs(30), "{replaces}");
        let child = std::fs::read_to_string(one.world.directory().join("child")).unwrap();
        let child = rustix::process::Pid::from_raw(child.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
    }
}

#[tokio::test]
async fn the_operator_releases_a_message_without_the_filters() {
    let one = Filtered::new(mails(1)).through("exit 65", false);
    one.poll().await;
    let records = one.world.records().await;
    let (key, file) = records
        .iter()
        .find_map(|(key, record)| match &record.state {
            State::Quarantined { file, .. } => Some((key.clone(), file.clone())),
            _ => None,
        })
        .unwrap();
    let with = one.with();
    let refused = session::retry_kept(&one.world.visit, &with, &key, &file).await;
    assert!(matches!(refused, Ok(Retried::Refused(_))));
    let unfiltered = Collaborators {
        delivery: with.delivery.clone().unfiltered(),
        ..with
    };
    let released = session::retry_kept(&one.world.visit, &unfiltered, &key, &file).await;
    assert_eq!(released.unwrap(), Retried::Delivered);
    assert_eq!(one.world.sink.order(), [mails(1)[0].octets.clone()]);
}
