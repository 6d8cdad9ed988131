//! Every batch is one line, and can be read back.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::mail::Timestamp;
use crate::seen::odd::tests::any_oddities;
use crate::seen::sizes::tests::any_sizes;
use crate::seen::{
    AccountState, ClockState, Compared, DeletesCheck, DeletesState, HidingState, Hold,
    MaildropState, NameSet, NamesBeside, NamesState, Pacing, Seal,
};
use crate::sink::{RefusedTarget, Target, Targets};

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_u64).prop_map(Timestamp)
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("-".to_owned()),
        Just(".".to_owned()),
        "[ -~]{0,12}",
        "\\PC{0,6}"
    ]
}

fn any_target() -> impl Strategy<Value = Target> {
    let names = (any_text(), any_text());
    names.prop_map(|(destination, recipient)| Target {
        destination,
        recipient,
    })
}

fn any_targets() -> impl Strategy<Value = Targets> {
    let refused = (any_target(), any_text(), any_text());
    let refused = refused.prop_map(|(target, code, words)| RefusedTarget {
        target,
        code,
        words,
    });
    let targets = (vec(any_target(), 0..3), vec(refused, 0..3));
    targets.prop_map(|(accepted, refused)| Targets { accepted, refused })
}

fn any_state() -> impl Strategy<Value = State> {
    let deferral = (
        any::<u32>(),
        0..9_u32,
        any_time(),
        any_text(),
        proptest::option::of(any_text()),
        any_targets(),
    );
    prop_oneof![
        any_time().prop_map(|at| State::Delivered { at }),
        any_time().prop_map(|at| State::Marked {
            at,
            by: Marker::Import
        }),
        (any_time(), any::<u64>()).prop_map(|(at, octets)| State::Oversized { at, octets }),
        (any_time(), any_text(), any_text(), any_targets()).prop_map(
            |(at, file, code, targets)| {
                State::Quarantined {
                    at,
                    file,
                    code,
                    targets,
                }
            }
        ),
        deferral.prop_map(|(tries, strikes, next_try, code, parked, targets)| {
            State::Deferred(Deferral {
                tries,
                strikes,
                next_try,
                code,
                targets,
                parked,
            })
        }),
    ]
}

fn any_notes() -> impl Strategy<Value = Notes> {
    let compared = (any_time(), any::<u8>()).prop_map(|(at, times)| Compared { at, times });
    let fields = (
        proptest::option::of(any_time()),
        proptest::option::of(compared),
        proptest::option::of(any_time()),
        proptest::option::of(any::<u64>()),
        any::<[bool; 6]>(),
        0..3_u32,
    );
    let notes = fields.prop_map(|(asked, compared, by_head, lasting, flags, taken)| {
        let [
            displaced,
            octets_differ,
            octets_accepted,
            varies,
            out_of_step,
            returned,
        ] = flags;
        Notes {
            asked,
            compared,
            displaced,
            by_head,
            octets_differ,
            octets_accepted,
            varies,
            out_of_step,
            returned,
            lasting,
            taken,
        }
    });
    let asked = proptest::option::of(any_time()).prop_map(|asked| Notes {
        asked,
        ..Notes::default()
    });
    prop_oneof![Just(Notes::default()), asked, notes]
}

pub fn any_record() -> impl Strategy<Value = Record> {
    let fields = (
        proptest::option::of(any::<u64>()),
        1..4_u32,
        proptest::option::of(any_time()),
        proptest::option::of((any::<u64>(), any::<bool>())),
        any_state(),
        any_notes(),
    );
    fields.prop_map(
        |(octets, copies, absent_since, head, state, notes)| Record {
            octets,
            copies,
            absent_since,
            head: head.map(|(number, is_parted)| HeadDigest::from_number(number, is_parted)),
            state,
            notes,
        },
    )
}

pub fn any_key() -> impl Strategy<Value = RecordKey> {
    let unique_id = vec(
        any::<u8>().prop_filter("CR, LF and NUL are in no unique-id", |b| {
            !matches!(b, 0 | b'\r' | b'\n')
        }),
        1..6,
    );
    (unique_id, proptest::option::of(any::<[u8; 32]>())).prop_map(|(id, digest)| {
        RecordKey::new(UniqueId::new(&id).unwrap(), digest.map(Digest::new))
    })
}

