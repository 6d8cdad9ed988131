//! The order to stop: work under way gets its time, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::agent::{self, Assignment, Call, Prepare};
use mailferry::mail::{Retention, limits};
use mailferry::session::{self, End, SessionError, Stop, Summary, Visit};
use mailferry::sink::{Begin, Delivery, Destination, Fault, Offer, Outcome, Sink};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::support::world::{World, mails};

/// Polls, and is told to stop after ten seconds, as the agent is at SIGTERM: soon, and eight
/// seconds later now. Returns how long the poll continued after that.
async fn stopped(world: &World) -> (Summary, Duration) {
    let told = async {
        sleep(Duration::from_secs(10)).await;
        world.stop.soon.cancel();
        sleep(Duration::from_secs(8)).await;
        world.stop.now.cancel();
        Instant::now()
    };
    let poll = async {
        let ended = timeout(Duration::from_secs(3600), world.poll()).await;
        (ended.expect("it ends"), Instant::now())
    };
    let ((summary, ended), told) = tokio::join!(poll, told);
    (summary, ended.saturating_duration_since(told))
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_does_not_delay_a_stop_and_is_not_at_fault() {
    for step in ["", "USER", "PASS", "UIDL", "LIST", "RETR", "DELE", "QUIT"] {
        let mut world = World::new(mails(5), Retention::Delete);
        world
            .server
            .with(|habits| habits.stalls_at = Some(step.to_owned()));
        let (summary, late) = stopped(&world).await;
        assert!(
            late <= Duration::from_secs(limits::GOODBYE_SECONDS),
            "{step}: {late:?}"
        );
        if let End::Failed(error) = summary.end {
            panic!("{step}: {error}");
        }
        let doubted = ["DELE", "QUIT"].contains(&step);
        assert_eq!(world.told("deletes_unconfirmed"), doubted, "{step}");
        world.stop = Stop::default();
        world.server.with(|habits| habits.stalls_at = None);
        world.poll().await;
        let taken = world.sink.taken();
        assert_eq!(taken.len(), 5, "{step}");
        assert!(taken.values().all(|times| *times == 1), "{step}");
        assert!(world.server.listed().is_empty(), "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_does_not_answer_for_a_parked_message_does_not_delay_a_stop() {
    let mut world = World::new(mails(1), Retention::Keep);
    world.server.with(|habits| {
        habits.hides = true;
        habits.capabilities = vec!["EXPIRE 0".into()];
    });
    world
        .sink
        .refuse(&mails(1)[0].octets, Fault::MessageTransient);
    world.poll().await;
    assert_eq!((world.sink.count(), world.kept.count()), (0, 1));
    world.sink.hang();
    world.pass(120);
    let (_, late) = stopped(&world).await;
    assert!(
        late <= Duration::from_secs(limits::GOODBYE_SECONDS),
        "{late:?}"
    );
    assert_eq!((world.sink.count(), world.kept.count()), (0, 1));
    world.stop = Stop::default();
    world.sink.accept_all();
    world.poll().await;
    assert_eq!((world.sink.count(), world.kept.count()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_does_not_answer_leaves_a_session_few_files_when_memory_is_spent() {
    let mut world = World::new(mails(100), Retention::Keep);
    let with = world.collaborators();
    let spent: Vec<_> = std::iter::repeat_with(|| with.spool.room_for(None))
        .take(limits::SPOOL_MEMORY_OCTETS_MAX / limits::SPOOL_RESERVATION_OCTETS_MIN)
        .collect();
    let files = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        targets
            .filter(|target| target.starts_with(world.directory()))
            .count()
    };
    world.sink.hang();
    let told = async {
        sleep(Duration::from_secs(10)).await;
        let open = files();
        with.stop.soon.cancel();
        with.stop.now.cancel();
        open
    };
    let (_, open) = tokio::join!(session::poll(&world.visit, &with), told);
    assert_eq!(open, limits::SPOOL_FILES_MAX);
    world.stop = Stop::default();
    world.sink.accept_all();
    let with = session::Collaborators {
        stop: world.stop.clone(),
        ..with
    };
    session::poll(&world.visit, &with).await;
    assert_eq!(world.sink.taken().len(), 100);
    assert_eq!(world.sink.count(), 100);
    drop(spent);
}

/// Takes one message after the other, twelve seconds each.
struct OneByOne {
    turns: Semaphore,
    begun: AtomicUsize,
}

impl Sink for OneByOne {
    fn offer<'a>(&'a self, offer: Offer<'a>) -> BoxFuture<'a, Vec<Outcome>> {
        self.offer_in_turn(offer, Begin::default())
    }

    fn offer_in_turn<'a>(&'a self, offer: Offer<'a>, begin: Begin) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            let _turn = self.turns.acquire().await.unwrap();
            if !begin.begin() {
                return Vec::new();
            }
            self.begun.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(12)).await;
            vec![Outcome::Accepted("ok".into()); offer.envelope.recipients.len()]
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_for_its_turn_at_a_slow_destination_is_not_offered_after_the_stop() {
    for hides in [false, true] {
        let world = World::new(mails(3), Retention::Delete);
        if hides {
            world.server.with(|habits| {
                habits.hides = true;
                habits.capabilities = vec!["EXPIRE 0".into()];
            });
        }
        let sink = Arc::new(OneByOne {
            turns: Semaphore::new(1),
            begun: AtomicUsize::new(0),
        });
        let begun = || sink.begun.load(Ordering::Relaxed);
        let gate = world.gate.clone();
        let mut with = world.collaborators();
        with.delivery = Delivery::to(Destination::new("slow", sink.clone(), gate));
        let told = async {
            sleep(Duration::from_secs(10)).await;
            with.stop.soon.cancel();
            sleep(Duration::from_secs(8)).await;
            with.stop.now.cancel();
        };
        let (summary, ()) = tokio::join!(session::poll(&world.visit, &with), told);
        assert!(matches!(summary.end, End::Stopped), "{:?}", summary.end);
        assert_eq!((begun(), summary.counts.delivered), (1, 1), "{hides}");
        with.stop = Stop::default();
        let summary = session::poll(&world.visit, &with).await;
        assert_eq!((begun(), summary.counts.delivered), (3, 2), "{hides}");
        assert!(world.server.listed().is_empty(), "{hides}");
    }
}

/// A password command that never answers.
struct Asking;

impl Prepare for Asking {
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_command_that_does_not_answer_does_not_delay_a_stop() {
    let world = World::new(mails(1), Retention::Keep);
    let assignment = Assignment {
        account: world.visit.account.clone(),
        host: world.visit.host.clone(),
        poll_every: Duration::from_secs(300),
        visit: Arc::new(Asking),
        with: world.collaborators(),
    };
    let told = async {
        sleep(Duration::from_secs(10)).await;
        world.stop.soon.cancel();
    };
    let polled = timeout(Duration::from_secs(20), agent::poll(&assignment, Call::Due));
    let (polled, ()) = tokio::join!(polled, told);
    let polled = polled.expect("it ends").unwrap();
    assert!(polled.stopped);
    assert_eq!((polled.failure, polled.wait_seconds), (None, 0));
}
