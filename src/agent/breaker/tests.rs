//! Tests of a shared breaker: what accounts and the next start see of it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::*;
use crate::mail::{Sender, UniqueId};
use crate::sink::{Refusal, Undo};
use crate::telemetry::Report;

struct Silent;

impl Report for Silent {
    fn report(&self, _: &Event<'_>) {}
}

fn reporter() -> Reporter {
    Reporter::new(Arc::new(Silent))
}

fn work() -> AccountName {
    AccountName::new("work").unwrap()
}

fn key(id: &str) -> RecordKey {
    RecordKey::new(UniqueId::new(id.as_bytes()).unwrap(), None)
}

fn refuse(breaker: &Breaker, id: &str, fault: Fault) -> Verdict {
    let refused = Refused {
        before: None,
        undo: Undo {
            account: work(),
            key: key(id),
            tries: 0,
        },
        sender: Sender::Null,
        refusal: Refusal::new(fault, "down", "no"),
    };
    breaker.refused(refused, NOW)
}

/// Opens the breaker, and returns the time of the first probe.
fn break_down(breaker: &Breaker) -> Timestamp {
    match refuse(breaker, "first", Fault::Destination) {
        Verdict::Opened { until, .. } => until,
        other => panic!("it is closed: {other:?}"),
    }
}

const NOW: Timestamp = Timestamp(1_800_000_000);

/// A state directory whose breakers are read at each start.
struct Starts(tempfile::TempDir);

impl Starts {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn start(&self) -> Breaker {
        let directory = self.0.path().join("destinations");
        Breaker::recalled("box", reporter(), &directory, None)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("destinations/box")
    }

    /// Whether the file says that the destination is down.
    fn says_down(&self) -> bool {
        std::fs::read_to_string(self.file()).is_ok_and(|text| text.contains("\nopen "))
    }
}

#[tokio::test]
async fn sessions_that_wait_for_a_probe_continue_in_the_order_of_their_arrival() {
    let breaker = Breaker::new("box", reporter());
    let until = break_down(&breaker);
    let Admission::Probe(probe, _) = breaker.admits(&work(), until) else {
        panic!("it is not probed");
    };
    let came = Mutex::new(Vec::new());
    let wait = |number: usize| {
        let (breaker, came) = (&breaker, &came);
        async move {
            breaker.probe_over().await;
            came.lock().unwrap().push(number);
        }
    };
    let waiting: futures_util::stream::FuturesUnordered<_> = (0..30).map(wait).collect();
    let end = async {
        tokio::task::yield_now().await;
        breaker.probe_ended(probe, false);
    };
    tokio::join!(futures_util::StreamExt::collect::<Vec<()>>(waiting), end);
    assert_eq!(came.into_inner().unwrap(), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_state_of_one_start_is_known_to_the_next() {
    let starts = Starts::new();
    let breaker = starts.start();
    let until = break_down(&breaker);
    breaker.close().await;
    let next = starts.start();
    assert_eq!(
        next.admits(&work(), NOW),
        Admission::Closed { until },
        "it waits for the time of the probe"
    );
    assert_eq!(next.why().as_deref(), Some("no (down)"));
}

#[tokio::test]
async fn an_acceptance_that_teaches_nothing_writes_nothing() {
    let starts = Starts::new();
    let breaker = starts.start();
    break_down(&breaker);
    breaker.accepted(&work(), &key("good"));
    breaker.close().await;
    let text = std::fs::read_to_string(starts.file()).unwrap();
    assert!(text.contains("blamed work first"), "{text}");
    std::fs::remove_file(starts.file()).unwrap();
    for number in 0..100 {
        breaker.accepted(&work(), &key(&number.to_string()));
        breaker.close().await;
        assert!(!starts.file().exists(), "{number}");
    }
    breaker.accepted(&work(), &key("first"));
    breaker.close().await;
    assert!(starts.file().exists(), "the first is not to blame any more");
}

#[tokio::test(start_paused = true)]
async fn the_file_is_written_at_once_and_then_once_a_second() {
    let starts = Starts::new();
    let breaker = starts.start();
    refuse(&breaker, "first", Fault::MessageTransient);
    // Time passes only while no write is running.
    sleep(Duration::from_millis(1)).await;
    assert!(starts.file().exists(), "at once");
    std::fs::remove_file(starts.file()).unwrap();
    for number in 0..99 {
        refuse(&breaker, &number.to_string(), Fault::MessageTransient);
        sleep(Duration::from_millis(10)).await;
        assert!(!starts.file().exists(), "{number}");
    }
    sleep(Duration::from_millis(20)).await;
    assert!(starts.file().exists(), "a second later");
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_a_destination_came_up_costs_one_probe() {
    let starts = Starts::new();
    let breaker = starts.start();
    let until = break_down(&breaker);
    sleep(Duration::from_millis(1)).await;
    breaker.accepted(&work(), &key("good"));
    assert!(breaker.why().is_none(), "it is up");
    assert!(starts.says_down(), "the file is not written at each answer");
    let next = starts.start();
    let Admission::Probe(..) = next.admits(&work(), until) else {
        panic!("it is not probed");
    };
    next.accepted(&work(), &key("probe"));
    assert_eq!(next.admits(&work(), until), Admission::Open);
}

#[test]
fn a_crash_before_the_file_was_written_costs_one_offer() {
    let starts = Starts::new();
    // Outside of a runtime nothing is written.
    break_down(&starts.start());
    assert!(!starts.file().exists());
    let next = starts.start();
    assert_eq!(next.admits(&work(), NOW), Admission::Open);
    break_down(&next);
    assert!(matches!(
        next.admits(&work(), NOW),
        Admission::Closed { .. }
    ));
}
