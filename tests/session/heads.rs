//! Heads are requested before the plan is made for a limited time only: new mail does not wait for
//! them, and a request to end the session is followed.

use std::time::Duration;

use mailferry::mail::{Retention, limits};
use mailferry::session::End;
use mailferry::sink::Fault;
use tokio::time::{Instant, sleep, timeout};

use crate::support::model::Mail;
use crate::support::world::{World, mail, mails};

const DAY: u64 = 24 * 3600;

/// A world with this many delivered messages whose deletes are due, and a server that is slow to
/// send each head.
async fn due(count: usize, top_milliseconds: u64) -> World {
    let world = World::new(mails(count), Retention::after(DAY));
    world.server.with(|habits| {
        habits.capabilities = vec!["TOP".into()];
        habits.pipelining = false;
    });
    for _ in 0..2 {
        world.poll().await;
        world.pass(DAY - 1);
    }
    world
        .server
        .with(|habits| habits.top_milliseconds = top_milliseconds);
    world
}

fn new_mail() -> Mail {
    mail("new-mail", b"Subject: new\r\n\r\nnew\r\n")
}

/// A device sends the same header each time, without Message-ID and Date, and the server counts
/// from 1 again.
#[tokio::test(start_paused = true)]
async fn an_equal_header_that_names_no_message_allows_no_delete() {
    for unique_id in ["1", "uidvalidity-99-0001"] {
        let of = |text: &str| format!("From: ups@example.org\r\nSubject: alarm\r\n\r\n{text}\r\n");
        let (old, new) = (of("power ok  "), of("power LOST"));
        let mut world = World::new(vec![mail(unique_id, old.as_bytes())], Retention::Keep);
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
        world.poll().await;
        world.server.replace(vec![mail(unique_id, new.as_bytes())]);
        world.visit.retention = Retention::Delete;
        for _ in 0..3 {
            world.pass(3600);
            world.poll().await;
        }
        assert!(
            world.sink.taken().contains_key(new.as_bytes()),
            "{unique_id}"
        );
        assert!(world.server.listed().is_empty(), "{unique_id}");
    }
}

/// Courier wraps mail with 8-bit octets in its header into a notice without Message-ID and Date,
/// and with another boundary at each RETR. Its unique-ids are no counters.
#[tokio::test(start_paused = true)]
async fn a_notice_with_another_boundary_at_each_retr_is_delivered_once_and_deleted() {
    let of = |boundary: &str, text: &str| {
        format!(
            "From: postmaster\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\n\r\n{text}\r\n--{boundary}--\r\n"
        )
    };
    let name = "1796070129.M1P1.mail.example.org";
    for (size, text, delivered) in [(1, "one", 1), (1, "two", 2), (20_000, "one", 1)] {
        let fill = "filled up\r\n".repeat(size);
        let first = of("=_1-1796070129", &format!("{fill}one"));
        let again = of("=_2-1796070163", &format!("{fill}{text}"));
        let mut world = World::new(vec![mail(name, first.as_bytes())], Retention::Keep);
        world
            .server
            .with(|habits| habits.capabilities = vec!["TOP".into()]);
        world.poll().await;
        world.server.replace(vec![mail(name, again.as_bytes())]);
        world.visit.retention = Retention::Delete;
        world.pass(3600);
        let summary = world.poll().await;
        assert_eq!(summary.counts.deleted, 1, "{size} {text}");
        assert_eq!(world.sink.taken().len(), delivered, "{size} {text}");
    }
}

fn tops(world: &World) -> usize {
    let said = world.server.said();
    said.iter().filter(|line| line.starts_with("TOP")).count()
}

