//! What a transaction does with replies of each kind, in pieces of any size.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::mail::{Recipient, Sender};

/// One reply of each kind.
pub(super) const REPLIES: [(u16, ReplyKind); 6] = [
    (250, ReplyKind::Yes),
    (354, ReplyKind::GoAhead),
    (550, ReplyKind::No),
    (421, ReplyKind::Closing),
    (299 + 51, ReplyKind::Odd),
    (0, ReplyKind::Lost),
];

pub(super) fn reply(code: u16) -> ServerReply {
    match code {
        0 => ServerReply::Lost("gone".to_owned()),
        code => ServerReply::Said(code, vec!["words".to_owned()]),
    }
}

fn recipients(count: usize) -> Vec<Recipient> {
    let name = |number| Recipient::new(&format!("user{number}@home.lan")).unwrap();
    (0..count).map(name).collect()
}

pub(super) fn transaction(dialect: Dialect, pipelining: bool, count: usize) -> Transaction {
    let extensions = Extensions {
        pipelining,
        ..Extensions::default()
    };
    let outgoing = Outgoing {
        sender: &Sender::from_path(b"s@x"),
        recipients: &recipients(count),
        octets: 10,
        added_octets: 0,
        reports: crate::mail::Reports::Usual,
    };
    Transaction::new(dialect, &extensions, &outgoing)
}

/// The step and the code that decided for each recipient; 0 if it is not known.
pub(super) fn found(machine: &Transaction) -> Vec<(Step, u16)> {
    let code = |reply: &ServerReply| match reply {
        ServerReply::Said(code, _) => *code,
        ServerReply::Lost(_) => 0,
    };
    let answers = machine.clone().into_answers().into_iter();
    let decided = answers.map(|answer| match answer {
        RecipientAnswer::Accepted(reply) => {
            assert!(reply.is_yes());
            (Step::Dot, code(&reply))
        }
        RecipientAnswer::Refused(step, reply) => {
            assert!(step != Step::Dot || !reply.is_yes());
            (step, code(&reply))
        }
        _ => (Step::Opening, 0),
    });
    decided.collect()
}

#[test]
fn a_reply_to_the_message_before_its_dot_accepts_nothing() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for (code, kind) in REPLIES {
            let mut machine = transaction(dialect, true, 2);
            for code in [250, 250, 550, 354] {
                machine.heard(reply(code));
            }
            assert_eq!(machine.act(), TransactionAct::Message);
            machine.heard(reply(code));
            assert_eq!(found(&machine), [(Step::Data, code), (Step::Rcpt, 550)]);
            let end = match kind {
                ReplyKind::No | ReplyKind::Lost => TransactionEnd::Over,
                _ => TransactionEnd::Closing,
            };
            assert_eq!(machine.act(), TransactionAct::End(end), "{code}");
        }
    }
}

/// Two recipients taken and one refused between them; these codes are heard at the dot.
fn after_the_dot(codes: &[u16]) -> Transaction {
    let mut machine = transaction(Dialect::Lmtp, true, 3);
    for code in [250, 250, 550, 250, 354] {
        machine.heard(reply(code));
    }
    machine.message_written();
    for code in codes {
        machine.heard(reply(*code));
    }
    machine
}

/// The server answers for the refused recipient too, so the reply to the last recipient is not read
/// as one.
#[test]
fn a_reply_too_many_leaves_an_acceptance_only_if_all_of_them_are_one() {
    let refused = (Step::Rcpt, 550);
    let unknown = (Step::Dot, 0);
    for (codes, further, expected) in [
        (
            [250, 250],
            250,
            [(Step::Dot, 250), refused, (Step::Dot, 250)],
        ),
        ([250, 250], 452, [unknown, refused, unknown]),
        ([250, 550], 250, [unknown, refused, unknown]),
        (
            [250, 250],
            421,
            [(Step::Dot, 250), refused, (Step::Dot, 250)],
        ),
        ([250, 452], 0, [(Step::Dot, 250), refused, (Step::Dot, 452)]),
    ] {
        let mut machine = after_the_dot(&codes);
        assert_eq!(machine.act(), TransactionAct::Command("RSET\r\n"));
        assert!(machine.is_settled());
        machine.overheard(&reply(further));
        assert_eq!(found(&machine), expected, "{codes:?} {further}");
        assert_eq!(machine.act(), TransactionAct::End(TransactionEnd::Over));
    }
    let machine = after_the_dot(&[250, 250, 452]);
    assert_eq!(
        found(&machine),
        [unknown, refused, unknown],
        "as the reply to RSET"
    );
    assert!(!after_the_dot(&[250]).is_settled());
}

