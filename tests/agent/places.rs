//! Slow servers do not keep places that other accounts wait for, and lose nothing because of that.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mailferry::agent::{Agent, AgentCommand, AgentOrders, Assignment, Prepare};
use mailferry::mail::{AccountName, Retention};
use mailferry::seen::{Seen, State};
use mailferry::session::{End, SessionError, Stop, Visit};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::support::world::{World, mail, mails};

/// A world with a separate account, at a separate host.
fn world(name: &str, count: usize) -> World {
    let mut world = World::new(mails(count), Retention::Keep);
    world.visit.account = AccountName::new(name).unwrap();
    world.visit.login.user = name.to_owned();
    world.visit.host = format!("{name}.example.org");
    world
}

/// Accounts that share four places.
fn orders(worlds: &[World], stop: &Stop) -> AgentOrders {
    let assign = |world: &World| {
        let mut with = world.collaborators();
        with.stop = stop.clone();
        Assignment {
            account: world.visit.account.clone(),
            host: world.visit.host.clone(),
            poll_every: Duration::from_secs(300),
            visit: Arc::new(world.visit.clone()),
            with,
        }
    };
    AgentOrders {
        assignments: worlds.iter().map(assign).collect(),
        sessions_max: 4,
        sessions_per_host_max: 4,
        shutdown_timeout: Duration::from_secs(8),
    }
}

#[tokio::test(start_paused = true)]
async fn honest_mail_comes_in_time_although_three_times_as_many_servers_drip_as_there_are_places() {
    let mut worlds: Vec<World> = (0..12)
        .map(|at| world(&format!("drips-{at:02}"), 3))
        .collect();
    for world in &worlds {
        world
            .server
            .with(|habits| habits.drips = Some((String::new(), 60)));
    }
    worlds.push(world("honest", 0));
    let honest = worlds.last().unwrap();
    let stop = Stop::default();
    let seen = Seen::new(honest.store.clone());
    let (commands, listening) = mpsc::channel(4);
    let reporter = honest.collaborators().reporter;
    let agent = Agent::new(orders(&worlds, &stop), seen, reporter, stop);
    let agent = tokio::spawn(agent.run(listening));
    let mut latest = Duration::ZERO;
    for number in 0..100 {
        sleep(Duration::from_secs(800)).await;
        let text = format!("Subject: {number}\r\n\r\nx\r\n");
        let came = Instant::now();
        honest
            .server
            .put(mail(&format!("honest-{number}"), text.as_bytes()));
        let taken = timeout(Duration::from_secs(3600), honest.sink.until(number + 1)).await;
        assert!(taken.is_ok(), "message {number} never comes");
        latest = latest.max(came.elapsed());
    }
    // Its interval, a tenth of that, and the time until a place is free.
    assert!(latest < Duration::from_secs(330 + 60), "{latest:?}");
    let asked = Instant::now();
    commands.send(AgentCommand::Stop).await.unwrap();
    agent.await.unwrap().unwrap();
    assert!(
        asked.elapsed() < Duration::from_secs(12),
        "{:?}",
        asked.elapsed()
    );
    for world in &worlds {
        assert!(world.sink.taken().values().all(|times| *times == 1));
    }
}

/// A password command that takes this long.
struct SlowSecret(World, Duration);

impl Prepare for SlowSecret {
    fn prepare(&self) -> BoxFuture<'_, Result<Visit, SessionError>> {
        Box::pin(async {
            sleep(self.1).await;
            Ok(self.0.visit.clone())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn honest_mail_comes_in_time_although_password_commands_of_its_host_hang() {
    let at_host = |name: &str, count| {
        let mut world = world(name, count);
        world.visit.host = "pop.example.org".to_owned();
        world
    };
    let mut worlds: Vec<World> = (0..100)
        .map(|at| at_host(&format!("hangs-{at:02}"), 1))
        .collect();
    worlds.push(at_host("honest", 0));
    let honest = worlds.last().unwrap();
    let stop = Stop::default();
    let seen = Seen::new(honest.store.clone());
    let (commands, listening) = mpsc::channel(4);
    let mut orders = orders(&worlds, &stop);
    for (at, assignment) in orders.assignments.iter_mut().enumerate().take(100) {
        let slow = at_host(&format!("hangs-{at:02}"), 1);
        assignment.visit = Arc::new(SlowSecret(slow, Duration::from_secs(30)));
    }
    let reporter = honest.collaborators().reporter;
    let agent = Agent::new(orders, seen, reporter, stop);
    let agent = tokio::spawn(agent.run(listening));
    let mut latest = Duration::ZERO;
    for number in 0..30 {
        sleep(Duration::from_secs(800)).await;
        let text = format!("Subject: {number}\r\n\r\nx\r\n");
        let came = Instant::now();
        honest
            .server
            .put(mail(&format!("honest-{number}"), text.as_bytes()));
        let taken = timeout(Duration::from_secs(3600), honest.sink.until(number + 1)).await;
        assert!(taken.is_ok(), "message {number} never comes");
        latest = latest.max(came.elapsed());
    }
    assert!(latest < Duration::from_secs(330 + 60), "{latest:?}");
    commands.send(AgentCommand::Stop).await.unwrap();
    agent.await.unwrap().unwrap();
    let slow = &worlds[..100];
    assert!(
        slow.iter().all(|world| world.sink.count() == 1),
        "the slow ones too"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_gives_way_ends_its_poll_in_order_and_the_next_continues() {
    let mut world = world("work", 5);
    world.stop.place.give_way.cancel();
    let summary = world.poll().await;
    assert!(matches!(summary.end, End::Complete));
    assert_eq!(summary.counts.retrieved, 0, "nothing more is asked for");
    world.stop = Stop::default();
    world.poll().await;
    assert_eq!(world.sink.taken().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_dropped_inside_a_message_costs_it_no_strike_and_an_hour() {
    let mut world = world("work", 3);
    world.server.with(|habits| {
        habits.pipelining = false;
        habits.drips = Some(("id-0001".to_owned(), 60));
    });
    let leave = world.stop.place.leave.clone();
    let dropped = async {
        world.server.until_it_drips(10).await;
        leave.cancel();
    };
    let (summary, ()) = tokio::join!(world.poll(), dropped);
    assert!(
        matches!(summary.end, End::Complete),
        "no account is at fault"
    );
    assert!(world.told("session_slow"));
    world.stop = Stop::default();
    world.poll().await;
    assert_eq!(
        world.sink.taken().len(),
        2,
        "the others come at the next poll"
    );
    let records = Seen::new(world.store.clone())
        .records(&world.visit.account)
        .await
        .unwrap();
    let waits = records.iter().find_map(|known| match known.record.state {
        State::Deferred(deferral) => Some((deferral.strikes, deferral.tries)),
        _ => None,
    });
    assert_eq!(waits, Some((0, 0)));
    world.pass(3_700);
    world.server.with(|habits| habits.drips = None);
    world.poll().await;
    assert_eq!(world.sink.taken().len(), 3);
}
