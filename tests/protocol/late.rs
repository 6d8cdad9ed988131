//! Servers that do not double dots and answer late: a body contains text like the reply to the next
//! RETR, and the real reply comes in place of a later one.

use mailferry::mail::Retention;

use crate::support::late::Late;
use crate::support::world::{World, mail};

const MINUTE: u64 = 60;

/// The first message, up to the dot that seems to end it.
const CUT: &[u8] =
    b"From: a1@example.org\r\nMessage-ID: <m1@example.org>\r\nDate: Mon, 2 Nov 2026 \
                     10:00:00 +0000\r\n\r\nhello\r\n.\r\n";

/// What follows in it.
const FORGED: &[u8] = b"+OK\r\nFrom: evil@example.org\r\nMessage-ID: <m77@example.org>\r\nDate: \
                        Mon, 2 Nov 2026 11:00:00 +0000\r\n\r\nforged\r\n";

const HONEST: &[u8] = b"From: a2@example.org\r\nMessage-ID: <m2@example.org>\r\nDate: Mon, 2 Nov \
                        2026 12:00:00 +0000\r\n\r\nhonest\r\n";

fn late(capabilities: &[&'static str]) -> Late {
    let one = mail("unlike-a-counter-number-one", &[CUT, FORGED].concat());
    let two = mail("unlike-a-counter-number-two", HONEST);
    Late::new(vec![one, two], capabilities)
}

fn retentions() -> [Retention; 2] {
    [Retention::Delete, Retention::Keep]
}

/// Polls after these minutes, until the honest message has been delivered.
async fn delivers_the_honest_message(late: &Late, retention: Retention, minutes: &[u64]) {
    delivers(late, HONEST, retention, minutes).await;
}

async fn delivers(late: &Late, honest: &[u8], retention: Retention, minutes: &[u64]) {
    let mut world = World::new(Vec::new(), retention);
    world.visit.pipelining = true;
    for minutes in minutes {
        world.pass(minutes * MINUTE);
        late.poll(&world).await;
        if !late.listed().iter().any(|id| id.ends_with("two")) {
            break;
        }
    }
    let said = late.said();
    assert!(
        world.sink.taken().contains_key(honest),
        "{retention:?} {:?} {said:?}",
        late.capabilities
    );
}

#[tokio::test(start_paused = true)]
async fn the_late_status_of_a_retrieval_proves_nothing() {
    for retention in retentions() {
        for top in ["TOP", "X-NO-TOP"] {
            let mut late = late(&["UIDL", "PIPELINING", top]);
            late.refuses_list = true;
            let body = [HONEST, b".\r\n"].concat();
            let pieces = vec![(200, b"+OK\r\n".to_vec()), (500, body)];
            late.pieces
                .insert("unlike-a-counter-number-two".to_owned(), pieces);
            delivers_the_honest_message(&late, retention, &[0, 5, 60, 60]).await;
        }
    }
}

/// A size that the first message has up to the dot as well, if its bare line ends are counted as
/// two octets, and the size of the forged message for the second: nothing in the sizes is odd.
#[tokio::test(start_paused = true)]
async fn what_came_in_a_session_out_of_step_is_compared_whatever_the_retention() {
    for retention in retentions() {
        for top in ["TOP", "X-NO-TOP"] {
            let forged = &FORGED[b"+OK\r\n".len()..];
            let mut honest = HONEST.to_vec();
            honest.truncate(honest.len() - 2);
            honest.resize(forged.len() - 2, b'!');
            honest.extend_from_slice(b"\r\n");
            let head = &CUT[..CUT.len() - b".\r\n".len()];
            let bare = "\n".repeat(FORGED.len() + b".\r\n".len() - 2);
            let one = [head, bare.as_bytes(), b"\r\n.\r\n", FORGED].concat();
            let mails = vec![mail("unlike-one", &one), mail("unlike-two", &honest)];
            let late = Late::new(mails, &["UIDL", "PIPELINING", top]);
            delivers(&late, &honest, retention, &[0, 5, 60, 60]).await;
        }
    }
}

/// The first message's rest comes when the next command has been sent.
fn with_a_late_rest(late: &mut Late) {
    let rest = [FORGED, b".\r\n"].concat();
    let pieces = vec![(0, [b"+OK\r\n", CUT].concat()), (300, rest)];
    late.pieces
        .insert("unlike-a-counter-number-one".to_owned(), pieces);
}

#[tokio::test(start_paused = true)]
async fn without_pipelining_and_sizes_what_came_in_the_place_of_another_is_retrieved_again() {
    for retention in retentions() {
        for top in ["TOP", "X-NO-TOP"] {
            let mut late = late(&["UIDL", top]);
            late.refuses_list = true;
            with_a_late_rest(&mut late);
            delivers_the_honest_message(&late, retention, &[0, 5, 60, 60]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_rest_comes_late_costs_no_message_after_it() {
    for retention in retentions() {
        let mut late = late(&["UIDL", "TOP"]);
        with_a_late_rest(&mut late);
        delivers_the_honest_message(&late, retention, &[0, 2, 6, 32]).await;
        let is_left = late.listed().iter().any(|id| id.ends_with("two"));
        assert_eq!(is_left, !retention.deletes(), "{:?}", late.said());
    }
}

/// The first message contains answers to the proofs, guessed by its sender: each is said to be of
/// the first message. The real reply to the second RETR comes only after the deletes.
#[tokio::test(start_paused = true)]
async fn without_sizes_a_message_that_guesses_the_proofs_costs_no_message_after_it() {
    let (id, other) = ("unlike-a-counter-number-one", "unlike-a-counter-number-two");
    for guesses in 0..=24 {
        for _ in 0..16 {
            let guess = format!("+OK 1 {id}\r\n");
            // One proof follows the first RETR, and the others the second. The real answer to the
            // first one comes after the guessed ones.
            let forged = [CUT, guess.as_bytes(), FORGED, b".\r\n"].concat();
            let guessed = guess.repeat(guesses).into_bytes();
            let all = [&forged[..], &guessed].concat();
            let mails = vec![mail(id, &all), mail(other, HONEST)];
            let mut late = Late::new(mails, &["UIDL", "PIPELINING", "TOP"]);
            late.refuses_list = true;
            let first = vec![(0, [b"+OK\r\n", &forged[..]].concat()), (200, guessed)];
            late.pieces.insert(id.to_owned(), first);
            late.withholds = Some(other);
            let world = World::new(Vec::new(), Retention::Delete);
            for minutes in [0, 5, 60, 60] {
                world.pass(minutes * MINUTE);
                late.poll(&world).await;
                let is_there = late.listed().iter().any(|id| id == other);
                let came = world.sink.taken().contains_key(HONEST);
                assert!(is_there || came, "{guesses} guesses: {:?}", late.said());
            }
        }
    }
}