#[test]
fn in_a_used_session_an_acceptance_stands_only_if_rset_shows_no_other_reply() {
    for dialect in [Dialect::Smtp, Dialect::Lmtp] {
        for pipelining in [false, true] {
            for (code, expected) in [
                (250, 250),
                (421, 250),
                (0, 250),
                (552, 0),
                (451, 0),
                (354, 0),
            ] {
                let mut machine = transaction(dialect, pipelining, 1).in_used_session();
                for code in [250, 250, 354] {
                    machine.heard(reply(code));
                }
                machine.message_written();
                assert_eq!(machine.act(), TransactionAct::Dot);
                assert_eq!(machine.dot().contains("RSET"), pipelining);
                machine.heard(reply(250));
                let next = match pipelining {
                    true => TransactionAct::Hear,
                    false => TransactionAct::Command("RSET\r\n"),
                };
                assert_eq!(machine.act(), next);
                assert_eq!(machine.is_settled(), !pipelining);
                machine.heard(reply(code));
                assert_eq!(found(&machine), [(Step::Dot, expected)], "{code}");
                assert_eq!(machine.is_out_of_step(), expected == 0);
                let is_ready = machine.act() == TransactionAct::End(TransactionEnd::Ready);
                assert_eq!(is_ready, code == 250);
            }
        }
    }
}

#[test]
fn in_a_used_session_a_refusal_before_the_message_is_heard_again_in_a_new_one() {
    for codes in [&[550][..], &[250, 250, 554]] {
        for pipelining in [false, true] {
            let mut machine = transaction(Dialect::Lmtp, pipelining, 1).in_used_session();
            codes.iter().for_each(|code| machine.heard(reply(*code)));
            assert_eq!(
                machine.act(),
                TransactionAct::End(TransactionEnd::Closing),
                "{codes:?}"
            );
        }
    }
}

#[test]
fn a_transaction_that_is_stopped_leaves_the_answers_that_it_had() {
    let codes = [250, 250, 550];
    let heard = || {
        let mut machine = transaction(Dialect::Lmtp, false, 3);
        codes.iter().for_each(|code| machine.heard(reply(*code)));
        machine
    };
    let mut stopped = heard();
    stopped.withhold();
    let kept = RecipientAnswer::Refused(Step::Rcpt, reply(550));
    let none = RecipientAnswer::Withheld;
    assert_eq!(
        stopped.clone().into_answers(),
        [none.clone(), kept, none.clone()]
    );
    assert_eq!(stopped.act(), TransactionAct::End(TransactionEnd::Over));
    let mut disbelieved = heard();
    disbelieved.disbelieve();
    assert_eq!(
        disbelieved.act(),
        TransactionAct::End(TransactionEnd::Closing)
    );
    assert_eq!(
        disbelieved.into_answers(),
        [none.clone(), none.clone(), none]
    );
    assert_eq!(heard().into_answers(), [], "it is not over");
}

#[test]
fn a_sender_that_the_server_calls_malformed_is_reported_unless_it_was_null() {
    for (sender, end) in [
        ("s@x", TransactionEnd::SenderRefused),
        ("", TransactionEnd::Over),
    ] {
        let outgoing = Outgoing {
            sender: &Sender::from_path(sender.as_bytes()),
            recipients: &recipients(1),
            octets: 10,
            added_octets: 0,
            reports: crate::mail::Reports::Usual,
        };
        let extensions = Extensions {
            pipelining: true,
            ..Extensions::default()
        };
        let mut machine = Transaction::new(Dialect::Smtp, &extensions, &outgoing);
        machine.heard(reply(501));
        assert_eq!(machine.act(), TransactionAct::End(end), "{sender}");
    }
}

