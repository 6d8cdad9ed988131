//! Odd answers to the commands that prove that a session is in step: UIDL and LIST of one message,
//! and STAT. Whatever a server makes of them, its mail comes once, and is deleted.

use mailferry::mail::Retention;
use mailferry::session::End;

use crate::support::between::{Answer, Between};
use crate::support::model::{Mail, Server};
use crate::support::world::{World, mail};

/// How a server answers a command that proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Right,
    Refused,
    /// The reply to the command without a number, as if the number were not there.
    WholeListing,
    OfAnotherNumber,
    WithMoreWords,
    Nothing,
}

const ODD: [Proof; 5] = [
    Proof::Refused,
    Proof::WholeListing,
    Proof::OfAnotherNumber,
    Proof::WithMoreWords,
    Proof::Nothing,
];

fn mails() -> Vec<Mail> {
    let one = |number: usize| {
        let text = format!(
            "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nFrom: a{number}@example.org\r\n\
             Subject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n{}\r\n",
            "x".repeat(number * 7)
        );
        mail(&format!("{number:08x}5f2b3c4d5e6f7a8b"), text.as_bytes())
    };
    (1..=8).map(one).collect()
}

impl Proof {
    fn answer(self, server: &Server, verb: &str, number: usize) -> Answer {
        let listed = server.listed();
        let value = |mail: &Mail| match verb {
            "UIDL" => mail.unique_id.clone(),
            _ => mail.octets.len().to_string(),
        };
        let of = |number: usize| {
            let mail = number.checked_sub(1).and_then(|at| listed.get(at));
            mail.map(|mail| format!("{number} {}", value(mail)))
        };
        let text = match self {
            Self::Right => return Answer::Pass,
            Self::Refused => "-ERR what?\r\n".to_owned(),
            Self::Nothing => "+OK\r\n".to_owned(),
            Self::WholeListing => {
                let lines = (1..=listed.len()).filter_map(of);
                let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
                format!("+OK {} messages\r\n{lines}.\r\n", listed.len())
            }
            Self::OfAnotherNumber => {
                let another = 1 + number % listed.len().max(1);
                format!("+OK {}\r\n", of(another).unwrap_or_default())
            }
            Self::WithMoreWords => {
                format!(
                    "+OK {} follows (as you wished)\r\n",
                    of(number).unwrap_or_default()
                )
            }
        };
        Answer::Say(Box::leak(text.into_boxed_str()))
    }
}

/// STAT that announces this; `None` for the right numbers.
type Total = Option<&'static str>;

/// What is wrong after four polls.
async fn wrong(pipelining: bool, uidl: Proof, list: Proof, stat: Total) -> Option<String> {
    let world = World::new(mails(), Retention::Delete);
    world.server.with(|habits| {
        habits.pipelining = pipelining;
        habits.capabilities = vec!["TOP".into()];
    });
    let server = world.server.clone();
    let between = Between::new(&world, move |line| {
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default();
        let number = words.next().and_then(|word| word.parse().ok());
        match (verb, number, stat) {
            ("UIDL", Some(number), _) => uidl.answer(&server, verb, number),
            ("LIST", Some(number), _) => list.answer(&server, verb, number),
            ("STAT", _, Some(said)) => Answer::Say(said),
            _ => Answer::Pass,
        }
    });
    let mut ends = Vec::new();
    for _ in 0..4 {
        let summary = between.poll(&world).await;
        ends.push(match &summary.end {
            End::Failed(error) => error.code(),
            End::Complete | End::Stopped => "",
        });
        world.save_state(summary.state).await;
        world.pass(300);
    }
    let (came, left) = (world.sink.count(), world.server.listed().len());
    let is_right = came == 8 && world.sink.taken().len() == 8 && left == 0 && ends[3].is_empty();
    let said = || between.said().join(", ");
    (!is_right).then(|| {
        format!(
            "pipelining {pipelining}, UIDL {uidl:?}, LIST {list:?}, STAT {stat:?}: {came} came, \
             {left} left, {ends:?}\n  {}",
            said()
        )
    })
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_uidl_of_one_message_costs_no_message_and_no_delete() {
    let mut complaints = Vec::new();
    for pipelining in [true, false] {
        for uidl in ODD {
            for list in [
                Proof::Right,
                Proof::Refused,
                Proof::WholeListing,
                Proof::OfAnotherNumber,
            ] {
                complaints.extend(wrong(pipelining, uidl, list, None).await);
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn an_odd_answer_to_stat_costs_no_message_and_no_delete() {
    let mut complaints = Vec::new();
    for pipelining in [true, false] {
        for stat in [
            "-ERR what?\r\n",
            "+OK\r\n",
            "+OK 99 1\r\n",
            "+OK 8 messages\r\n",
        ] {
            for uidl in [Proof::Refused, Proof::WholeListing, Proof::OfAnotherNumber] {
                for list in [Proof::Refused, Proof::WholeListing] {
                    complaints.extend(wrong(pipelining, uidl, list, Some(stat)).await);
                }
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