#[tokio::test(start_paused = true)]
async fn new_mail_of_a_slow_server_comes_at_once_and_its_many_due_deletes_over_several_polls() {
    let world = due(300, 5_000).await;
    world.server.put(new_mail());
    let (mut polls, mut before) = (0, 301);
    while world.server.listed().len() > 1 {
        let begun = Instant::now();
        let summary = world.poll().await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        assert!(begun.elapsed().as_secs() <= limits::HEADS_SECONDS_MAX + 30);
        assert_eq!(world.sink.count(), 301, "the new message came at once");
        let left = world.server.listed().len();
        assert!(left < before, "each poll deletes some");
        (polls, before) = (polls + 1, left);
        world.pass(300);
    }
    assert_eq!(polls, 3, "120 in each");
    // The oldest and the newest are requested in each poll.
    assert!(tops(&world) <= 300 + 2 * polls, "{}", tops(&world));
    assert_eq!(world.server.listed(), [new_mail()]);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_end_a_session_is_followed_while_the_server_is_silent_at_top() {
    for how in ["soon", "leave"] {
        let world = due(5, 3_600_000).await;
        let begun = Instant::now();
        let told = async {
            sleep(Duration::from_secs(10)).await;
            match how {
                "soon" => world.stop.soon.cancel(),
                _ => world.stop.place.leave.cancel(),
            }
        };
        let poll = timeout(Duration::from_secs(3600), world.poll());
        let (summary, ()) = tokio::join!(poll, told);
        assert_eq!(begun.elapsed().as_secs(), 10, "{how}");
        match summary.unwrap().end {
            End::Stopped => assert_eq!(how, "soon"),
            End::Failed(error) => assert_eq!((how, error.code()), ("leave", "session_slow")),
            End::Complete => panic!("{how}"),
        }
        assert_eq!(world.server.listed().len(), 5);
        let state = world.state().await;
        assert_eq!(
            state.names.heads_unreliable, None,
            "{how}: the server is not blamed"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_should_give_way_requests_no_more_heads_and_ends_with_quit() {
    let world = due(300, 1_000).await;
    let told = async {
        sleep(Duration::from_secs(10)).await;
        world.stop.place.give_way.cancel();
    };
    let begun = Instant::now();
    let (summary, ()) = tokio::join!(world.poll(), told);
    assert!(begun.elapsed().as_secs() <= 12, "{:?}", begun.elapsed());
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
}

#[tokio::test(start_paused = true)]
async fn the_results_of_heads_are_durable_when_the_session_is_lost_between_them() {
    let world = World::new(mails(200), Retention::Keep);
    world.server.with(|habits| {
        habits.capabilities = vec!["TOP".into()];
        habits.pipelining = false;
    });
    world.poll().await;
    // Every unique-id is doubtful, and only heads are requested.
    let mut state = world.state().await;
    state.names.began_again = Some(world.now.lock().unwrap().plus(1));
    world.save_state(state).await;
    world.pass(300);
    world.server.with(|habits| habits.top_milliseconds = 1_000);
    let told = async {
        sleep(Duration::from_secs(100)).await;
        world.stop.place.leave.cancel();
    };
    let (summary, ()) = tokio::join!(world.poll(), told);
    assert!(matches!(summary.end, End::Failed(_)));
    let records = world.records().await;
    let answered = records
        .iter()
        .filter(|(_, record)| record.notes.by_head.is_some());
    assert!(answered.count() >= 95);
}

fn with_top(mails: Vec<Mail>) -> World {
    let world = World::new(mails, Retention::Keep);
    world
        .server
        .with(|habits| habits.capabilities = vec!["TOP".into()]);
    world
}

#[tokio::test]
async fn the_head_of_another_message_with_the_same_unique_id_does_not_make_top_unreliable() {
    let one = |text: &str| mail("same", format!("Subject: {text}\r\n\r\nx\r\n").as_bytes());
    let world = with_top(vec![one("first"), one("second")]);
    world.poll().await;
    world.pass(300);
    world
        .server
        .replace(vec![one("first"), one("it came later")]);
    let counts = world.poll().await.counts;
    assert_eq!((counts.retrieved, counts.delivered), (1, 1));
    assert_eq!(world.state().await.names.heads_unreliable, None);
}

#[tokio::test]
async fn a_quarantined_message_that_is_listed_again_after_two_moves_does_not_make_top_unreliable() {
    let home = mails(3);
    let mut world = with_top(home.clone());
    world.sink.refuse(&home[0].octets, Fault::MessagePermanent);
    world.poll().await;
    assert_eq!(world.kept.count(), 1);
    world.visit.host = "elsewhere.example.net".into();
    world.server.replace(vec![new_mail()]);
    world.poll().await;
    world.visit.host = "pop.example.org".into();
    world.server.replace(home);
    assert_eq!(world.poll().await.counts.recognised, 1);
    assert_eq!(world.state().await.names.heads_unreliable, None);
    assert_eq!(world.sink.count(), 3);
}

/// Delivered messages under one unique-id whose deletes are due; all their heads together take
/// longer than a session's time for heads.
async fn due_twins(count: usize) -> World {
    let one = |number: usize| mail("same", format!("Subject: {number}\r\n\r\nx\r\n").as_bytes());
    let world = World::new((0..count).map(one).collect(), Retention::after(DAY));
    world.server.with(|habits| {
        habits.capabilities = vec!["TOP".into()];
        habits.pipelining = false;
    });
    for _ in 0..2 {
        world.poll().await;
        world.pass(DAY - 1);
    }
    assert_eq!(world.sink.count(), count);
    world.server.with(|habits| habits.top_milliseconds = 1_000);
    world
}

#[tokio::test(start_paused = true)]
async fn a_unique_id_of_very_many_messages_is_deleted_although_their_heads_take_long() {
    let world = due_twins(700).await;
    let begun = Instant::now();
    world.poll().await;
    assert!(begun.elapsed().as_secs() > limits::HEADS_SECONDS_MAX);
    assert!(world.server.listed().is_empty());
    assert!(tops(&world) <= 700 + 2, "{}", tops(&world));
}

#[tokio::test(start_paused = true)]
async fn new_mail_does_not_wait_for_the_heads_of_a_unique_id_of_very_many_messages() {
    let world = due_twins(700).await;
    world.server.put(new_mail());
    let begun = Instant::now();
    world.poll().await;
    assert!(begun.elapsed().as_secs() <= limits::HEADS_SECONDS_MAX + 30);
    assert_eq!(world.sink.count(), 701);
    world.pass(300);
    world.poll().await;
    assert_eq!(world.server.listed(), [new_mail()]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_should_give_way_does_so_among_the_heads_of_one_unique_id() {
    let world = due_twins(700).await;
    let told = async {
        sleep(Duration::from_secs(limits::HEADS_SECONDS_MAX + 10)).await;
        world.stop.place.give_way.cancel();
    };
    let begun = Instant::now();
    let (summary, ()) = tokio::join!(world.poll(), told);
    let most = limits::HEADS_SECONDS_MAX + 15;
    assert!(begun.elapsed().as_secs() <= most, "{:?}", begun.elapsed());
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
}

/// The round trips of a poll that finds nothing new among five messages with such unique-ids.
async fn round_trips(name: impl Fn(usize) -> String, pipelining: bool) -> usize {
    let one = |number: usize| {
        let text = format!("Subject: {number}\r\n\r\nx\r\n");
        mail(&name(number), text.as_bytes())
    };
    let world = with_top((1..6).map(one).collect());
    world.server.with(|habits| habits.pipelining = pipelining);
    world.poll().await;
    world.pass(300);
    let _first_poll = world.server.flights();
    assert_eq!(world.poll().await.counts.retrieved, 0);
    world.server.flights()
}

#[tokio::test]
async fn a_maildrop_whose_names_are_counted_costs_one_round_trip_more_a_poll_or_two_in_lock_step() {
    for (pipelining, more) in [(true, 1), (false, 2)] {
        let counted = round_trips(|number| number.to_string(), pipelining).await;
        let named = |number: usize| format!("mail-{}", "x".repeat(10 + number));
        let usual = round_trips(named, pipelining).await;
        assert_eq!(counted, usual + more, "{pipelining}");
    }
}