#[test]
fn a_recipient_that_cannot_be_sent_is_left_out_and_alone() {
    let names = ["j\u{e4}ne", "joe", "j\u{e4}ck"];
    let recipients = names.map(|name| Recipient::new(name).unwrap());
    let outgoing = Outgoing {
        sender: &Sender::Null,
        recipients: &recipients,
        octets: 10,
        added_octets: 0,
        reports: crate::mail::Reports::Usual,
    };
    let none = RecipientAnswer::Unsendable(Unsendable::NotAscii);
    let taken = RecipientAnswer::Accepted(reply(250));
    for pipelining in [false, true] {
        let extensions = Extensions {
            pipelining,
            ..Extensions::default()
        };
        let mut machine = Transaction::new(Dialect::Lmtp, &extensions, &outgoing);
        for code in [250, 250, 354] {
            machine.heard(reply(code));
        }
        assert_eq!(machine.act(), TransactionAct::Message);
        machine.message_written();
        assert_eq!(machine.act(), TransactionAct::Dot);
        machine.heard(reply(250));
        assert_eq!(machine.act(), TransactionAct::End(TransactionEnd::Ready));
        let expected = [none.clone(), taken.clone(), none.clone()];
        assert_eq!(machine.into_answers(), expected);
    }
    let small = Extensions {
        size: Some(5),
        ..Extensions::default()
    };
    let machine = Transaction::new(Dialect::Lmtp, &small, &outgoing);
    assert_eq!(
        machine.act(),
        TransactionAct::End(TransactionEnd::Ready),
        "nothing is said"
    );
    assert_eq!(machine.into_answers().len(), 3);
}

/// Plays a conversation whose replies arrive as octets, in these pieces.
fn played(dialect: Dialect, pipelining: bool, count: usize, pieces: &[&[u8]]) -> Transaction {
    let mut machine = transaction(dialect, pipelining, count);
    let (mut reader, mut pieces) = (ReplyReader::default(), pieces.iter());
    loop {
        match machine.act() {
            TransactionAct::End(_) => return machine,
            TransactionAct::Message => machine.message_written(),
            _ => machine.heard(loop {
                if let Some(reply) = reader.next_reply() {
                    break reply;
                }
                match pieces.next() {
                    Some(piece) => reader.push(piece),
                    None => break reply(0),
                }
            }),
        }
    }
}

proptest! {
    #[test]
    fn replies_in_pieces_of_any_size_lead_to_the_same_answers(
        lines in proptest::collection::vec(
            prop_oneof![
                Just("250 2.1.5 ok\r\n"), Just("250 ok\r\n"), Just("250\n"), Just("354\r\n"),
                Just("250-two\r\n250 lines\n"),
                Just("550 5.1.1 no\r\n"), Just("452-4.2.2 full\r\n452 4.2.2 really\r\n"),
                Just("421 bye\r\n"), Just("what?\r\n"), Just("25"), Just("\u{e9}\r\n"),
            ],
            0..12,
        ),
        sizes in proptest::collection::vec(1..30_usize, 1..40),
        dialect in prop_oneof![Just(Dialect::Smtp), Just(Dialect::Lmtp)],
        pipelining: bool,
        count in 1..4_usize,
    ) {
        let octets = lines.concat().into_bytes();
        let (mut pieces, mut rest) = (Vec::new(), &octets[..]);
        for size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let whole = played(dialect, pipelining, count, &[&octets]);
        let split = played(dialect, pipelining, count, &pieces);
        prop_assert_eq!(split.act(), whole.act());
        let answers = whole.into_answers();
        prop_assert_eq!(answers.len(), count);
        prop_assert_eq!(split.into_answers(), answers);
    }
}
