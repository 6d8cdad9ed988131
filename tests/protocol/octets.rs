//! Received octets against announced sizes: servers that send their messages badly.

use std::collections::BTreeSet;
use std::sync::Arc;

use mailferry::mail::{Retention, UniqueId};
use mailferry::seen::{Batch, SeenStore};
use mailferry::session::{self, Counts, Summary};
use proptest::prelude::*;

use crate::support::liar::{Handed, Liar, Manner, replaced};
use crate::support::seed::saved_in;
use crate::support::told::About;
use crate::support::world::World;

const DAY: u64 = 86_400;

/// A message with its own sender.
fn text(number: usize) -> Vec<u8> {
    let lines: String = (0..20)
        .map(|line| format!("line {line} of {number}\r\n"))
        .collect();
    format!("From: a{number}@example.org\r\nSubject: {number}\r\n\r\n{lines}").into_bytes()
}

fn mails(count: usize) -> Vec<Handed> {
    let one = |number| Handed::new(&format!("id-{number:03}"), &text(number));
    (0..count).map(one).collect()
}

/// A badly sending server, and the world that polls it.
struct Bench {
    world: World,
    liar: Liar,
}

impl Bench {
    fn new(mails: Vec<Handed>, manner: Manner) -> Self {
        Self {
            world: World::new(Vec::new(), Retention::Delete),
            liar: Liar::new(mails, manner),
        }
    }

    async fn poll(&self) -> Summary {
        let mut with = self.world.collaborators();
        with.connect = Arc::new(self.liar.clone());
        let summary = session::poll(&self.world.visit, &with).await;
        let batch = Batch {
            state: Some(summary.state.clone()),
            ..Batch::new(&self.world.visit.account)
        };
        self.world.store.commit(batch).await.unwrap();
        summary
    }

    async fn polls(&self, count: usize) -> Counts {
        let mut counts = Counts::default();
        for _ in 0..count {
            counts.add(&self.poll().await.counts);
            self.world.pass(3600);
        }
        counts
    }

    fn taken(&self) -> Vec<Vec<u8>> {
        self.world.sink.order()
    }

    /// The messages that events of this kind are about.
    fn told(&self, about: About) -> Vec<UniqueId> {
        let events = self.world.events.lock().unwrap();
        let told = events.iter().filter(|event| event.about == about);
        told.filter_map(|event| event.unique_id.clone()).collect()
    }
}

/// `.02 test` is in no reply of a server that stuffs: its line would begin with two dots.
#[tokio::test]
async fn dots_of_a_server_that_does_not_stuff_are_kept_where_its_sizes_count_them() {
    let head = "From: a@example.org\r\nSubject: dots\r\n\r\n";
    let dots = format!("{head}this is\r\n.02 test\r\n..css {{ }}\r\n.\rx\r\n");
    for manner in manners() {
        for forgets_to_stuff in [true, false] {
            let mut all = mails(3);
            all[1].octets = dots.clone().into_bytes();
            let manner = Manner {
                forgets_to_stuff,
                ..manner
            };
            let bench = Bench::new(all, manner);
            bench.polls(2).await;
            assert!(
                bench.taken().contains(&dots.clone().into_bytes()),
                "{manner:?}"
            );
            assert_eq!(bench.taken().len(), 3, "{manner:?}");
            assert!(bench.liar.listed().is_empty(), "{manner:?}");
        }
    }
}

/// Lock-step and pipelined, with and without LOGIN-DELAY, and a server that hides retrieved
/// messages.
fn manners() -> Vec<Manner> {
    let mut manners = Vec::new();
    for pipelining in [false, true] {
        for (hides, login_delay) in [(false, None), (false, Some(60)), (true, Some(60))] {
            manners.push(Manner {
                pipelining,
                hides,
                login_delay,
                ..Manner::default()
            });
        }
    }
    manners
}

