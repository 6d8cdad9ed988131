//! A journal whose notes of deletes are whole records, as older programs wrote them.

use std::sync::Arc;

use mailferry::mail::Retention;
use mailferry::seen::{Seen, SeenStore};
use mailferry::session::{self, End};

use crate::store::disk::{open, state_dir};
use crate::support::world::{World, mail};

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn messages_that_an_older_program_asked_to_delete_are_deleted_and_not_delivered_again() {
    let journal = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/corpus/seen/v1-notes.journal"
    );
    let directory = state_dir();
    std::fs::copy(journal, directory.path().join("seen.journal")).unwrap();
    // What the journal was written for.
    let of_then = |number| {
        let text = format!("Subject: {number}\r\n\r\n.text {number}\r\n");
        mail(&format!("id-{number:04}"), text.as_bytes())
    };
    let mut world = World::new((0..3).map(of_then).collect(), Retention::Delete);
    world.visit.host = "localhost".into();
    for _ in 0..4 {
        // Read from disk at each poll, as by a program that was started again.
        let store = Arc::new(open(directory.path()).unwrap());
        let with = world.collaborators_with(&Seen::new(store.clone()));
        let summary = session::poll(&world.visit, &with).await;
        assert!(matches!(summary.end, End::Complete), "{:?}", summary.end);
        with.seen.save_state(summary.state).await.unwrap();
        store.close().await.unwrap();
        world.pass(DAY);
    }
    assert_eq!(world.sink.count(), 0);
    assert!(world.server.listed().is_empty(), "not deleted");
}
