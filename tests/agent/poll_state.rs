//! The state that a poll saves for the next one, when the server or the store fails. The simulation
//! found these cases; here each has as few steps as possible.

use std::sync::Arc;
use std::time::Duration;

use mailferry::agent::{self, Assignment, Call};
use mailferry::mail::{Retention, WhoActs};
use mailferry::seen::{MemoryStore, Seen};
use mailferry::session::{self, End};

use crate::support::stores::{Hooked, disk_fails};
use crate::support::world::{World, mails};

/// A known message that is compared again while its server fails.
async fn looked_at_again(out_of_order: impl FnOnce(&World)) -> World {
    let world = World::new(mails(1), Retention::Keep);
    world.poll().await;
    world.server.with(|habits| habits.lies_by_octets = 3);
    out_of_order(&world);
    world.poll().await;
    world.server.with(|habits| {
        habits.refuses_retr_of = None;
        habits.hangs_up_inside = None;
    });
    world.pass(86_400);
    // The message at which the session ended is left out once.
    world.poll().await;
    world.poll().await;
    world
}

#[tokio::test]
async fn a_comparison_that_was_refused_or_cut_off_is_finished_by_the_next_poll() {
    let id = || Some("id-0000".to_owned());
    for way in 0..2 {
        let world = looked_at_again(|world| {
            world.server.with(|habits| match way {
                0 => habits.refuses_retr_of = id(),
                _ => habits.hangs_up_inside = id(),
            });
        })
        .await;
        assert_eq!(
            world.records().await.len(),
            1,
            "one message, one record, way {way}"
        );
        world.pass(86_400);
        let summary = world.poll().await;
        assert_eq!(summary.counts.retrieved, 0, "it is known, way {way}");
        assert_eq!(world.sink.count(), 1);
    }
}

#[tokio::test]
async fn when_records_cannot_be_read_nothing_is_retrieved_and_a_refused_login_is_still_reported() {
    for (answer, who) in [
        (None, WhoActs::Store),
        (Some("[SYS/TEMP] later".to_owned()), WhoActs::Store),
        (Some("[AUTH] no".to_owned()), WhoActs::Account),
    ] {
        let let_in = answer.is_none();
        let world = World::new(mails(2), Retention::Delete);
        world.server.with(|habits| habits.refuses_login = answer);
        let unreadable = Hooked::new(Arc::new(MemoryStore::new()));
        let unreadable = unreadable.scan(async |_, _| Err(disk_fails()));
        let with = world.collaborators_with(&Seen::new(Arc::new(unreadable)));
        let summary = session::poll(&world.visit, &with).await;
        let failed = match summary.end {
            End::Failed(error) => error.who_acts(),
            end => panic!("{end:?}"),
        };
        assert_eq!(failed, who);
        let said = world.server.said();
        let count = |word: &str| said.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!((count("RETR"), count("DELE")), (0, 0), "{said:?}");
        assert!(
            count("QUIT") == 1 || !let_in,
            "it leaves in order: {said:?}"
        );
        assert_eq!(world.sink.count(), 0);
    }
}

#[tokio::test]
async fn login_delay_counts_from_the_reply_of_the_server_and_not_from_our_login_command() {
    for answer in [None, Some("[SYS/TEMP] later".to_owned())] {
        let world = World::new(Vec::new(), Retention::Keep);
        world
            .server
            .with(|habits| habits.capabilities = vec!["LOGIN-DELAY 1200".into()]);
        world.poll().await;
        world.pass(2000);
        world.server.with(|habits| habits.refuses_login = answer);
        let asked = *world.now.lock().unwrap();
        let now = world.now.clone();
        let slow = Hooked::guarded(world.store.clone(), move |_| {
            let mut now = now.lock().unwrap();
            *now = now.plus(15);
            Ok(())
        });
        let with = world.collaborators_with(&Seen::new(Arc::new(slow)));
        let summary = session::poll(&world.visit, &with).await;
        assert_eq!(summary.state.pacing.last_login, Some(asked.plus(15)));
    }
}

#[tokio::test]
async fn a_waiting_time_that_a_server_demands_is_obeyed_even_when_it_cannot_be_saved() {
    for (delayed, least_seconds) in [(true, 1200), (false, 60)] {
        let world = World::new(Vec::new(), Retention::Keep);
        world.server.with(|habits| match delayed {
            true => habits.capabilities = vec!["LOGIN-DELAY 1200".into()],
            false => habits.refuses_login = Some("[SYS/TEMP] later".into()),
        });
        let read_only = Hooked::guarded(Arc::new(MemoryStore::new()), |_| Err(disk_fails()));
        let with = world.collaborators_with(&Seen::new(Arc::new(read_only)));
        let assignment = Assignment {
            account: world.visit.account.clone(),
            host: world.visit.host.clone(),
            poll_every: Duration::from_secs(60),
            visit: Arc::new(world.visit.clone()),
            with,
        };
        let polled = agent::poll(&assignment, Call::Due).await.unwrap();
        assert!(polled.wait_seconds >= least_seconds, "{polled:?}");
        assert!(world.told_reason("store_disk"), "and that is said");
        if delayed {
            assert_eq!(polled.failure.unwrap().0, WhoActs::Store);
        }
    }
}