/// Those of a server that goes on listing what was retrieved.
fn listing_manners() -> impl Iterator<Item = Manner> {
    manners().into_iter().filter(|manner| !manner.hides)
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_short_twice_is_delivered_and_stays_on_the_server() {
    for manner in manners() {
        let mut sent = mails(5);
        sent[2].cuts = vec![Some(100)];
        let bench = Bench::new(sent, manner);
        let counts = bench.polls(3).await;
        assert_eq!((counts.delivered, counts.deleted), (5, 4), "{manner:?}");
        assert_eq!(bench.liar.retrievals("id-002"), 2, "{manner:?}");
        assert_eq!(bench.world.times_told("octets_differ"), 1, "{manner:?}");
        assert!(
            bench
                .liar
                .deleted()
                .iter()
                .all(|gone| gone.unique_id != "id-002")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_short_is_deleted_once_the_listing_agrees() {
    for manner in listing_manners() {
        let mut sent = mails(3);
        sent[1].cuts = vec![Some(100)];
        let bench = Bench::new(sent, manner);
        bench.polls(2).await;
        bench.liar.change("id-001", |one| one.listed = Some(100));
        bench.world.pass(2 * DAY);
        bench.polls(2).await;
        assert!(bench.liar.listed().is_empty(), "{manner:?}");
        assert_eq!(bench.taken().len(), 3, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_came_short_is_delivered_whole_when_the_server_has_the_rest() {
    for manner in listing_manners() {
        for told_later in [false, true] {
            let mut sent = mails(3);
            // Its head is the same in both, with all fields that identify the message.
            let names = b"Message-ID: <1@example.org>\r\nDate: Sun, 29 Nov 2026\r\n";
            sent[1].octets.splice(0..0, *names);
            let whole = sent[1].octets.clone();
            let head = whole.len() - text(1).len() + 48;
            sent[1].cuts = vec![Some(head), Some(head), None];
            // The listing gives a smaller size at first, or the whole size all the time.
            sent[1].listed = told_later.then_some(whole.len() as u64 - 40);
            let bench = Bench::new(sent, manner);
            bench.polls(3).await;
            assert_eq!(bench.liar.retrievals("id-001"), 2, "not at each poll");
            bench.liar.change("id-001", |one| one.listed = None);
            bench.world.pass(DAY);
            bench.polls(2).await;
            assert!(bench.taken().contains(&whole), "{manner:?} {told_later}");
            assert_eq!(bench.taken().len(), 4, "{manner:?} {told_later}");
            bench.world.pass(DAY);
            bench.polls(2).await;
            assert!(bench.liar.listed().is_empty(), "{manner:?} {told_later}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stays_short_is_compared_after_1_2_and_4_days() {
    for manner in listing_manners() {
        let mut sent = mails(2);
        sent[1].cuts = vec![Some(100)];
        let bench = Bench::new(sent, manner);
        let (mut compared, mut before) = (Vec::new(), 0);
        for hour in 0..24 * 9 {
            bench.poll().await;
            let retrievals = bench.liar.retrievals("id-001");
            if retrievals > before {
                compared.push(hour / 24);
            }
            before = retrievals;
            bench.world.pass(3600);
        }
        assert_eq!(compared, [0, 1, 3, 7], "{manner:?}");
        assert_eq!(bench.taken().len(), 2, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stump_that_changes_each_day_is_delivered_less_and_less_often() {
    for manner in listing_manners() {
        let mut sent = mails(2);
        // Twice alike in each session, and different in the next.
        sent[1].cuts = (0..60).flat_map(|day| [Some(60 + day); 2]).collect();
        let bench = Bench::new(sent, manner);
        for _ in 0..2 * 20 {
            bench.poll().await;
            bench.world.pass(DAY / 2);
        }
        // At once, and after 1, 2, 4 and 8 days.
        assert_eq!(bench.taken().len(), 1 + 5, "{manner:?}");
        assert_eq!(bench.liar.listed(), ["id-001"], "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stump_is_not_deleted_with_the_proof_of_another_message_of_its_name() {
    for (at, manner) in (0..2).flat_map(|at| manners().into_iter().map(move |one| (at, one))) {
        let mut sent = mails(2);
        sent[0].unique_id = "x".into();
        sent[1].unique_id = "x".into();
        sent[at].cuts = vec![Some(100)];
        let bench = Bench::new(sent, manner);
        for _ in 0..2 * 5 {
            bench.poll().await;
            bench.world.pass(DAY / 2);
        }
        let taken = bench.taken();
        for gone in bench.liar.deleted() {
            let is_whole = taken.contains(&gone.octets);
            assert!(is_whole, "{at} {manner:?}: not delivered whole");
        }
        assert_eq!(taken.len(), 2, "{at} {manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_copy_is_dropped_if_the_second_has_the_announced_size() {
    for manner in manners() {
        let mut sent = mails(4);
        sent[1].cuts = vec![Some(100), None];
        let bench = Bench::new(sent, manner);
        let counts = bench.polls(2).await;
        assert_eq!((counts.delivered, counts.deleted), (4, 4), "{manner:?}");
        let whole: Vec<Vec<u8>> = (0..4).map(text).collect();
        assert_eq!(bench.taken(), whole, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_different_each_time_stays_and_the_others_are_delivered() {
    for manner in manners() {
        let mut sent = mails(4);
        sent[1].cuts = (0..200).map(|times| Some(60 + times)).collect();
        let bench = Bench::new(sent, manner);
        bench.polls(3).await;
        let others = [0, 2, 3].map(text).to_vec();
        assert_eq!(bench.taken(), others, "{manner:?}");
        let gone = [bench.liar.deleted(), bench.liar.hidden()].concat();
        assert!(
            gone.iter().all(|gone| gone.unique_id != "id-001"),
            "{manner:?}"
        );
        let times = bench.liar.retrievals("id-001");
        assert!((3..=9).contains(&times), "{manner:?}: {times}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_longer_each_time_is_delivered_once_and_stays_on_the_server() {
    for manner in manners() {
        let mut sent = mails(4);
        sent[1].listed = Some(100);
        sent[1].cuts = (0..200).map(|times| Some(200 + times)).collect();
        let bench = Bench::new(sent, manner);
        let counts = bench.polls(60).await;
        assert_eq!(counts.delivered, 4, "{manner:?}");
        assert_eq!(bench.liar.retrievals("id-001"), 3, "{manner:?}");
        let last = text(1)[..202].to_vec();
        // The server ends its last line.
        let is_last = |one: &Vec<u8>| one.starts_with(&last) && one.len() <= last.len() + 2;
        assert!(bench.taken().iter().any(is_last), "{manner:?}");
        let deleted = bench.liar.deleted();
        let mut deleted = deleted.iter().map(|gone| gone.unique_id.as_str());
        assert!(deleted.all(|gone| gone != "id-001"), "{manner:?}");
        assert_eq!(bench.told(About::VaryingMessage).len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_cut_at_another_place_each_time_waits_on_a_server_that_hides_mail() {
    let mut sent = mails(1);
    sent[0].cuts = (0..200).map(|times| Some(60 + times)).collect();
    let manner = Manner {
        hides: true,
        ..Manner::default()
    };
    let bench = Bench::new(sent, manner);
    bench.poll().await;
    bench.poll().await;
    assert_eq!(bench.liar.retrievals("id-000"), 3, "not at every poll");
    assert!(bench.liar.hidden().is_empty() && bench.taken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_empty_message_that_is_announced_as_empty_is_deleted() {
    for manner in manners() {
        let sent = vec![Handed::new("none", b""), Handed::new("one", &text(1))];
        let bench = Bench::new(sent, manner);
        assert_eq!(bench.polls(1).await.deleted, 2, "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_last_line_does_not_end_is_never_delivered_with_the_next_one_in_it() {
    for manner in manners() {
        for sizes in [None, Some(7), Some(100_000)] {
            let mut sent = mails(4);
            sent[1].drops_last_end = true;
            sent[1].listed = sizes;
            let bench = Bench::new(sent, manner);
            bench.polls(6).await;
            for taken in bench.taken() {
                let subjects = memchr::memmem::find_iter(&taken, b"Subject:").count();
                assert_eq!(subjects, 1, "{manner:?} {sizes:?}");
            }
            assert!(bench.liar.listed().contains(&"id-001".to_owned()));
            let taken: BTreeSet<Vec<u8>> = bench.taken().into_iter().collect();
            assert_eq!(taken, [0, 2, 3].map(text).into(), "{manner:?} {sizes:?}");
            assert_eq!(bench.taken().len(), 3, "{manner:?} {sizes:?}");
        }
    }
}

/// A dot that the server does not double, and after it a reply that looks like that to the next
/// RETR.
fn forging(listed_next: usize) -> Vec<u8> {
    let body = "forged\r\n".repeat(100);
    let head = "From: a@example.org\r\nSubject: forged\r\n\r\n";
    let fill = "x".repeat(listed_next.saturating_sub(head.len() + 2));
    let forged = format!("{head}{fill}\r\n");
    assert!(forged.len() == listed_next || listed_next < head.len());
    format!(
        "From: m@example.org\r\nSubject: bait\r\n\r\n{body}.\r\n+OK {listed_next} \
     octets\r\n{forged}"
    )
    .into_bytes()
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_forged_inside_a_message_is_not_delivered_as_the_next_one() {
    for in_pieces in [false, true] {
        for manner in manners() {
            let mut sent = mails(4);
            sent[1].octets = forging(text(2).len());
            let manner = Manner {
                in_pieces,
                forgets_to_stuff: true,
                ..manner
            };
            let bench = Bench::new(sent, manner);
            bench.polls(6).await;
            let taken = bench.taken();
            assert!(
                !taken.iter().any(
                    |one| memchr::memmem::find(one, b"Subject: forged").is_some()
                        && memchr::memmem::find(one, b"bait").is_none()
                ),
                "{manner:?}"
            );
            for number in [0, 2, 3] {
                let times = taken.iter().filter(|one| **one == text(number)).count();
                assert_eq!(times, 1, "{manner:?}: {number}");
            }
            assert!(
                bench.liar.listed().contains(&"id-001".to_owned()),
                "{manner:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sizes_that_are_never_true_are_estimates_and_then_nothing_is_retrieved_twice() {
    for manner in manners() {
        for factor in [0.0, 0.5, 1.5] {
            let lies = |mut one: Handed| {
                one.listed = Some((one.octets.len() as f64 * factor) as u64);
                one
            };
            let (first, later): (Vec<Handed>, Vec<Handed>) = mails(60)
                .into_iter()
                .map(lies)
                .partition(|one| *one.unique_id < *"id-010");
            let bench = Bench::new(first, manner);
            bench.polls(1).await;
            assert_eq!(
                bench.world.times_told("octets_estimated"),
                1,
                "{manner:?} {factor}"
            );
            let count = later.len();
            later.iter().for_each(|one| bench.liar.put(one.clone()));
            let counts = bench.polls(1).await;
            assert_eq!(counts.delivered, count as u64, "{manner:?} {factor}");
            assert!(counts.deleted >= count as u64, "{manner:?} {factor}");
            assert_eq!(
                bench.world.times_told("octets_estimated"),
                1,
                "{manner:?} {factor}"
            );
            let twice = later
                .iter()
                .filter(|one| bench.liar.retrievals(&one.unique_id) > 1);
            assert_eq!(twice.count(), 0, "{manner:?} {factor}");
            let first = (0..10).map(|n| bench.liar.retrievals(&format!("id-{n:03}")));
            // Messages that came too short before are compared once more, to be deleted.
            let most = if factor > 1.0 { 3 } else { 2 };
            assert!(first.max() <= Some(most), "{manner:?} {factor}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn with_estimated_sizes_half_a_message_is_still_not_deleted() {
    for manner in manners() {
        let mut sent = mails(40);
        for one in &mut sent {
            one.listed = Some(one.octets.len() as u64 + 200);
        }
        let (first, mut sent): (Vec<Handed>, Vec<Handed>) =
            sent.into_iter().partition(|one| *one.unique_id < *"id-029");
        sent[1].cuts = vec![Some(100)];
        sent[2].octets = b"From: z@example.org\r\nSubject: nothing\r\n\r\n".to_vec();
        sent[2].listed = Some(60);
        let bench = Bench::new(first, manner);
        bench.polls(1).await;
        sent.into_iter().for_each(|one| bench.liar.put(one));
        bench.polls(2).await;
        let deleted: Vec<String> = bench
            .liar
            .deleted()
            .into_iter()
            .map(|m| m.unique_id)
            .collect();
        assert!(deleted.contains(&"id-029".to_owned()), "{manner:?}");
        assert!(!deleted.contains(&"id-030".to_owned()), "{manner:?}");
        assert!(!deleted.contains(&"id-031".to_owned()), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_reply_may_end_its_lines_in_lf_and_its_message_comes_whole() {
    let flags = [false, true];
    let in_lf = flags
        .into_iter()
        .flat_map(|status| flags.map(|body| (status, body)));
    for ((status_in_lf, body_in_lf), others) in
        in_lf.flat_map(|one| (0..4).map(move |others| (one, others)))
    {
        for manner in manners() {
            let mut sent = mails(4);
            sent[1].status_in_lf = status_in_lf;
            sent[1].body_in_lf = body_in_lf;
            let manner = Manner {
                greeting_in_lf: others % 2 == 1,
                others_in_lf: others / 2 == 1,
                ..manner
            };
            let bench = Bench::new(sent, manner);
            let counts = bench.polls(1).await;
            assert_eq!(counts.deleted, 4, "{status_in_lf} {body_in_lf} {manner:?}");
            let lf = |octets: &[u8]| replaced(octets, b"\r\n", b"\n");
            let taken: Vec<Vec<u8>> = bench.taken().iter().map(|one| lf(one)).collect();
            let whole: Vec<Vec<u8>> = (0..4).map(|number| lf(&text(number))).collect();
            assert_eq!(taken, whole);
        }
    }
}

/// A message in a form that does not depend on line ends and its end; on a server that does not
/// double dots, a line has lost one.
fn essence(octets: &[u8], manner: &Manner) -> Vec<u8> {
    let mut lf = replaced(octets, b"\r\n", b"\n");
    if manner.forgets_to_stuff {
        let lines = lf.split(|octet| *octet == b'\n');
        let bare =
            lines.map(|line| &line[line.iter().take_while(|octet| **octet == b'.').count()..]);
        lf = bare.collect::<Vec<_>>().join(&b'\n');
    }
    while lf.last() == Some(&b'\n') {
        lf.pop();
    }
    while lf.first() == Some(&b'\n') {
        lf.remove(0);
    }
    lf
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(b"some words".to_vec()),
        1 => Just(b".".to_vec()),
        1 => Just(b"..".to_vec()),
        1 => Just(b".x".to_vec()),
        1 => Just(b"".to_vec()),
        1 => Just(b"bare\nlf".to_vec()),
        1 => Just(b"bare\n.\nlf".to_vec()),
        1 => Just(b"bare\n.".to_vec()),
        1 => Just(b"bare\n..lf".to_vec()),
        1 => Just(b"+OK".to_vec()),
        1 => (0_u32..400).prop_map(|n| format!("+OK {n} octets").into_bytes()),
        1 => (0_usize..3).prop_map(|n| [b".\r\n+OK\r\nSubject: forged\r\n\
         \r\n".to_vec(), b"forged\r\n".repeat(n)].concat()),
        1 => Just(b"-ERR".to_vec()),
    ]
}

/// A message, and the errors in LIST and `+OK`.
fn any_handed() -> impl Strategy<Value = (Handed, i64, Option<i64>)> {
    let size = || {
        prop_oneof![
            4 => Just(0),
            1 => -20_i64..20,
            1 => Just(-1_000),
            1 => Just(1_000),
        ]
    };
    let flags = proptest::array::uniform4(prop_oneof![3 => Just(false), 1 => Just(true)]);
    let lines = proptest::collection::vec(any_line(), 0..12);
    (lines, size(), size(), any::<bool>(), flags, any::<bool>()).prop_map(
        |(lines, listed, said, says, [status, body, drops, adds], has_header)| {
            let mut octets = Vec::new();
            if has_header {
                octets.extend_from_slice(b"Subject: one\r\n\r\n");
            }
            for line in lines {
                octets.extend_from_slice(&line);
                octets.extend_from_slice(b"\r\n");
            }
            let handed = Handed {
                octets,
                status_in_lf: status,
                body_in_lf: body,
                drops_last_end: drops,
                adds_line: adds,
                ..Handed::default()
            };
            (handed, listed, says.then_some(said))
        },
    )
}

fn any_manner() -> impl Strategy<Value = Manner> {
    any::<[bool; 7]>().prop_map(|flags| {
        let [
            pipelining,
            forgets_to_stuff,
            hides,
            delays,
            others,
            greeting,
            in_pieces,
        ] = flags;
        Manner {
            pipelining,
            forgets_to_stuff,
            hides,
            others_in_lf: others,
            greeting_in_lf: greeting,
            in_pieces,
            login_delay: delays.then_some(60),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("MAILFERRY_CASES").map_or(200, |cases| cases.parse().unwrap()),
        failure_persistence: saved_in("tests/corpus/proptest/octets.txt"),
        ..ProptestConfig::default()
    })]

    /// A case that fails is printed completely, with its seed.
    #[test]
    fn no_message_is_deleted_whose_bytes_were_not_delivered(
        sent in proptest::collection::vec(any_handed(), 1..6),
        manner in any_manner(),
        estimates in any::<bool>(),
    ) {
        let named = |(number, (mut one, listed, said)): (usize, (Handed, i64, Option<i64>))| {
            one.unique_id = format!("id-{number}");
            one.octets = [format!("From: a{number}@b\r\n").as_bytes(), &one.octets].concat();
            let lie = |by: i64| (one.octets.len() as i64 + by).max(0) as u64;
            (one.listed, one.said) = (Some(lie(listed)), said.map(lie));
            one
        };
        let mut sent: Vec<Handed> = sent.into_iter().enumerate().map(named).collect();
        if estimates {
            // Five before them, so that sizes count as estimates when those come.
            sent.splice(0..0, (0..6).map(|number| Handed {
                listed: Some(7),
                ..Handed::new(&format!("est-{number}"), &text(number))
            }));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let bench = Bench::new(sent, manner);
            for _ in 0..4 {
                bench.polls(2).await;
                bench.world.pass(DAY);
            }
            let essence = |one: &Vec<u8>| essence(one, &manner);
            let taken: Vec<Vec<u8>> = bench.taken().iter().map(essence).collect();
            let parked: Vec<Vec<u8>> = bench.world.kept.octets().iter().map(essence).collect();
            // A message that was reported as too short is delivered as it is, and may be hidden.
            let hidden = bench.liar.hidden().into_iter();
            let short = bench.told(About::ShortMessage);
            let is_told = |one: &Handed| {
                short.iter().any(|id| id.as_bytes() == one.unique_id.as_bytes())
            };
            let hidden = hidden.filter(|one| !is_told(one));
            let shown = |one: &Vec<u8>| String::from_utf8_lossy(one).into_owned();
            for gone in bench.liar.deleted().into_iter().chain(hidden) {
                let bytes = essence(&gone.octets);
                prop_assert!(
                    taken.contains(&bytes) || parked.contains(&bytes),
                    "{} is gone, and was not delivered: {:?}\ntaken: {:?}\nevents: {:#?}",
                    gone.unique_id,
                    String::from_utf8_lossy(&gone.octets),
                    bench.taken().iter().map(shown).collect::<Vec<_>>(),
                    bench.world.events.lock().unwrap(),
                );
            }
            Ok(())
        })?;
    }
}
