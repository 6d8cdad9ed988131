//! Two accounts whose hosts were swapped in the configuration: no message is delivered twice or
//! deleted, and the error says what to do.

use mailferry::mail::{AccountName, FirstRun, Retention};
use mailferry::operator::operators_word;
use mailferry::seen::Seen;
use mailferry::session::End;

use crate::support::model::Mail;
use crate::support::world::{World, mail};

fn letters(host: &str, count: usize) -> Vec<Mail> {
    let one = |number: usize| {
        let text = format!("Subject: {host} {number}\r\n\r\n{number}\r\n");
        mail(&format!("{host}-{number}"), text.as_bytes())
    };
    (0..count).map(one).collect()
}

fn name(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// Points this account to one of the two hosts.
fn point(world: &mut World, account: &str, host: &str) {
    world.visit.account = name(account);
    world.visit.host = host.into();
    world.server.replace(letters(host, 3));
}

async fn refused(world: &World) -> String {
    match world.poll().await.end {
        End::Failed(error) => {
            assert_eq!(error.code(), "known_by_another_name");
            error.to_string()
        }
        end => panic!("{end:?}"),
    }
}

#[tokio::test]
async fn swapped_accounts_are_held_until_the_operator_renames_their_records() {
    for (retention, first_run) in [
        (Retention::Keep, FirstRun::Ask),
        (Retention::after(3600), FirstRun::All),
    ] {
        let mut world = World::new(Vec::new(), retention);
        world.visit.first_run = first_run;
        for (account, host) in [("a", "x.example"), ("b", "y.example")] {
            point(&mut world, account, host);
            assert_eq!(world.poll().await.counts.delivered, 3);
        }
        world.pass(7200);
        // Each is polled more than once, in any order.
        for (account, host) in [
            ("a", "y.example"),
            ("b", "x.example"),
            ("b", "x.example"),
            ("a", "y.example"),
        ] {
            point(&mut world, account, host);
            let words = refused(&world).await;
            let other = if account == "a" { "b" } else { "a" };
            for command in [
                format!("seen rename {account} {account}-before"),
                format!("seen rename {other} {account}"),
                format!("seen rename {account}-before {other}"),
            ] {
                assert!(words.contains(&command), "{words}");
            }
            assert_eq!(world.server.listed().len(), 3, "nothing is deleted");
        }
        let seen = Seen::new(world.store.clone());
        for (old, new) in [("a", "a-before"), ("b", "a"), ("a-before", "b")] {
            let (old, new) = (name(old), name(new));
            let renamed = seen.rename(&old, &new, &operators_word()).await;
            assert_eq!(renamed.unwrap().changed, 3, "{old} {new}");
        }
        for (account, host) in [("a", "y.example"), ("b", "x.example")] {
            point(&mut world, account, host);
            let summary = world.poll().await;
            assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        }
        let taken = world.sink.taken();
        assert_eq!(taken.len(), 6);
        assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    }
}

#[tokio::test]
async fn an_account_that_returns_to_its_maildrop_has_its_records_whatever_others_have() {
    let mut world = World::new(Vec::new(), Retention::Keep);
    point(&mut world, "a", "x.example");
    assert_eq!(world.poll().await.counts.delivered, 3);
    point(&mut world, "a", "y.example");
    assert_eq!(world.poll().await.counts.delivered, 3);
    point(&mut world, "a", "x.example");
    assert_eq!(world.poll().await.counts.retrieved, 0);
}
