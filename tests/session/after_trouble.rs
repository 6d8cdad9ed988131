//! The effects of trouble on later sessions, and how long they last: after a session out of step,
//! after changed unique-ids, and for samples on a server without TOP.

use mailferry::mail::Retention;
use mailferry::session::End;

use crate::support::between::Between;
use crate::support::model::Mail;
use crate::support::odd::Odd;
use crate::support::world::{World, mail, mails};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// The largest number of commands that came before the client waited for an answer, in a poll with
/// new mail.
async fn at_once(world: &World, round: usize) -> usize {
    for number in 0..6 {
        let text = format!("Subject: {round} {number}\r\n\r\n{number}\r\n");
        let id = format!("new-{round}-{number}");
        world.server.put(mail(&id, text.as_bytes()));
    }
    let before = world.sink.count();
    let between = Between::patient(world);
    let summary = between.poll(world).await;
    assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
    world.save_state(summary.state).await;
    assert!(world.sink.count() >= before + 6, "new mail comes at once");
    let flights = between.flights();
    flights.into_iter().max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_session_out_of_step_is_followed_by_a_day_in_lock_step() {
    for odd in [Odd::TwoReplies, Odd::LineTooMany] {
        let world = World::new(Vec::new(), Retention::Keep);
        assert!(at_once(&world, 0).await > 1, "the server pipelines");
        world.pass(HOUR);
        let victim = mail("victim", b"Subject: victim\r\n\r\nvictim\r\n");
        world.server.put(victim);
        world
            .server
            .put(mail("after", b"Subject: after\r\n\r\nafter\r\n"));
        world
            .server
            .with(|habits| habits.odd = Some(("RETR", Some("victim".into()), odd)));
        world.poll().await;
        world.server.with(|habits| habits.odd = None);
        for hour in 0..23 {
            world.pass(HOUR);
            assert_eq!(at_once(&world, 1 + hour).await, 1, "{odd:?}: hour {hour}");
        }
        world.pass(2 * HOUR);
        // The day is over, which the agent notices after one more session of this kind.
        at_once(&world, 30).await;
        world.pass(HOUR);
        assert!(at_once(&world, 31).await > 1, "{odd:?}: a day is enough");
    }
}

/// Five messages with unique-ids of letters that differ from round to round.
fn named(world: &World, round: usize) {
    let mut there = world.server.listed();
    for (at, mail) in there.iter_mut().enumerate() {
        mail.unique_id = format!("session{round}-{at}-whqtswxyz");
    }
    world.server.replace(there);
}

#[tokio::test(start_paused = true)]
async fn unique_ids_are_stable_again_after_30_days_without_a_change() {
    let world = World::new(mails(5), Retention::Keep);
    for round in 0..4 {
        named(&world, round);
        world.poll().await;
        world.pass(HOUR);
    }
    assert!(world.told("unique_ids_unstable"));
    let put = |name: &'static str| {
        let text = format!("Subject: {name}\r\n\r\n{name}\r\n");
        world.server.put(mail(name, text.as_bytes()));
    };
    put("one-under-unstable-names");
    assert_eq!(world.poll().await.counts.names_wait, 1, "once a day");
    // One poll a day; unique-ids do not change any more.
    for day in 0..29 {
        world.pass(DAY);
        let counts = world.poll().await.counts;
        assert_eq!(counts.retrieved, u64::from(day == 0), "day {day}");
    }
    assert_eq!(world.sink.count(), 6);
    put("two-under-unstable-names");
    world.poll().await;
    world.pass(HOUR);
    put("three-under-unstable-names");
    assert_eq!(world.poll().await.counts.names_wait, 1, "after 29 days");
    world.pass(2 * DAY);
    world.poll().await;
    for name in ["four-under-stable-names", "five-under-stable-names"] {
        put(name);
        world.pass(HOUR);
        let counts = world.poll().await.counts;
        assert_eq!((counts.delivered, counts.names_wait), (1, 0), "{name}");
    }
    assert!(world.sink.taken().values().all(|times| *times == 1));
}

#[tokio::test(start_paused = true)]
async fn a_counted_maildrop_without_top_is_sampled_once_a_day_at_the_most() {
    for pipelining in [true, false] {
        let world = World::new(Vec::new(), Retention::after(60 * DAY));
        world.server.with(|habits| habits.pipelining = pipelining);
        let mut known: Vec<Mail> = Vec::new();
        let mut of_today = Vec::new();
        for hour in 0..24 * 5_u64 {
            // New mail at each poll, which is about to be deleted.
            let text = format!("Subject: {hour:04}\r\n\r\nbody {hour:04}\r\n");
            let new = mail(&(hour + 1).to_string(), text.as_bytes());
            world.server.put(new.clone());
            world.poll().await;
            let handed_out = world.server.handed_out();
            of_today.extend(handed_out.into_iter().filter(|one| known.contains(one)));
            known.push(new);
            world.pass(HOUR);
            if hour % 24 == 23 {
                assert!(of_today.len() <= 2, "{hour}: {of_today:?}");
                assert!(hour < 24 || of_today.len() == 2, "{hour}: {of_today:?}");
                of_today.clear();
            }
        }
        assert_eq!(world.sink.count(), 24 * 5);
    }
}