proptest! {
    #[test]
    fn every_batch_is_one_line_and_is_read_back(
        puts in vec((any_key(), any_record()), 0..4),
        forget in any_key(),
        asked in (proptest::option::of(any_time()), proptest::collection::vec(any_key(), 0..4)),
        host in any_text(),
        words in any_text(),
        odd in any_oddities(),
        sizes in any_sizes(),
    ) {
        let mut batch = Batch::new(&AccountName::new("work").unwrap());
        batch.changes.extend(puts.into_iter().map(|(key, record)| Change::Put(key, record)));
        batch.changes.push(Change::Forget(forget));
        let (at, keys) = asked;
        batch.changes.push(Change::Asked { at, keys });
        let hold = Hold { code: "auth_refused".into(), words, tries: 2, until: Timestamp(9) };
        batch.state = Some(AccountState {
            maildrop: MaildropState {
                host,
                port: Some(995),
                adopted: true,
                ..MaildropState::default()
            },
            pacing: Pacing {
                hold: Some(hold),
                failures: 3,
                seal: Some(Seal::of(u64::MAX, "settings", b"secret")),
                began_with_retry: true,
                ..Pacing::default()
            },
            clock: ClockState {
                pause_seconds: Some(86_401),
                ..ClockState::default()
            },
            odd,
            hiding: HidingState {
                hid_retrieved: true,
                shows_retrieved: true,
                without_quit: true,
                hides_since: Some(Timestamp(3)),
                suspected_since: Some(Timestamp(9)),
                retrieved_since: Some(Timestamp(8)),
                ..HidingState::default()
            },
            names: NamesState {
                began_again: Some(Timestamp(1)),
                sampled: Some(Timestamp(2)),
                renamed: vec![Timestamp(3), Timestamp(4)],
                gone_through: Some(Timestamp(5)),
                heads_unreliable: Some(Timestamp(6)),
                elsewhere: Some(Timestamp(6)),
                moving: true,
                marking: true,
                same_maildrop: true,
                came_from: Some("work/0123456789abcdef".to_owned()),
                renaming: Some("home".to_owned()),
                ..NamesState::default()
            },
            deletes: DeletesState {
                after_seconds: Some(0),
                unconfirmed: 1,
                found_again: 2,
                lone: Some(Timestamp(7)),
                attempted: Some(Timestamp(9)),
                quit_refused: true,
                quit_unanswered: true,
                open_notes: vec![Timestamp(8), Timestamp(9)],
                undone_notes: vec![Timestamp(9)],
                beside: vec![NamesBeside {
                    noted: Timestamp(9),
                    names: NameSet::new([&b"one"[..], b"other"].into_iter()),
                }],
                check: Some(DeletesCheck {
                    noted: Timestamp(9),
                    listed: 3,
                    deleted: 2,
                    still: Some(1),
                }),
                check_refused: Some(Timestamp(9)),
            },
            sizes,
        });
        let line = write_batch(&batch);
        prop_assert!(!line.contains('\n'));
        prop_assert_eq!(read_batch(&line), Some(batch));
    }

    #[test]
    fn no_line_makes_the_reader_panic(line in "\\PC{0,200}") {
        let _ = read_batch(&line);
    }
}

#[test]
fn a_note_of_deletes_takes_a_line_of_names_and_digests() {
    let account = AccountName::new("work").unwrap();
    let key = |number: u8| {
        let unique_id = UniqueId::new(format!("{number:08x}6b0a8c5a").as_bytes()).unwrap();
        RecordKey::new(unique_id, Some(Digest::new([number; 32])))
    };
    let asked = Change::Asked {
        at: Some(Timestamp(1_800_000_000)),
        keys: (0..200).map(key).collect(),
    };
    let batch = Batch {
        changes: vec![asked],
        ..Batch::new(&account)
    };
    let line = write_batch(&batch);
    assert!(
        line.starts_with("work ? 1800000000 000000006b0a8c5a 0000"),
        "{line}"
    );
    assert!(line.len() <= 200 * 90, "{}", line.len());
    assert_eq!(read_batch(&line), Some(batch));
    assert_eq!(read_batch("work ? - a"), None, "a name without digest");
}
